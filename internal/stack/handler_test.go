// SPDX-License-Identifier: Apache-2.0

package stack_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/metadata"

	"github.com/gracetrace/gracetrace/internal/stack"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// diver's handlers block as many calls deep as their RPC's metadata says.
type diver struct {
	greeterv1.UnimplementedGreeterServer
}

func (diver) SayHello(ctx context.Context, _ *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	dive(depth(ctx), func() { <-ctx.Done() })
	return nil, ctx.Err()
}

func (diver) Chat(s greeterv1.Greeter_ChatServer) error {
	var err error
	dive(depth(s.Context()), func() { _, err = s.Recv() })
	return err
}

func dive(n int, bottom func()) {
	if n == 0 {
		bottom()
		return
	}
	dive(n-1, bottom)
}

func depth(ctx context.Context) int {
	n, _ := strconv.Atoi(strings.Join(metadata.ValueFromIncomingContext(ctx, "depth"), ""))
	return n
}

// TestHandlers: each handler's stack is its own RPC's (fact 33).
func TestHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t, diver{})
		c := b.client(nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		const each = 25
		for i := range each {
			ctx := metadata.AppendToOutgoingContext(ctx, "depth", strconv.Itoa(i))
			go func() { _, _ = c.SayHello(ctx, &greeterv1.SayHelloRequest{}) }()
			if _, err := c.Chat(ctx); err != nil {
				t.Fatal(err)
			}
		}
		r := b.read()
		ids := make(map[string]uint64)
		for entry, id := range b.tr.Table().Entries(b.tr.Table().Now()) {
			ids[fmt.Sprintf("%p", entry)] = id
		}
		depths := make(map[uint64]int)
		for _, s := range b.tr.Table().Snapshot().RPCs {
			depths[s.ID] = depth(s.Ctx)
		}
		if len(r.Handlers) != 2*each || len(depths) != 2*each {
			t.Fatalf("%d handlers in the dump, %d RPCs; want %d", len(r.Handlers), len(depths), 2*each)
		}
		for _, h := range r.Handlers {
			want, ok := depths[ids[h.Entry]]
			if !ok {
				t.Fatalf("entry %q of %s is no RPC's", h.Entry, h.Text)
			}
			if got := strings.Count(h.Text, ".dive(...)\n") - 1; got != want {
				t.Errorf("the stack of another RPC: dives %d times, want %d:\n%s", got, want, h.Text)
			}
		}
		wantNoHooks(t, r)
	})
}

// TestHandlerSite: the application's frame is named, not what it called.
func TestHandlerSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t, diver{})
		c := b.client(nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if _, err := c.Chat(ctx); err != nil {
			t.Fatal(err)
		}
		r := b.read()
		if len(r.Handlers) != 1 {
			t.Fatalf("%d handlers, want 1", len(r.Handlers))
		}
		h := r.Handlers[0]
		want := "github.com/gracetrace/gracetrace/internal/stack_test.diver.Chat.func1"
		if h.Function != want || !strings.HasPrefix(h.Source, "handler_test.go:") {
			t.Errorf("at %s %s, want %s:\n%s", h.Function, h.Source, want, h.Text)
		}
		if h.Decoding {
			t.Error("a handler in Recv is said not to have begun")
		}
		if h.Method != "Greeter_Chat" {
			t.Errorf("method %q, want Greeter_Chat", h.Method)
		}
		if strings.Contains(h.Text, "0x") {
			t.Errorf("the text has arguments:\n%s", h.Text)
		}
	})
}

func wantNoHooks(t *testing.T, r stack.Reading) {
	t.Helper()
	for _, h := range r.Hooks {
		t.Errorf("a hook where there is none: %s at %s %s\n%s", h.Kind, h.Function, h.Source, h.Text)
	}
}
