// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gracetrace/gracetrace/internal/spanjson"
)

// recvAt is a shutdown that a stream holds, as it is at a moment.
func recvAt(now time.Duration) *timeline {
	return unfinishedAt(now, oneListener, conn(told(0)), stream(-time.Hour, never, inRecv(now)))
}

// TestReadKilledHelps: whom the last checkpoint blames, and what helps, is known of a
// process that was killed; that it still lasts is not said of it.
func TestReadKilledHelps(t *testing.T) {
	for format, write := range formats {
		r := read(t, write(service, killedAfter(t, recvAt(sec), recvAt(17*sec))))
		if n := len(r.Notes); n != 2 || r.Notes[0].Kind != noteRemedy ||
			!strings.Contains(r.Notes[0].Text, "server.EndRecv") || r.Notes[0].Ref == "" {
			t.Errorf("%s: %+v", format, r.Notes)
		}
		said, page := text(t, r), writeHTML(t, r)
		for _, want := range []string{"at least, until it was killed, 1 connection", "server.EndRecv"} {
			if !strings.Contains(said, want) || !strings.Contains(page, want) {
				t.Errorf("%s: no %q in\n%s\nor not in the page", format, want, said)
			}
		}
		if tag := `<b class="tag open">`; strings.Contains(said+page, "still lasts") ||
			strings.Count(page, tag) != 1 || !strings.Contains(page, tag+"until killed") {
			t.Errorf("%s: a dead process holds nothing:\n%s", format, said)
		}
	}
}

// TestAsOf: what was heard of a moment ago still runs; later it was killed.
func TestAsOf(t *testing.T) {
	for _, tt := range []struct {
		name      string
		last, ago time.Duration // when it told of itself last, and how long that is ago
		silence   time.Duration
		runs      bool
		says      string
	}{
		{"a moment ago", 17 * sec, 4 * sec, time.Minute, true, "heard of 4.0s ago: if nothing follows within 1m00s"},
		{"just in time", 17 * sec, time.Minute, time.Minute, true, "heard of 1m00s ago"},
		{"too long ago", 17 * sec, time.Minute + sec, time.Minute, false, ""},
		{"it tells more rarely", 2 * time.Minute, 2 * time.Minute, time.Minute, true, "within 2m00s"},
		{"longer than that", 2 * time.Minute, 2*time.Minute + sec, time.Minute, false, ""},
		{"a clock that is ahead", 17 * sec, -time.Hour, time.Minute, true, "heard of 0µs ago"},
		{"asked to be strict", 17 * sec, sec, ms, false, ""},
	} {
		r := read(t, spanjson.OTLP(service, killedAfter(t, recvAt(sec), recvAt(tt.last))))
		verdict := r.Verdict
		r.AsOf(r.Start.Add(tt.last+tt.ago), tt.silence)
		said := text(t, r)
		if lasts := strings.Contains(said, "still lasts"); lasts != tt.runs || r.Unended() == tt.runs {
			t.Errorf("%s: it still lasts: %t, unended %t\n%s", tt.name, lasts, r.Unended(), said)
		}
		if !tt.runs {
			if r.Outcome != OutcomeKilled || r.Verdict != verdict {
				t.Errorf("%s: %s: %s", tt.name, r.Outcome, r.Verdict)
			}
			continue
		}
		notes := strings.Join(noteLines(r.Notes), "\n")
		if r.Outcome != OutcomeRunning || !strings.HasPrefix(r.Verdict, "conn wait for ") ||
			!strings.Contains(notes, tt.says) || !strings.Contains(notes, "EndRecv") ||
			strings.Contains(said+writeHTML(t, r), "killed in") {
			t.Errorf("%s: %s: %s\n%s", tt.name, r.Outcome, r.Verdict, notes)
		}
	}
	finished, _ := reported(t, busy(), Call{Graceful: true})
	if finished.AsOf(finished.Start, time.Hour); finished.Outcome != OutcomeGraceful {
		t.Errorf("one that has ended: %s", finished.Outcome)
	}
	told := read(t, spanjson.OTLP(service, killedAfter(t)))
	told.AsOf(told.Start, time.Minute)
	if told.Verdict != "running for at least 2µs: it has not told yet what holds it" {
		t.Error(told.Verdict)
	}
}

// TestGroupAsOf: its members still run with it, those that had ended have ended.
func TestGroupAsOf(t *testing.T) {
	for after, want := range map[time.Duration]string{
		2 * sec: "running for at least 1.0s: api: conn wait for 500ms so far: ", 7 * sec: "running for at least 6.0s: admin: conn wait for ",
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newGroup(t)
			h.begin()
			r := read(t, spanjson.OTLP("greeter", h.killed(after)))
			ended := 0
			for _, m := range r.Members {
				if m.Outcome != OutcomeKilled {
					ended++
				}
			}
			r.AsOf(r.Start.Add(after), time.Minute)
			for _, m := range r.Members {
				switch m.Outcome {
				case OutcomeKilled:
					t.Errorf("after %s: %s was killed", after, m.Member.Name)
				case OutcomeRunning:
					if strings.Contains(m.Verdict, "killed") {
						t.Errorf("after %s: %s: %s", after, m.Member.Name, m.Verdict)
					}
				default:
					ended--
				}
			}
			if r.Outcome != OutcomeRunning || ended != 0 || !strings.HasPrefix(r.Verdict, want) {
				t.Errorf("after %s: %s, %d: %s", after, r.Outcome, ended, r.Verdict)
			}
		})
	}
}
