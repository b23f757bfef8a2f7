// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/check"
	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/program"
	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// silent makes a connection whose handshake is under way: the server's SETTINGS
// have come, and the client never says a word.
func silent(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.ReadFull(conn, make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
}

// hello makes a short call and leaves its connection open.
func hello(t *testing.T, addr string) {
	t.Helper()
	ada := &greeterv1.SayHelloRequest{Name: "ada"}
	if _, err := program.Client(t, addr).SayHello(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
}

// TestServe stops and kills a server from outside, with its clients in another
// process.
func TestServe(t *testing.T) {
	j := jaegerd.Start(t)
	p := program.Build(t).To("http://" + j.OTLP).With("GRACETRACE_GRACE_PERIOD=10s")

	t.Run("SIGTERM with a silent client", func(t *testing.T) {
		t.Parallel()
		s := p.As("greeter-term").Serve(t, "--handshake-timeout", "2s")
		silent(t, s.Dial(t, s.Addr))
		s.Signal(t, syscall.SIGTERM)
		tree := jaegerd.Await(t, "the server's trace", shutdownOf(j, "greeter-term", check.Root), complete)
		s.Wait(t)
		check.Tell(t, tree, check.Finished(tree))
		if held := tree.Find("handshake wait")[0]; held.Duration() < 1_000_000 {
			t.Errorf("handshake wait took %d µs, want the silent client's 2 s", held.Duration())
		}
	})

	t.Run("SIGKILL while a stream holds", func(t *testing.T) {
		t.Parallel()
		s := p.As("greeter-kill").Serve(t)
		program.Chat(t, program.Client(t, s.Addr))
		s.Signal(t, syscall.SIGTERM)
		started := shutdownOf(j, "greeter-kill", check.Started)
		jaegerd.Await(t, "a checkpoint that names the stream", started, func(tree *timeline.Tree) bool {
			return len(open(tree, "rpc Greeter/Chat")) > 0
		})
		s.Signal(t, syscall.SIGKILL)
		s.Wait(t)
		wantKilled(t, j, p, started, "conn wait", "rpc Greeter/Chat")
	})
}
