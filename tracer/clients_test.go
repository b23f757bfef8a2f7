// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/internal/watch"
)

func acceptedAt(at time.Duration) connChange {
	return func(c *connLine) { c.accepted, c.handshake = at, at }
}

// unserved is accepted and closed without a handshake.
func unserved(at time.Duration) change {
	return raw(acceptedAt(at), closedAt(at), func(c *connLine) { c.handshake = never })
}

// plain is a connection without credentials, as conn's is after some.
func plain(c *connLine) { c.stage = watch.StageTCP }

func refused(n int) change { return func(tl *timeline) { tl.clients.refused = n } }

// TestUntoldClients has what tells that clients were still coming, and what
// does not although it may look like it.
func TestUntoldClients(t *testing.T) {
	const advice = "): lame duck or preStop >= 5 s"
	hourOld := func(tl *timeline) { tl.clients.since = -time.Hour }
	came := func(before time.Duration) change {
		return conn(plain, acceptedAt(-before), settledAt(-before), told(ms), goneAt(2*ms))
	}
	for _, tt := range []struct {
		name    string
		changes []change
		want    string
	}{
		{"all is well", []change{hourOld, came(time.Minute)}, ""},
		{"nobody ever came", []change{hourOld}, ""},
		{"one came right before", []change{hourOld, came(time.Minute), came(80 * ms)},
			"last one 80ms before the listener closed"},
		{"a second is long enough", []change{hourOld, came(sec)}, ""},
		{"a server that is young meets its first clients", []change{
			func(tl *timeline) { tl.clients.since = -9 * sec }, came(80 * ms),
		}, ""},
		{"one that came and went is a probe", []change{
			hourOld, conn(acceptedAt(-80*ms), settledAt(-79*ms), goneAt(-70*ms)),
		}, ""},
		{"nor is a silent one a client", []change{hourOld, raw(acceptedAt(-80*ms), goneAt(2*ms))}, ""},
		{"late ones", []change{
			conn(acceptedAt(sec), settledAt(sec), goneAt(2*sec)), unserved(sec), unserved(2 * sec),
		},
			"3 after the call, 2 of them closed unserved"},
		{"a late one that was served", []change{conn(acceptedAt(sec), settledAt(sec), goneAt(2*sec))},
			"1 after the call"},
		{"refused", []change{refused(50)}, "50 refused"},
		{"not known", []change{refused(-1)}, ""},
		{"a few are probes", []change{refused(4)}, ""},
		{"strangers are always refused here", []change{
			refused(50), func(tl *timeline) { tl.clients.background = 30 },
		}, ""},
		{"a Stop resets what it cuts", []change{
			onlyStop, conn(goneAt(ms)), conn(goneAt(ms)), refused(2 + 4),
		}, ""},
		{"so does a forced one", []change{
			forcedAt(8 * sec), conn(goneAt(8*sec + ms)), conn(goneAt(8*sec + ms)), refused(2 + 4),
		}, ""},
		{"which cuts nothing before it", []change{
			forcedAt(8 * sec), conn(plain, goneAt(ms)), conn(plain, goneAt(ms)), refused(2 + 4),
		}, "6 refused"},
		{"a close_notify that comes too late is answered by a reset", []change{
			conn(unseen, goneAt(ms)), conn(goneAt(ms)), refused(2 + 4),
		}, ""},
		{"one before the call was answered then", []change{conn(unseen, goneAt(-ms)), refused(1 + 4)}, "5 refused"},
		{"all at once", []change{hourOld, came(10 * ms), unserved(ms), refused(9)},
			"last one 10ms before the listener closed, 1 after the call, 1 of them closed unserved, 9 refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tl := returnedAt(10*sec, append([]change{oneListener}, tt.changes...)...)
			want := tt.want
			if want != "" {
				want = "clients were still connecting (" + want + advice
			}
			if got := tl.untoldClients(); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// TestUntoldWithoutListener: where nothing was watched nothing is said.
func TestUntoldWithoutListener(t *testing.T) {
	if got := returnedAt(sec, refused(-1), conn()).untoldClients(); got != "" {
		t.Error(got)
	}
}

func TestClientsReport(t *testing.T) {
	tl := returnedAt(10*sec, oneListener, func(tl *timeline) { tl.clients.since = -time.Hour },
		conn(plain, acceptedAt(-80*ms), goAwayAt(ms), ackedAt(3*ms), finalAt(4*ms), goneAt(sec),
			func(c *connLine) { c.late = 2 }),
		conn(plain, goAwayAt(ms), finalAt(5001*ms), goneAt(6*sec), func(c *connLine) { c.late = 1 }),
		conn(plain, goAwayAt(-time.Minute), finalAt(-50*sec), goneAt(7*sec)), // max_age
		unserved(2*ms), refused(20))
	before := Duration(80 * ms)
	want := Clients{
		LastAccept: &before, Refused: 20, LateConnections: 1, Unserved: 1, LateStreams: 3,
		Window: Duration(5 * sec),
	}
	if diff := cmp.Diff(want, tl.clientsReport()); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	clean := returnedAt(sec, oneListener, conn(told(0), goneAt(0)))
	if diff := cmp.Diff(Clients{}, clean.clientsReport()); diff != "" {
		t.Errorf("of a clean stop (-want +got):\n%s", diff)
	}
}

// TestExpectedResets: what is always refused is not held against the shutdown.
func TestExpectedResets(t *testing.T) {
	begin := time.Now()
	r := refusal{
		first: resetCount{begin, 1000, true},
		call:  resetCount{begin.Add(100 * sec), 1200, true}, // 2 a second
	}
	if got := r.expected(begin.Add(105 * sec)); got != 10 {
		t.Errorf("%d, want 10", got)
	}
}
