// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// heard closes its channel when a log record has the words in it.
type heard struct {
	words string
	once  sync.Once
	said  chan struct{}
}

func (h *heard) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(h.words)) {
		h.once.Do(func() { close(h.said) })
	}
	return len(b), nil
}

// testLive opens the debug port of a server whose stop a silent client holds, and
// again when it is over.
func testLive(t *testing.T, c *chromium) {
	t.Setenv("OTEL_SDK_DISABLED", "true")
	started := &heard{words: "shutdown started", said: make(chan struct{})}
	tr, err := tracer.New(t.Context(), tracer.WithLogger(slog.New(slog.NewTextHandler(started, nil))))
	must(t, err)
	defer tr.Close()
	srv := server.New(tr, server.GracePeriod(time.Minute))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	silent, err := net.Dial("tcp", lis.Addr().String())
	must(t, err)
	defer silent.Close()
	_, err = io.ReadFull(silent, make([]byte, 9)) // the handshake is under way
	must(t, err)

	port := httptest.NewServer(tr.Handler())
	defer port.Close()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		srv.GracefulStop()
	}()
	<-started.said
	p := c.openURL(t, port.URL+"/debug/shutdown", wide)
	want(t, p, "running", `document.querySelector('.badge').textContent`)
	const verdict = `document.getElementById('verdict').textContent`
	want(t, p, true, verdict+`.includes(' so far: handshake from `+silent.LocalAddr().String()+` ')`)
	want(t, p, true, `document.getElementById('culprit').checkVisibility()`)
	p.quiet(t)

	must(t, silent.Close())
	<-stopped
	must(t, <-served)
	p = c.openURL(t, port.URL+"/debug/shutdown", wide)
	want(t, p, "graceful", `document.querySelector('.badge').textContent`)
	want(t, p, true, verdict+`.startsWith('handshake wait took ')`)
	p.quiet(t)
}
