// SPDX-License-Identifier: Apache-2.0

// Package progress shows the library's log records to somebody who watches a
// demo: a line each, in words, without what the demo says itself.
package progress

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// width is where lines are broken, indent what stands before the text.
const (
	width  = 80
	indent = 8
)

// Handler is a slog.Handler. The zero value is not ready; see New.
type Handler struct {
	mu  *sync.Mutex // guards following
	out io.Writer
	// with are the attributes and groups of WithAttrs and WithGroup.
	with string
}

// New makes a Handler that writes to out.
func New(out io.Writer) *Handler { return &Handler{mu: &sync.Mutex{}, out: out} }

// Enabled implements slog.Handler.
func (*Handler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// Handle implements slog.Handler.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	line := h.line(&r)
	if line == "" {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.out, line)
	return err
}

// line is "" for what the demo says itself.
func (h *Handler) line(r *slog.Record) string {
	switch r.Message {
	case "serving", "trace export ready", "shutdown started", "shutdown finished":
		return ""
	case "shutdown progress":
		ms := attr(r, "duration_ms").Resolve()
		if ms.Kind() == slog.KindFloat64 {
			return At(time.Duration(ms.Float64()*float64(time.Millisecond)), attr(r, "verdict").String())
		}
	}
	return h.anyRecord(r)
}

// anyRecord shows what this package has no words for.
func (h *Handler) anyRecord(r *slog.Record) string {
	var b strings.Builder
	if r.Level != slog.LevelInfo {
		b.WriteString(strings.ToLower(r.Level.String()) + ": ")
	}
	b.WriteString(r.Message + h.with)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(text(a))
		return true
	})
	return b.String() + "\n"
}

func text(a slog.Attr) string {
	v := a.Value.Resolve().String()
	if strings.ContainsAny(v, " \"\n") {
		v = fmt.Sprintf("%q", v)
	}
	return " " + a.Key + "=" + v
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	for _, a := range attrs {
		c.with += text(a)
	}
	return &c
}

// WithGroup implements slog.Handler. The library has no groups.
func (h *Handler) WithGroup(string) slog.Handler { return h }

func attr(r *slog.Record, key string) (v slog.Value) {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == key {
			v = a.Value
		}
		return a.Key != key
	})
	return v
}

// At is a paragraph that says what was the case a time after the signal.
func At(d time.Duration, s string) string {
	return Paragraph(fmt.Sprintf("%*.1fs", indent-3, d.Seconds()), s)
}

// Paragraph breaks a text into lines behind a label.
func Paragraph(label, s string) string {
	var b strings.Builder
	line := fmt.Sprintf("%-*s", indent-1, label)
	for word := range strings.FieldsSeq(s) {
		if len(line)+1+len(word) > width && strings.TrimSpace(line) != "" {
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", indent-1)
		}
		line += " " + word
	}
	return b.String() + line + "\n"
}
