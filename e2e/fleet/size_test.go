// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"syscall"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/program"
)

// What a shutdown costs on the wire: docs/scale.md has the figures that -v shows.
func TestSizes(t *testing.T) {
	t.Parallel()
	binary(t, "collector") // for its skip: the command is built and waits
	demo := program.Build(t)
	t.Run("graceful at once", func(t *testing.T) {
		t.Parallel()
		s := newSink(t)
		demo.To(s.endpoint).Demo(t, "--scenario", "short")
		s.want(t, 40, 64<<10)
	})
	t.Run("one stream, forced after 10 s", func(t *testing.T) {
		t.Parallel()
		s := newSink(t)
		demo.To(s.endpoint).Demo(t, "--scenario", "recv")
		s.want(t, 60, 128<<10)
	})
	t.Run("held up in every way", func(t *testing.T) {
		t.Parallel()
		s := newSink(t)
		demo.To(s.endpoint).Demo(t)
		s.want(t, 150, 256<<10)
	})
	t.Run("1,200 streams of 300 clients, forced after 10 s", func(t *testing.T) {
		t.Parallel()
		s := newSink(t)
		srv := demo.To(s.endpoint).With("GRACETRACE_GRACE_PERIOD=12s").Serve(t)
		crowd(t, srv.Addr, 300, 4)
		srv.Signal(t, syscall.SIGTERM)
		srv.Wait(t)
		s.want(t, 1500+400, 3<<20)
	})
}

// want logs what arrived and holds it to its bounds.
func (s *sink) want(t *testing.T, spans, bytes int) {
	t.Helper()
	w := s.weight()
	t.Logf("%d requests, %d spans, %d bytes, the largest request %d", w.requests, w.spans, w.bytes, w.largest)
	if w.spans == 0 || w.spans > spans || w.bytes > bytes || w.largest > 3<<20 {
		t.Errorf("want at most %d spans and %d bytes, no request above 3 MiB", spans, bytes)
	}
}

// crowd opens streams that end with the test.
func crowd(t *testing.T, addr string, conns, streams int) {
	t.Helper()
	for range conns {
		client := program.Client(t, addr)
		for range streams {
			program.Chat(t, client)
		}
	}
}
