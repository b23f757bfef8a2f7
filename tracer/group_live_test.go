// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// liveAnswer is what the debug port answers as JSON.
func (h *handmadeGroup) liveAnswer() (running, finished []*Report) {
	h.t.Helper()
	var live struct {
		Running  []*Report `json:"running"`
		Finished []*Report `json:"finished"`
	}
	w := ask(h.tr.Handler(), http.MethodGet, "/?format=json", "")
	if err := json.Unmarshal(w.Body.Bytes(), &live); err != nil {
		h.t.Fatal(err)
	}
	return live.Running, live.Finished
}

// TestGroupHandler asks while a group stops and afterwards: it is one stop, and its
// members are shown in it and nowhere else.
func TestGroupHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newGroup(t)
		if running, _ := h.liveAnswer(); len(running) != 0 {
			t.Errorf("%d stops before the stop", len(running))
		}
		h.begin()
		time.Sleep(2 * sec)
		running, finished := h.liveAnswer()
		if len(running) != 1 || len(finished) != 0 || len(running[0].Members) != 3 {
			t.Fatalf("at 2 s %d run and %d are over, want the group with 3 members", len(running), len(finished))
		}
		for _, m := range running[0].Members {
			if m.Outcome != OutcomeRunning || len(m.Phases) == 0 || m.Duration != Duration(2*sec) {
				t.Errorf("at 2 s %s is %s, with %d phases, after %s", m.Member.Name, m.Outcome,
					len(m.Phases), m.Duration)
			}
		}
		wantText(t, "at 2 s", h.tr.Handler(), "shutdown ", "2.0s", "running", "├ api", "└ metrics",
			"verdict: api: conn wait for 1.5s so far: rpc", "it is stopped because of SIGTERM",
			"members: admin: conn wait for 1.5s so far: rpc")
		wantPage(t, h.tr.Handler(), "/", "api: conn wait for 1.5s so far: rpc")

		time.Sleep(5 * sec)
		running, _ = h.liveAnswer()
		if r := running[0]; r.Outcome != OutcomeRunning || r.Members[0].Outcome != OutcomeGraceful ||
			r.Members[1].Outcome != OutcomeRunning || r.Members[2].Outcome != OutcomeForced {
			t.Errorf("at 7 s: %+v", r)
		}
		wantText(t, "at 7 s", h.tr.Handler(), "verdict: admin: conn wait for 6.5s so far")

		h.finish()
		running, finished = h.liveAnswer()
		if len(running) != 0 || len(finished) != 1 || len(finished[0].Members) != 4 {
			t.Errorf("afterwards %d run and %d are over, want the group alone", len(running), len(finished))
		}
		wantText(t, "afterwards", h.tr.Handler(), "no shutdown is running\n", "verdict: admin took 8.0s of 9.2s")
	})
}

// TestGroupBetweenMembers: nobody is stopping, one is yet to come.
func TestGroupBetweenMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newGroup(t)
		h.Group = h.tr.BeginGroup(sec)
		time.Sleep(100 * ms)
		wantText(t, "before the first", h.tr.Handler(), "running",
			"verdict: after 100ms no member is being stopped")
		h.finish()
	})
}

var errLeft = errors.New("its stop has not returned")

// TestGroupLeftBehind: a server whose stop does not return is forced, and what held
// it then is told.
func TestGroupLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newGroup(t)
		h.Group = h.tr.BeginGroup(3 * sec)
		tr := h.tr.ForServer()
		p := serving(tr)
		m := h.Begin(MemberReport{Name: "api", Kind: memberGRPC})
		s, _ := tr.BeginShutdown(Call{Graceful: true, Member: m})
		p.closeListener()
		time.Sleep(2500 * ms)
		m.End(errLeft, true)
		r, spans := h.finish()
		want := "api took 2.5s of 2.5s: handshake wait for 2.5s so far: handshake from 10.0.0.1:40000"
		if r.Outcome != OutcomeForced || len(r.Verdict) < len(want) || r.Verdict[:len(want)] != want {
			t.Errorf("%s: %s, want %s", r.Outcome, r.Verdict, want)
		}
		got := read(t, formats["OTLP"](r.Service, spans))
		if got.Verdict != r.Verdict || got.Members[0].Verdict != r.Members[0].Verdict ||
			got.Members[0].Outcome != OutcomeForced || got.Members[0].Member.Error != errLeft.Error() {
			t.Errorf("read back as %s, its member as %+v", got.Verdict, got.Members[0])
		}
		p.finish(tr, s)
	})
}
