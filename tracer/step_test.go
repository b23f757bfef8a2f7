// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"strings"
	"testing"
	"time"
)

// led says that the shutdown began before the call.
func led(by time.Duration) change { return func(tl *timeline) { tl.lead = by } }

// beforeTheCall says that there has been none; times count from the start.
func beforeTheCall(tl *timeline) { tl.leading = true }

// TestSteps: what package server does around grpc's stop stands before it and
// after it.
func TestSteps(t *testing.T) {
	duck := stepped(PhaseLameDuck, -5*sec, 0)
	for _, tt := range []struct {
		name string
		tl   *timeline
		want string
	}{
		{
			"before and after",
			returnedAt(sec, oneListener, led(5*sec), stepped(PhaseNotServing, -5*sec, -5*sec), duck,
				stepped(PhaseAppFlush, sec, 3*sec), func(tl *timeline) { tl.now = 3 * sec }),
			"not serving -5s, lame duck 0s, quit 0s, listener close 0s, handshake wait 0s, GOAWAY 0s, " +
				"conn wait 0s, handler wait 1s, app flush 3s",
		}, {
			"it has hardly begun",
			unfinishedAt(ms, beforeTheCall),
			"quit ...",
		}, {
			"the lame duck lasts",
			unfinishedAt(sec, beforeTheCall, stepped(PhaseLameDuck, 0, never)),
			"lame duck ...",
		}, {
			"the lame duck is over, the call is to come",
			unfinishedAt(sec, beforeTheCall, stepped(PhaseLameDuck, 0, sec)),
			"lame duck 1s, quit ...",
		}, {
			"given up, and then flushed",
			unfinishedAt(4*sec, oneListener, forcedAt(2*sec), conn(told(0), goneAt(2*sec)),
				unary(-sec, never), stepped(PhaseAppFlush, 3*sec, never),
				func(tl *timeline) { tl.returned, tl.abandoned = 3*sec, true }),
			"quit 0s, listener close 0s, handshake wait 0s, GOAWAY 0s, conn wait 2s, forced stop 2s, " +
				"handler wait 3s, app flush ...",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := prose(tt.tl.phases()); got != tt.want {
				t.Errorf("phases:\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestStepsInVerdict: what was asked for is nobody's fault, and what was given up
// is not hidden by what came after it.
func TestStepsInVerdict(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		tl         *timeline
	}{
		{
			"a lame duck is no wait", "graceful in 2.0s (lame duck 2.0s), nothing held it",
			returnedAt(ms, oneListener, led(2*sec), stepped(PhaseLameDuck, -2*sec, 0)),
		}, {
			"nor is it what is blamed", "conn wait took 1.0s of 6.0s: rpc",
			returnedAt(sec, oneListener, led(5*sec), stepped(PhaseLameDuck, -5*sec, 0),
				conn(told(0), goneAt(sec)), unary(-sec, sec)),
		}, {
			"it lasts", "lame duck for 1.0s so far: no new connection",
			unfinishedAt(sec, beforeTheCall, stepped(PhaseLameDuck, 0, never)),
		}, {
			"whoever is left behind is named", "left behind: handler",
			unfinishedAt(4*sec, oneListener, forcedAt(2*sec), conn(told(0), goneAt(2*sec)),
				unary(-sec, never), stepped(PhaseAppFlush, 3*sec, 4*sec),
				func(tl *timeline) { tl.returned, tl.abandoned = 3*sec, true }),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.tl.verdict(tt.tl.views()); !strings.Contains(got, tt.want) {
				t.Errorf("verdict:\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestLameDuckAdvice: what would have been enough is told where it was seen.
func TestLameDuckAdvice(t *testing.T) {
	arrived := func(last time.Duration) change {
		return func(tl *timeline) {
			tl.clients.arrivals = arrivalsLine{3, last}
			tl.clients.since = -time.Hour
		}
	}
	for _, tt := range []struct {
		name   string
		last   time.Duration
		late   []change
		enough time.Duration
	}{
		{"the last came early", 1200 * ms, nil, 3 * sec},
		{"it came at the end: that tells nothing", 4500 * ms, nil, 0},
		{"others came after it", 1200 * ms, []change{unserved(ms)}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tl := returnedAt(10*ms, append([]change{
				oneListener, led(5 * sec), stepped(PhaseLameDuck, -5*sec, 0), arrived(tt.last),
			}, tt.late...)...)
			c := tl.clientsReport()
			if c.Arrived != 3 || c.LastArrival != Duration(tt.last) || c.LameDuck != Duration(tt.enough) {
				t.Errorf("%+v, want %s", c, tt.enough)
			}
		})
	}
}
