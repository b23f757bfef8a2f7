// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/gracetrace/gracetrace/tracer"
)

// collector takes OTLP over HTTP: no grpc server is instrumented in it.
type collector struct {
	*httptest.Server
	mu    sync.Mutex // guards following
	lines bytes.Buffer
}

func collect(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
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

// reports are the shutdowns that came.
func (c *collector) reports(t *testing.T) []*tracer.Report {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lines.Len() == 0 {
		return nil
	}
	all, err := tracer.ReadReports(bytes.NewReader(c.lines.Bytes()))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, &c.lines)
	}
	return all
}
