// SPDX-License-Identifier: Apache-2.0

package story

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/gracetrace/gracetrace/tracer"
)

// logBuffer is a writer that several goroutines may use.
type logBuffer struct {
	mu sync.Mutex // guards following
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns what was logged since the last call. Whether a checkpoint that is
// due at the very moment at which the shutdown ends still comes is chance: it is
// left out.
func (l *logBuffer) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.SplitAfter(l.b.String(), "\n")
	l.b.Reset()
	for _, line := range lines {
		at, rest, _ := strings.Cut(line, " ")
		if !strings.Contains(rest, "shutdown finished") {
			continue
		}
		lines = slices.DeleteFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, at+" ") && strings.Contains(l, "shutdown progress")
		})
		break
	}
	return strings.Join(lines, "")
}

// collector keeps the spans of all exports.
type collector struct {
	mu    sync.Mutex // guards following
	spans []sdktrace.ReadOnlySpan
	gone  bool
}

// leave has every later export fail, as one to a process that has ended.
func (c *collector) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
}

func (c *collector) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return syscall.ECONNREFUSED
	}
	c.spans = append(c.spans, spans...)
	return nil
}

func (*collector) Shutdown(context.Context) error { return nil }

func (s *story) show(what string, args arguments) (string, error) {
	switch what {
	case "log":
		return s.log.take(), nil
	case "spans":
		return s.spans.tree(), nil
	case "attributes":
		return s.spans.attributes(args.rest), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.report == nil {
		return "", fmt.Errorf("no report yet")
	}
	r := *s.report
	r.TraceID = "-"
	// Whether one that is due at the end still comes is chance; see logBuffer.take.
	r.Checkpoints = slices.DeleteFunc(slices.Clone(r.Checkpoints), func(c tracer.Checkpoint) bool {
		return c.Offset >= r.Duration
	})
	r.Stacks = slices.Clone(r.Stacks)
	for i := range r.Stacks {
		r.Stacks[i].Text = ownFrames(r.Stacks[i].Text)
	}
	var b strings.Builder
	if err := r.WriteJSON(&b); err != nil || what == "json" {
		return b.String(), err
	}
	// Lines are broken after a source's number is taken out, not before.
	var shown tracer.Report
	if err := json.Unmarshal([]byte(sourceLine.ReplaceAllString(b.String(), ".go:N")), &shown); err != nil {
		return "", err
	}
	b.Reset()
	err := shown.WriteText(&b)
	return b.String(), err
}

// ownFrames returns the functions of a stack that are of the service: the others
// differ by versions of Go and grpc-go.
func ownFrames(stack string) string {
	var own []string
	for line := range strings.Lines(stack) {
		if name, ok := strings.CutPrefix(line, "github.com/gracetrace/gracetrace/internal/greeter."); ok {
			own = append(own, strings.TrimSpace(name))
		}
	}
	return strings.Join(own, " < ")
}

// settled returns the spans without the checkpoint that may have come at the
// very moment at which the shutdown ended; see logBuffer.take.
func (c *collector) settled() []sdktrace.ReadOnlySpan {
	end := time.Time{}
	for _, sp := range c.spans {
		if sp.Name() == "grpc.server.shutdown" {
			// Phases that took no time are laid out some ticks apart.
			end = sp.EndTime().Add(-20 * time.Microsecond)
		}
	}
	var last trace.SpanID
	return slices.DeleteFunc(slices.Clone(c.spans), func(sp sdktrace.ReadOnlySpan) bool {
		if strings.HasPrefix(sp.Name(), "checkpoint ") && !end.IsZero() && sp.EndTime().After(end) {
			last = sp.SpanContext().SpanID()
			return true
		}
		return last.IsValid() && sp.Parent().SpanID() == last
	})
}

// tree prints the spans, siblings by time, with their start and end since the
// root's start.
func (c *collector) tree() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := c.settled()
	children := make(map[trace.SpanID][]sdktrace.ReadOnlySpan)
	known := make(map[trace.SpanID]bool)
	for _, sp := range spans {
		known[sp.SpanContext().SpanID()] = true
	}
	var zero time.Time
	for _, sp := range spans {
		parent := sp.Parent().SpanID()
		if !known[parent] {
			parent = trace.SpanID{}
		}
		children[parent] = append(children[parent], sp)
		if zero.IsZero() || sp.StartTime().Before(zero) {
			zero = sp.StartTime()
		}
	}
	var b strings.Builder
	var walk func(parent trace.SpanID, indent string)
	walk = func(parent trace.SpanID, indent string) {
		list := children[parent]
		slices.SortStableFunc(list, func(x, y sdktrace.ReadOnlySpan) int {
			if n := x.StartTime().Compare(y.StartTime()); n != 0 {
				return n
			}
			if n := strings.Compare(x.Name(), y.Name()); n != 0 {
				return n
			}
			return strings.Compare(fmt.Sprint(x.Attributes()), fmt.Sprint(y.Attributes()))
		})
		for _, sp := range list {
			fmt.Fprintf(&b, "%s%s  %s .. %s%s\n", indent, sp.Name(), sp.StartTime().Sub(zero),
				sp.EndTime().Sub(zero), flags(sp, known))
			walk(sp.SpanContext().SpanID(), indent+"  ")
		}
	}
	walk(trace.SpanID{}, "")
	return b.String()
}

func flags(sp sdktrace.ReadOnlySpan, known map[trace.SpanID]bool) string {
	var s string
	if sp.Status().Code == codes.Error {
		s += "  Error"
	}
	if p := sp.Parent().SpanID(); p.IsValid() && !known[p] {
		s += "  (its parent was not sent)"
	}
	if slices.Contains(sp.Attributes(), attribute.Bool("shutdown.open", true)) {
		s += "  open"
	}
	return s
}

// attributes prints those of every span of a name, but for those that a
// checkpoint sent of what was still open.
func (c *collector) attributes(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, sp := range c.spans {
		if sp.Name() != name || strings.HasSuffix(flags(sp, nil), "open") {
			continue
		}
		var lines []string
		for _, a := range sp.Attributes() {
			value := a.Value.AsInterface()
			if text, ok := value.(string); ok && a.Key == "code.stacktrace" {
				value = ownFrames(text)
			}
			lines = append(lines, fmt.Sprintf("  %s=%v\n", a.Key, value))
		}
		slices.Sort(lines)
		fmt.Fprintf(&b, "%s\n%s", sp.Name(), strings.Join(lines, ""))
	}
	return b.String()
}
