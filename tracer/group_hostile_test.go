// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestHostileGroup puts each text where members say something: their names, which
// the application has chosen, and errors and peers, which may have come from outside.
func TestHostileGroup(t *testing.T) {
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newGroup(t)
				h.Group = h.tr.BeginGroup(10 * sec)
				h.Because(text)
				h.closes(text, 4*sec, errors.New(text), text, text)
				h.member(text, memberHTTP, []string{text}, func(m *Member) {
					held := Holder{Kind: HolderConnection, Peer: text, Detail: text, Held: Duration(sec)}
					done := m.Phase(PhaseConnWait, func() []Holder { return []Holder{held} })
					time.Sleep(2 * sec)
					done()
					m.End(errors.New(text), true)
				})
				h.server(text, sec, true)
				r, spans := h.finish()
				for what, write := range map[string]func(*bytes.Buffer) error{
					"text": func(b *bytes.Buffer) error { return r.WriteText(b) },
					"JSON": func(b *bytes.Buffer) error { return r.WriteJSON(b) },
				} {
					var b bytes.Buffer
					if err := write(&b); err != nil {
						t.Fatal(err)
					}
					bounded(t, what, b.String(), 8<<10)
				}
				bounded(t, "log", h.log.String(), 16<<10)
				for _, sp := range spans {
					bounded(t, "a span's name", sp.Name(), maxCleaned+len(spanMember))
					bounded(t, "status of "+sp.Name(), sp.Status().Description, 8<<10)
					for _, kv := range sp.Attributes() {
						said := fmt.Sprint(kv.Key, kv.Value.AsInterface())
						bounded(t, sp.Name()+", "+string(kv.Key), said, 8<<10)
					}
				}
			})
		})
	}
}

// TestGroupAfterwards: what a member that was left behind does when all is over
// changes nothing.
func TestGroupAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newGroup(t)
		h.Group = h.tr.BeginGroup(sec)
		m := h.Begin(MemberReport{Name: "late", Kind: memberHTTP})
		done := m.Phase(PhaseConnWait, answering())
		time.Sleep(2 * sec)
		m.End(errLeft, true)
		r, spans := h.finish()
		done()
		m.Connections(1, 2, 3, 4)
		m.End(nil, false)
		if again := h.Finish(context.Background()); again != r || len(h.k.spans) != len(spans) {
			t.Error("the report or its spans have changed")
		}
	})
}

// TestGroupOfMany: a verdict stays a line, however many members fail.
func TestGroupOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newGroup(t)
		h.Group = h.tr.BeginGroup(10 * sec)
		h.closes("first", 2*sec, errLeft)
		for range 100 {
			h.closes("other", sec, errLeft)
		}
		r, _ := h.finish()
		if n := strings.Count(r.Verdict, "other failed: "); n != maxAlso ||
			!strings.HasSuffix(r.Verdict, ", and 95 members more") {
			t.Errorf("%d others are named: %s", n, r.Verdict)
		}
	})
}
