// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"io"
	"net"
	"testing"
)

// TestHalfOpen: of the open streams those are counted whose client may still
// send, whichever way the others have ended.
func TestHalfOpen(t *testing.T) {
	type counts struct{ open, half int }
	open := func(id uint32) func(*Conn) { return func(c *Conn) { c.StreamOpened(id, false) } }
	request := func(id uint32) func(*Conn) { return func(c *Conn) { c.StreamOpened(id, true) } }
	end := func(id uint32) func(*Conn) { return func(c *Conn) { c.ClientEnded(id) } }
	closed := func(id uint32) func(*Conn) { return func(c *Conn) { c.StreamClosed(id) } }
	final := func(last uint32) func(*Conn) { return func(c *Conn) { c.GoAwaySent(false, last) } }
	for _, tt := range []struct {
		name  string
		steps []func(*Conn)
		want  counts
	}{
		{"its headers are all it sends", []func(*Conn){request(1)}, counts{1, 0}},
		{"more is to come", []func(*Conn){open(1)}, counts{1, 1}},
		{"and has come", []func(*Conn){open(1), end(1)}, counts{1, 0}},
		{"with trailers", []func(*Conn){open(1), request(1)}, counts{1, 0}},
		{"twice", []func(*Conn){open(1), end(1), end(1)}, counts{1, 0}},
		{"of a stream that nobody opened", []func(*Conn){end(1)}, counts{}},
		{"one of two", []func(*Conn){open(1), open(3), end(1)}, counts{2, 1}},
		{"the server has ended it before", []func(*Conn){open(1), closed(1)}, counts{}},
		{"and after", []func(*Conn){open(1), end(1), closed(1), closed(1)}, counts{}},
		{"the client's end comes after that", []func(*Conn){open(1), closed(1), end(1)}, counts{}},
		{"the final GOAWAY refuses one", []func(*Conn){open(1), open(3), final(1)}, counts{1, 1}},
		{"it is refused whose headers come later", []func(*Conn){open(1), final(1), open(3)}, counts{1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := NewServer().AddListener(&net.TCPAddr{Port: 1}, "test")
			c := l.Accepted(&net.TCPAddr{Port: 2}, io.NopCloser(nil))
			for _, step := range tt.steps {
				step(c)
			}
			s := c.state()
			if got := (counts{s.Streams, s.HalfOpen}); got != tt.want {
				t.Errorf("open and half-open are %v, want %v", got, tt.want)
			}
		})
	}
}
