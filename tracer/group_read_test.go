// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gracetrace/gracetrace/internal/spanjson"
)

// drawn is what of a text's timeline depends on some ticks.
var drawn = regexp.MustCompile(`[▏▎▍▌▋▊▉█]+|\d+(\.\d+)?(µs|ms)|  +`)

// TestReadGroup: what a group's report tells is read back from its spans, in each
// format, and the text is the one that the process printed.
func TestReadGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newGroup(t)
		h.begin()
		r, spans := h.finish()
		for format, write := range formats {
			got := read(t, write(r.Service, spans))
			if diff := cmp.Diff(r, got, laidOut(phaseTicks)); diff != "" {
				t.Errorf("%s (-report +read from its spans):\n%s", format, diff)
			}
			want, text := drawn.ReplaceAllString(text(t, r), " "), drawn.ReplaceAllString(text(t, got), " ")
			if diff := cmp.Diff(want, text); diff != "" {
				t.Errorf("%s: the text (-report +read from its spans):\n%s", format, diff)
			}
		}
	})
}

// TestReadOwnGroup: what WriteJSON writes of one.
func TestReadOwnGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newGroup(t)
		h.begin()
		r, _ := h.finish()
		var b bytes.Buffer
		if err := r.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		opts := cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)}
		if diff := cmp.Diff(r, read(t, b.Bytes()), opts); diff != "" {
			t.Errorf("(-written +read):\n%s", diff)
		}
	})
}

// TestReadGroupNonsense: a file may claim that there are any members.
func TestReadGroupNonsense(t *testing.T) {
	for _, members := range []string{
		`null`, `[]`, `[null]`, `[{}]`, `[{"members":[{"members":[{}]}]},null]`, `[{"member":{"after":[""]}}]`,
	} {
		r := read(t, []byte(`{"version":1,"phases":[],"members":`+members+`}`))
		for _, m := range r.Members {
			if m.Member == nil || m.Members != nil {
				t.Errorf("%s is read as %+v", members, m)
			}
		}
		text(t, r)
		writeHTML(t, r)
	}
}

// TestReadKilledGroup: members that had ended are as they were, the others are
// killed with what their checkpoints told; of those whose turn came after the last
// checkpoint nothing is known.
func TestReadKilledGroup(t *testing.T) {
	const held = "rpc greeter.v1.Greeter/SayHello from 10.0.0.2:40000"
	for _, tt := range []struct {
		after   time.Duration
		verdict string // begins and goes on with
		members []string
	}{
		{200 * ms, "killed after at least 2µs: api: killed after at least 2µs: it told nothing", []string{
			"api killed", "admin killed",
		}},
		{1100 * ms, "killed after at least 1.0s: api: killed in conn wait after at least 1.0s: conn wait for " +
			"500ms so far: " + held + ": ; 2 members more", []string{
			"api killed", "admin killed", "metrics killed",
		}},
		{
			4 * sec, "killed after at least 3.0s: api: killed in conn wait after at least 3.0s: " + held +
				": ; 1 member more", []string{"api killed", "admin killed", "metrics forced"},
		},
		{
			7 * sec, "killed after at least 6.0s: admin: killed in conn wait after at least 6.0s: " + held,
			[]string{"api graceful", "admin killed", "metrics forced"},
		},
		{8500 * ms, "killed after at least 8.0s: what it told of had ended", []string{
			"api graceful", "admin forced", "metrics forced",
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newGroup(t)
			h.begin()
			spans := h.killed(tt.after)
			for format, write := range formats {
				r := read(t, write("greeter", spans))
				var members []string
				for _, m := range r.Members {
					members = append(members, fmt.Sprintf("%s %s", m.Member.Name, m.Outcome))
				}
				if diff := cmp.Diff(tt.members, members); diff != "" || r.Outcome != OutcomeKilled {
					t.Errorf("%s, after %s: %s (-want +got):\n%s", format, tt.after, r.Outcome, diff)
				}
				rest := r.Verdict
				for part := range strings.SplitSeq(tt.verdict, ": ") {
					_, after, ok := strings.Cut(rest, part)
					if rest = after; !ok {
						t.Errorf("%s, after %s: no %q in %s", format, tt.after, part, r.Verdict)
					}
				}
				if n := strings.Count(text(t, r), "its end was never sent"); n != 1 {
					t.Errorf("%s, after %s: %d notes that its end was not sent", format, tt.after, n)
				}
			}
		})
	}
}

// random members stop: some are servers, some have phases with holders in them.
func (h *handmadeGroup) random(rnd *rand.Rand) {
	h.Group = h.tr.BeginGroup(20 * sec)
	some := func(most time.Duration) time.Duration {
		return time.Duration(rnd.Int64N(int64(most))).Truncate(tick)
	}
	for i := range rnd.IntN(6) {
		name := fmt.Sprintf("m%d", i)
		starts, holds, forced := some(3*sec), 500*ms+some(9*sec), rnd.IntN(2) == 0
		var err error
		if rnd.IntN(2) == 0 {
			err = errors.New("broken")
		}
		phases, kind := make([]time.Duration, rnd.IntN(4)), rnd.IntN(4)
		for i := range phases {
			phases[i] = some(4 * sec)
		}
		h.stopping.Go(func() {
			time.Sleep(starts)
			switch kind {
			case 0:
				h.server(name, holds, forced)
			case 1:
				h.closes(name, holds, err, "m0")
			case 2: // one behind an HTTP server
				<-h.server(name, holds, forced)
				h.http(name)
			case 3:
				h.member(name, memberHTTP, []string{"m0", "m1"}, func(m *Member) {
					for i, d := range phases {
						done := m.Phase([]Phase{PhaseConnWait, PhaseForcedStop, PhaseHandlerWait}[i],
							func() []Holder {
								return []Holder{{Kind: HolderConnection, Peer: name, Held: Duration(d / 2)}}
							})
						time.Sleep(d)
						done()
					}
					m.Connections(len(phases), i, 0, 2)
					m.End(err, forced)
				})
			}
		})
	}
}

