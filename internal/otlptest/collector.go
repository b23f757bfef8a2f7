// SPDX-License-Identifier: Apache-2.0

// Package otlptest has a collector for tests of programs that export OTLP/JSON.
package otlptest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// A Collector takes OTLP over HTTP: no grpc server is instrumented in it.
type Collector struct {
	*httptest.Server
	mu    sync.Mutex // guards following
	lines bytes.Buffer
}

// Start starts a Collector until the end of the test.
func Start(t *testing.T) *Collector {
	t.Helper()
	c := &Collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lines.Write(append(body, '\n'))
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(c.Close)
	return c
}

// Text is what has come, a request a line.
func (c *Collector) Text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines.String()
}
