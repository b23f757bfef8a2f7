// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"fmt"
	"path"
	"runtime"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

const (
	// panicLimit bounds what a handler that panics is kept for the evidence to
	// get out: most often it ends the process.
	panicLimit = 500 * time.Millisecond
	// maxPanics bounds those that are told: an interceptor may recover them.
	maxPanics = 10
	// panicDepth is how deep below a panic its origin is looked for.
	panicDepth = 64
)

// panicLine is a handler that panicked during a shutdown.
type panicLine struct {
	at     time.Duration
	method string
	source string // of the panic: greeter.go:88
}

// panicking is what a handler's goroutine hands over.
type panicking struct {
	watch.RPCState
	at     watch.Instant
	source string
	told   chan struct{}
}

// handlerPanicked is called on the goroutine of a handler that does not return but
// unwinds. If that is a panic it is told, and the goroutine waits for that as long
// as panicLimit; then the panic goes on.
func (t *Tracer) handlerPanicked(st watch.RPCState) {
	t.mu.Lock()
	s := t.current
	t.mu.Unlock()
	if s == nil {
		return // no shutdown is being traced
	}
	source, ok := panicSource()
	if !ok {
		return // runtime.Goexit
	}
	if t.cfg.withheld.stack {
		source = ""
	}
	p := panicking{st, t.table.Now(), source, make(chan struct{})}
	limit := time.NewTimer(panicLimit)
	defer limit.Stop()
	select {
	case s.panicking <- p:
	case <-s.stopped:
		return
	case <-limit.C:
		return
	}
	select {
	case <-p.told:
	case <-limit.C:
	}
}

// panicSource is where the calling goroutine panicked; ok is false if it does not.
func panicSource() (source string, ok bool) {
	pcs := make([]uintptr, panicDepth)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			ok = true
		case ok && !strings.HasPrefix(f.Function, "runtime."):
			return fmt.Sprintf("%s:%d", path.Base(f.File), f.Line), true
		}
	}
	return "", ok
}

// panicked tells of a panic by a log record, in the report, and by a checkpoint,
// and waits until what there is has been sent. It runs on the shutdown's goroutine.
func (s *Shutdown) panicked(p *panicking) {
	r := s.newBuilder().rpc(&p.RPCState)
	at := s.since(p.at)
	s.mu.Lock()
	many := len(s.panics) == maxPanics
	if !many {
		s.panics = append(s.panics, panicLine{at, r.method.Name, p.source})
	}
	s.mu.Unlock()
	if many {
		return
	}
	s.logPanicked(&r, p.source, at)
	s.checkpoint()
	ctx, cancel := context.WithTimeout(context.Background(), panicLimit)
	defer cancel()
	s.session.Sync(ctx)
}

// panicNotes name the handlers that panicked.
func (tl *timeline) panicNotes() (notes []Note) {
	for _, p := range tl.panics {
		notes = append(notes, Note{Kind: notePanic, Text: p.text() + " " +
			Duration(p.at).String() + " after the call"})
	}
	return notes
}

func (p *panicLine) text() string {
	if p.method == "" {
		return "a handler panicked" + at(p.source)
	}
	return "a handler of " + p.method + " panicked" + at(p.source)
}

// panicSoFar says in a checkpoint that a handler has panicked: the process may be
// gone a moment later.
func (tl *timeline) panicSoFar() string {
	if len(tl.panics) == 0 {
		return ""
	}
	return "; " + tl.panics[len(tl.panics)-1].text()
}
