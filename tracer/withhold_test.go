// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gracetrace/gracetrace/internal/stack"
)

// looseHandler is a handler's goroutine of which the dump does not tell the RPC.
const looseHandler = `goroutine 7 [select]:
main.wait(...)
	/src/wait.go:5 +0x1
main._Greeter_SayHello_Handler(...)
	/src/greeter_grpc.pb.go:80 +0x1
github.com/gracetrace/gracetrace/interceptors.markMethod(...)
	/src/mark.go:30 +0x1
`

// TestWithholdLoose: a method is not told either that only a stack tells, and what
// is missing is said.
func TestWithholdLoose(t *testing.T) {
	for _, withhold := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			tr, _ := newTestTracer(t)
			tr.cfg.withheld.method = withhold
			tr.looker.capture = func(int) stack.Dump {
				return stack.Dump{Text: looseHandler, Goroutines: 1}
			}
			defer tr.table.End(tr.table.Begin(context.Background(), sayHello))
			s, _ := tr.BeginShutdown(Call{Graceful: true})
			s.Forced()
			r := s.Finish(t.Context())
			if len(r.Stacks) != 1 || r.Stacks[0].Source != "wait.go:5" {
				t.Fatalf("stacks: %+v, want the handler's", r.Stacks)
			}
			var b bytes.Buffer
			if err := r.WriteText(&b); err != nil {
				t.Fatal(err)
			}
			text := strings.Join(strings.Fields(b.String()), " ")
			for word, want := range map[string]bool{
				"SayHello": !withhold, "1 handler of withheld methods": withhold,
				"missing evidence: withheld, as configured: method": withhold,
			} {
				if strings.Contains(text, word) != want {
					t.Errorf("withheld %t: the report tells %q: %t, want %t:\n%s",
						withhold, word, !want, want, b.String())
				}
			}
		})
	}
}

// TestWithheldPeerInWords: a connection without a name still is one.
func TestWithheldPeerInWords(t *testing.T) {
	for _, tt := range []struct {
		h    Holder
		want string
	}{
		{Holder{Kind: HolderRPC, Method: "a/B", Connection: 3}, "rpc a/B from connection 3"},
		{Holder{Kind: HolderRPC, Connection: 3, Client: "x"}, "rpc from connection 3 for x"},
		{Holder{Kind: HolderHandshake, Connection: 3, Local: string(localProxy)},
			"handshake from connection 3 (local proxy or same process)"},
		{Holder{Kind: HolderConnection, Connection: 3}, "connection 3"},
		{Holder{Kind: HolderConnection, Connection: unnumbered}, "connection"},
		{Holder{Kind: HolderRPC, Transport: transportHTTP, Connection: unnumbered}, "rpc through ServeHTTP"},
		{Holder{Kind: HolderRPC, Method: "a/B"}, "rpc a/B on an unknown connection"},
	} {
		if got := tt.h.who(); got != tt.want {
			t.Errorf("%+v is %q, want %q", tt.h, got, tt.want)
		}
	}
}
