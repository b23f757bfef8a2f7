// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"strings"
	"testing"
)

// TestRPCsOfUnknownConnections: whether such an RPC held conn wait is told by
// what ended that.
func TestRPCsOfUnknownConnections(t *testing.T) {
	const (
		rpc = "rpc greeter.v1.Greeter/Chat on an unknown connection"
		c1  = "connection from 10.0.0.1:40001"
	)
	for _, tt := range []struct {
		name string
		tl   *timeline
		want string
	}{
		{
			"it ended with it",
			returnedAt(9*sec, stream(-sec, 9*sec, onUnknownConnection)), rpc,
		}, {
			"a forced stop ended both",
			returnedAt(9*sec+3*ms, forcedAt(9*sec), stream(-sec, 9*sec+2*ms, onUnknownConnection)), rpc,
		}, {
			"the server gave up",
			unfinishedAt(9*sec, givenUp, stream(-sec, never, onUnknownConnection)), rpc,
		}, {
			"it went on when the last connection was gone",
			returnedAt(9*sec, oneListener, conn(told(0), goneAt(9*sec)),
				stream(-sec, never, onUnknownConnection)), c1,
		},
	} {
		if got := blamed(tt.tl, PhaseConnWait); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: conn wait blames %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestInSendOfNoTime: in a phase that has only just begun a stream does what it
// does now, not what it did before.
func TestInSendOfNoTime(t *testing.T) {
	for _, tt := range []struct {
		change rpcChange
		want   string
	}{
		{inSend(9 * sec), stateInSend},
		{inSend(2 * sec), stateInHandler},
	} {
		tl := unfinishedAt(9*sec, listener(0, 0, 9*sec), conn(told(9*sec)),
			stream(-sec, never, tt.change))
		views := tl.views()
		if got := blamed(tl, PhaseConnWait); views[len(views)-1].length(tl) != 0 ||
			!strings.Contains(got, tt.want) {
			t.Errorf("conn wait, which has just begun, blames %s, want one %s", got, tt.want)
		}
	}
}
