// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net"
	"net/http"
	"testing"
	"time"
)

// TestShare: each stage keeps a fifth for every one behind it, at most 2 s, and
// nobody gets less than nothing.
func TestShare(t *testing.T) {
	for _, tt := range []struct {
		left  time.Duration
		later int
		want  time.Duration
	}{
		{10 * time.Second, 0, 10 * time.Second},
		{10 * time.Second, 1, 8 * time.Second},
		{10 * time.Second, 2, 6400 * time.Millisecond},
		{time.Minute, 3, 54 * time.Second},
		{0, 2, 0}, {-time.Second, 0, 0},
	} {
		if got := share(tt.left, tt.later); got != tt.want {
			t.Errorf("share(%s, %d) = %s, want %s", tt.left, tt.later, got, tt.want)
		}
	}
}

// TestOrder: a member counts the longest way behind it, wherever it was added.
func TestOrder(t *testing.T) {
	g := &Group{}
	add := func(name string, after ...*member) *member {
		m := &member{Member: Member{Name: name}, after: after}
		g.members = append(g.members, m)
		return m
	}
	api := add("api")
	web := add("web", api)
	database := add("database", api, web)
	logs := add("logs", database, api)
	alone := add("alone")
	if err := g.order(); err != nil {
		t.Fatal(err)
	}
	for m, want := range map[*member]int{api: 3, web: 2, database: 1, logs: 0, alone: 0} {
		if m.later != want {
			t.Errorf("%d stages behind %s, want %d", m.later, m.Name, want)
		}
	}
}

// listening returns connections of a listener that stay open until they are closed.
func listening(t *testing.T) func() net.Conn {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lis.Close() })
	return func() net.Conn {
		c, err := net.Dial("tcp", lis.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
}

// TestHijackedAreForgotten: a server of WebSockets lives for months.
func TestHijackedAreForgotten(t *testing.T) {
	h, dial := newHTTPConns(), listening(t)
	open := dial()
	h.state(open, http.StateNew)
	h.state(open, http.StateHijacked)
	for range 10 * minSweep {
		c := dial()
		h.state(c, http.StateNew)
		h.state(c, http.StateActive)
		h.state(c, http.StateHijacked)
		_ = c.Close()
		if n := len(h.hijacked); n > minSweep {
			t.Fatalf("%d connections are kept, want %d at most", n, minSweep)
		}
	}
	if n := h.count(); n.hijacked != 1 || n.active+n.idle+n.fresh != 0 {
		t.Errorf("%+v, want the one hijacked connection that is open", n)
	}
}

// structConn is a connection that is no map key.
type structConn struct {
	net.Conn
	_ []byte
}

// TestUnknownConnections: a connection that cannot be told from others is not
// counted, does not panic, and makes us rely on http.Server.
func TestUnknownConnections(t *testing.T) {
	h := newHTTPConns()
	if !h.allGone() {
		t.Error("there is a connection at the start")
	}
	h.state(structConn{}, http.StateNew)
	h.state(structConn{}, http.StateActive)
	if n := h.count(); n != (httpCount{}) || h.allGone() {
		t.Errorf("%+v, all gone: %t", n, h.allGone())
	}
}

// TestRequestsCostNothing: the hook runs twice a request.
func TestRequestsCostNothing(t *testing.T) {
	h, c := newHTTPConns(), listening(t)()
	h.state(c, http.StateNew)
	if n := testing.AllocsPerRun(1000, func() {
		h.state(c, http.StateActive)
		h.state(c, http.StateIdle)
	}); n != 0 {
		t.Errorf("%v allocations a request, want none", n)
	}
}
