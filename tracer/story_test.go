// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// records is a log handler that keeps the records of one message.
type records struct {
	slog.Handler
	message string
	mu      sync.Mutex // guards following
	kept    []map[string]any
}

func (*records) Enabled(context.Context, slog.Level) bool { return true }

func (h *records) Handle(_ context.Context, r slog.Record) error {
	if r.Message != h.message {
		return nil
	}
	all := make(map[string]any)
	r.Attrs(func(a slog.Attr) bool {
		all[a.Key] = a.Value.Any()
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kept = append(h.kept, all)
	return nil
}

// moment is what one of the three tells of a checkpoint.
type moment struct {
	At      time.Duration
	Phase   string
	Verdict string
}

// TestStoryAgrees: at 1, 3, 6 and 11 s, and when another phase has begun, the log, the
// spans and the report say the same of what holds: first a silent peer, then an RPC.
func TestStoryAgrees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, log := &sink{}, &records{Handler: slog.DiscardHandler, message: logProgress}
		tr, err := New(t.Context(), WithExporter(k.factory), WithLogger(slog.New(log)))
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		p := serving(tr)
		s, _ := tr.BeginShutdown(Call{Graceful: true})
		p.closeListener()
		time.Sleep(4 * time.Second)
		p.silent.Closed()
		p.silent.HandshakeEnd()
		time.Sleep(8 * time.Second)
		tr.Table().End(p.rpc)
		p.conn.Closed()
		s.Returned()
		r := s.Finish(t.Context())

		var told, logged, sent []moment
		for _, c := range r.Checkpoints {
			told = append(told, moment{time.Duration(c.Offset), string(c.Phase), c.Verdict})
		}
		for _, a := range log.kept {
			logged = append(logged, moment{
				time.Duration(a["duration_ms"].(float64) * float64(time.Millisecond)),
				a["phase"].(string), a["verdict"].(string),
			})
		}
		for _, sp := range k.spans {
			if strings.HasPrefix(sp.Name(), spanCheckpoint) {
				a := attrsOf(sp)
				sent = append(sent, moment{
					time.Duration(a[keyElapsed].(float64) * float64(time.Second)),
					a[keyPhase].(string), a[keyVerdict].(string),
				})
			}
		}
		if diff := cmp.Diff(told, logged); diff != "" {
			t.Errorf("the report and the log differ (-report +log):\n%s", diff)
		}
		if diff := cmp.Diff(told, sent); diff != "" {
			t.Errorf("the report and the spans differ (-report +spans):\n%s", diff)
		}
		wantStory(t, told, []moment{
			{time.Second, "handshake wait", "handshake wait for 1.0s so far: handshake from 10.0.0.1:"},
			{3 * time.Second, "handshake wait", "handshake wait for 3.0s so far: handshake from 10.0.0.1:"},
			{4500 * time.Millisecond, "conn wait", "conn wait for 500ms so far: rpc greeter.v1.Greeter/SayHello"},
			{6 * time.Second, "conn wait", "conn wait for 2.0s so far: rpc greeter.v1.Greeter/SayHello"},
			{11 * time.Second, "conn wait", "conn wait for 7.0s so far: rpc greeter.v1.Greeter/SayHello"},
		})
	})
}

// wantStory compares moments, and how their verdicts begin.
func wantStory(t *testing.T, got, want []moment) {
	t.Helper()
	for i := range got {
		if i < len(want) && strings.HasPrefix(got[i].Verdict, want[i].Verdict) {
			got[i].Verdict = want[i].Verdict
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the story (-want +got):\n%s", diff)
	}
}

// TestStoryIsBounded: of a long one the first and the last checkpoints are kept.
func TestStoryIsBounded(t *testing.T) {
	s := &Shutdown{}
	for i := range 1000 {
		s.keepCheckpoint(Checkpoint{Offset: Duration(i)})
	}
	got := s.story()
	if len(got) != maxCheckpoints {
		t.Fatalf("%d checkpoints, want %d", len(got), maxCheckpoints)
	}
	for i, c := range got {
		want := i
		if i >= maxCheckpoints/2 {
			want = 1000 - maxCheckpoints + i
		}
		if c.Offset != Duration(want) {
			t.Errorf("checkpoint %d is that of %d, want that of %d", i, c.Offset, want)
		}
	}
}
