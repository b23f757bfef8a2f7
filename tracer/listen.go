// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/trace"

	"github.com/gracetrace/gracetrace/exporter"
	"github.com/gracetrace/gracetrace/internal/bind"
	"github.com/gracetrace/gracetrace/internal/legible"
)

// Names of the spans of a start that had to wait for an address, or did not get
// it.
const (
	spanListen = "listen"
	spanBind   = "bind" // one for each address that was not free at once
)

// Attribute keys of these.
const (
	keyListenCount   = "listen.addresses" // of all, on the root
	keyListenAddress = "listen.address"   // as it was asked for
	keyListenRetries = "listen.retries"
	keyListenHolder  = "listen.holder" // in words
	keyListenPID     = "listen.holder.pid"
	keyListenCommand = "listen.holder.command" // without arguments
)

// Listened sends a trace of a start in which an address was not free at once:
// listening on it was tried again, or failed. It does nothing if all were free,
// and takes at most 2 s: the process of a start that failed is about to end.
// Package server calls it.
func (t *Tracer) Listened(ctx context.Context, attempts []bind.Attempt) {
	troubled := func(a bind.Attempt) bool { return a.Troubled() }
	if !slices.ContainsFunc(attempts, troubled) {
		return
	}
	session := t.out.Open()
	wall := attempts[0].Begin
	for _, a := range attempts {
		if a.Begin.Before(wall) {
			wall = a.Begin
		}
	}
	s := newSpans(session, wall.Truncate(tick), t.cfg.origin)
	s.mine = nil // it is no shutdown
	s.listened(attempts)
	t.logListenLost(session.Flush(ctx))
}

// listened sends a root, and a child for each address that was not free at once.
func (s *spans) listened(attempts []bind.Attempt) {
	root := s.span(s.root, trace.SpanID{}, spanListen, bounds{}, []attr{{keyListenCount, len(attempts)}})
	root.Links, root.RemoteParent = s.origin.links, s.origin.parent
	for i := range attempts {
		a := &attempts[i]
		b := after(-tick, a.Begin.Sub(s.wall), a.End.Sub(s.wall))
		if end := s.wall.Add(b.end + tick); end.After(root.End) {
			root.End = end
		}
		if !a.Troubled() {
			continue
		}
		sp := s.span(newSpanID(), s.root, spanBind, b, listenAttrs(a))
		if a.Err != nil {
			sp.ErrorType, sp.StatusMessage = a.Type(), legible.Text(a.Err.Error(), maxReason)
		}
		if root.ErrorType == "" {
			root.ErrorType, root.StatusMessage = sp.ErrorType, sp.StatusMessage
		}
		s.session.Emit(sp)
	}
	s.session.Emit(root)
}

// maxReason bounds, in bytes, why an address could not be had.
const maxReason = 1 << 10

func listenAttrs(a *bind.Attempt) []attr {
	attrs := []attr{{keyListenAddress, clean(a.Address)}, {keyListenRetries, a.Retries}}
	if who := a.Holder.String(); who != "" {
		attrs = append(attrs, attr{keyListenHolder, legible.Text(who, maxReason)})
	}
	if a.Holder.PID != 0 {
		attrs = append(attrs, attr{keyListenPID, a.Holder.PID},
			attr{keyListenCommand, clean(a.Holder.Command)})
	}
	return attrs
}

// logListenLost tells of a start's spans that were lost.
func (t *Tracer) logListenLost(r exporter.Result) {
	n := 0
	for _, c := range r.Lost {
		n += c
	}
	if n > 0 {
		t.cfg.log.Warn("listen spans lost", "spans_lost", n, "reasons", r.Lost, "err", r.Err)
	}
}