// TestReadRandomGroup: any group, whole and killed.
func TestReadRandomGroup(t *testing.T) {
	for seed := range uint64(100) {
		var whole *Report
		synctest.Test(t, func(t *testing.T) {
			h := newGroup(t)
			h.random(rand.New(rand.NewPCG(seed, 3)))
			r, spans := h.finish()
			whole = r
			got := read(t, spanjson.Jaeger(r.Service, spans))
			if diff := cmp.Diff(r, got, laidOut(phaseTicks)); diff != "" {
				t.Fatalf("seed %d (-report +read):\n%s", seed, diff)
			}
		})
		synctest.Test(t, func(t *testing.T) {
			h := newGroup(t)
			h.random(rand.New(rand.NewPCG(seed, 3)))
			after := time.Duration(seed)*97*ms + ms
			r := read(t, spanjson.OTLP("greeter", h.killed(after)))
			checkKilled(t, seed, after, whole, r)
		})
	}
}

func same(a, b *Report) bool {
	return a.Member.Name == b.Member.Name && a.Member.Kind == b.Member.Kind
}

// checkKilled compares the report of a group that was killed with the one that it
// would have made.
func checkKilled(t *testing.T, seed uint64, after time.Duration, whole, r *Report) {
	t.Helper()
	if r.Outcome != OutcomeKilled || time.Duration(r.Duration) > after {
		t.Errorf("seed %d: %s after %s, it was killed after %s", seed, r.Outcome, r.Duration, after)
	}
	for _, m := range r.Members {
		i := slices.IndexFunc(whole.Members, func(w *Report) bool { return same(w, m) })
		want := whole.Members[i]
		end := time.Duration(want.Member.Offset + want.Duration)
		switch {
		case m.Member.Offset != want.Member.Offset,
			m.Member.BudgetLeft != want.Member.BudgetLeft, !slices.Equal(m.Member.After, want.Member.After):
			t.Errorf("seed %d: %+v, want %+v", seed, m.Member, want.Member)
		case end <= after && (m.Outcome != want.Outcome || m.Verdict != want.Verdict):
			t.Errorf("seed %d: %s had ended: %s: %s, want %s: %s", seed, m.Member.Name,
				m.Outcome, m.Verdict, want.Outcome, want.Verdict)
		case end > after && m.Outcome != OutcomeKilled:
			t.Errorf("seed %d: %s had not ended: %s", seed, m.Member.Name, m.Outcome)
		}
	}
	for _, w := range whole.Members {
		known := slices.ContainsFunc(r.Members, func(m *Report) bool { return same(w, m) })
		if end := time.Duration(w.Member.Offset + w.Duration); end <= after && !known {
			t.Errorf("seed %d: %s had ended, nothing is known of it", seed, w.Member.Name)
		}
	}
}

// TestReadSeveralGroups: of two processes, and a server beside them, all in one
// trace: each has what is its own.
func TestReadSeveralGroups(t *testing.T) {
	var all string
	var want []*Report
	var ids []string
	for i, kill := range []time.Duration{0, 7 * sec} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Duration(i) * sec)
			h := newGroup(t)
			h.begin()
			name := fmt.Sprintf("service%d", i)
			if kill > 0 {
				spans := h.killed(kill)
				all += string(spanjson.OTLP(name, spans))
				ids = append(ids, spans[0].SpanContext().TraceID().String())
				want = append(want, read(t, spanjson.OTLP(name, spans)))
				return
			}
			_, spans := h.finish()
			all += string(spanjson.OTLP(name, spans))
			ids = append(ids, spans[0].SpanContext().TraceID().String())
			want = append(want, read(t, spanjson.OTLP(name, spans)))
		})
	}
	alone, spans := reported(t, busy(), Call{Graceful: true})
	all += string(spanjson.OTLP(service, spans))
	want = append(want, read(t, spanjson.OTLP(service, spans)))
	for _, id := range ids {
		all = strings.ReplaceAll(all, id, alone.TraceID)
	}
	got, err := ReadReports(strings.NewReader(all))
	if err != nil {
		t.Fatal(err)
	}
	opts := cmp.Options{cmpopts.IgnoreFields(Report{}, "TraceID"), cmpopts.EquateEmpty(),
		cmpopts.IgnoreFields(SpanCount{}, "Sent")}
	if diff := cmp.Diff(want, got, opts); diff != "" {
		t.Errorf("(-each alone +in one trace):\n%s", diff)
	}
}
