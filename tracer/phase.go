// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// Phase is a part of a shutdown. The phases follow grpc-go's (*Server).stop;
// they are sequential and together they are the whole of the call. What package
// server does before and after it are phases, too.
type Phase string

// The phases, in their order.
const (
	// PhaseNotServing is when health checks are told, before grpc's stop.
	PhaseNotServing Phase = "not serving"
	// PhaseLameDuck is a delay before grpc's stop in which new connections are
	// still served: clients have not heard yet that the server is leaving.
	PhaseLameDuck Phase = "lame duck"
	// PhaseQuit lasts from the call until the first listener's Close begins.
	// Another stop call that holds the server's lock holds it up.
	PhaseQuit Phase = "quit"
	// PhaseListenerClose lasts until the last listener's Close has returned.
	PhaseListenerClose Phase = "listener close"
	// PhaseHandshakeWait lasts until every accept loop has returned and every
	// accepted connection is a transport or closed. Until then no client gets
	// a GOAWAY.
	PhaseHandshakeWait Phase = "handshake wait"
	// PhaseGoAway lasts until the first GOAWAY has left on every connection
	// that can send one, at most one second. Stop has no such phase.
	PhaseGoAway Phase = "GOAWAY"
	// PhaseConnWait lasts until the last connection is gone.
	PhaseConnWait Phase = "conn wait"
	// PhaseForcedStop lasts from a Stop on top of a GracefulStop until the
	// last connection is gone.
	PhaseForcedStop Phase = "forced stop"
	// PhaseHandlerWait lasts until the call returns: handlers whose
	// connection is gone are still running.
	PhaseHandlerWait Phase = "handler wait"
	// PhaseAppFlush is what the application does last: its own telemetry.
	PhaseAppFlush Phase = "app flush"
)

// goAwayLimit bounds the GOAWAY phase; connections that take longer are
// followed in conn wait. A Write that has been in flight for as long is blocked.
const goAwayLimit = watch.LongWrite

// phaseLine is a phase's place in a timeline. end is never while it lasts.
type phaseLine struct {
	phase      Phase
	start, end time.Duration
}

// phases returns the phases that have begun. The last one may still last.
// What was not seen to end ended, at the latest, when the call returned.
func (tl *timeline) phases() []phaseLine {
	lines := tl.stepsOf(Phase.isBefore)
	switch {
	case !tl.leading:
		lines = append(lines, tl.callPhases()...)
	case len(lines) == 0:
		lines = append(lines, phaseLine{PhaseQuit, 0, tl.returned})
	case lines[len(lines)-1].end != never:
		lines = append(lines, phaseLine{PhaseQuit, lines[len(lines)-1].end, tl.returned})
	}
	return append(lines, tl.stepsOf(Phase.isAfter)...)
}

// callPhases returns those of grpc's own stop.
func (tl *timeline) callPhases() []phaseLine {
	steps := []struct {
		phase Phase
		end   func(start time.Duration) time.Duration
	}{
		{phaseServeHTTP, func(time.Duration) time.Duration { return tl.http.ended }},
		{PhaseQuit, tl.quitEnd},
		{PhaseListenerClose, tl.listenerCloseEnd},
		{PhaseHandshakeWait, tl.handshakeWaitEnd},
		{PhaseGoAway, tl.goAwayEnd},
		{PhaseConnWait, tl.connWaitEnd},
		{PhaseHandlerWait, func(time.Duration) time.Duration { return tl.returned }},
	}
	var lines []phaseLine
	at := time.Duration(0)
	for _, step := range steps {
		switch step.phase {
		case phaseServeHTTP:
			if !tl.http.awaited {
				continue
			}
		case PhaseGoAway:
			if !tl.graceful {
				continue
			}
		}
		seen := max(at, step.end(at))
		end := min(seen, tl.returned)
		if end > tl.now {
			lines = append(lines, phaseLine{step.phase, at, never})
			break
		}
		lines = append(lines, phaseLine{step.phase, at, end})
		if tl.abandoned && seen > end {
			break // it was given up here: the later ones never began
		}
		at = end
	}
	return tl.cut(lines)
}

// cut puts the forced stop into its place: the wait that it ended ends there,
// and it lasts until the last connection is gone. A Stop that comes when all
// connections are gone forces nothing.
func (tl *timeline) cut(lines []phaseLine) []phaseLine {
	if tl.forced == never {
		return lines
	}
	var out []phaseLine
	forced := phaseLine{PhaseForcedStop, tl.forced, tl.forced}
	for _, l := range lines {
		if l.phase == PhaseHandlerWait {
			if l.start >= tl.forced {
				out = append(out, forced)
			}
			return append(out, l)
		}
		if l.start < tl.forced {
			out = append(out, phaseLine{l.phase, l.start, min(l.end, tl.forced)})
		}
		forced.end = max(forced.end, l.end)
	}
	return append(out, forced)
}

// quitEnd ignores listeners that were closed before the call: that was not
// grpc's stop.
func (tl *timeline) quitEnd(start time.Duration) time.Duration {
	if at, ok := tl.boundary(watch.ListenersClosing); ok {
		return at
	}
	end, open := never, false
	for _, l := range tl.listeners {
		if l.closeBegin >= start {
			end, open = min(end, l.closeBegin), true
		}
	}
	if !open {
		return start
	}
	return end
}

func (tl *timeline) listenerCloseEnd(start time.Duration) time.Duration {
	if at, ok := tl.boundary(watch.ListenersClosed); ok {
		return at
	}
	end := start
	for _, l := range tl.listeners {
		end = max(end, l.closeEnd)
	}
	return end
}

func (tl *timeline) handshakeWaitEnd(start time.Duration) time.Duration {
	if at, ok := tl.boundary(watch.HandshakesOver); ok {
		return at
	}
	end := start
	for _, l := range tl.listeners {
		end = max(end, l.acceptReturned)
	}
	for i := range tl.conns {
		end = max(end, tl.conns[i].handshakeOver())
	}
	for i := range tl.dumps {
		if d := &tl.dumps[i]; d.stop == stopInWait && d.at >= end {
			end = tl.told(d.at, end)
		}
	}
	return end
}

// told is when the first GOAWAY left after a moment at which grpc's stop stood
// in a WaitGroup. If a connection was there it was not the handlers' that it
// waited for: something that is not seen was left of the handshakes. end is what
// it is otherwise.
func (tl *timeline) told(at, end time.Duration) time.Duration {
	first, open := never, false
	for i := range tl.conns {
		c := &tl.conns[i]
		if !c.transport || c.settled > at || c.gone <= at {
			continue
		}
		if c.goAway > 0 && c.goAway <= at {
			return end
		}
		next := max(c.goAway, at)
		if !c.exchange {
			next = at // its GOAWAY is not seen
		}
		first, open = min(first, next, c.gone), true
	}
	if !open {
		return end
	}
	return first
}

func (tl *timeline) goAwayEnd(start time.Duration) time.Duration {
	end := start
	if at, ok := tl.boundary(watch.GoAwayQueued); ok {
		end = max(end, min(at, start+goAwayLimit))
	}
	for i := range tl.conns {
		if c := &tl.conns[i]; c.awaited(start) {
			end = max(end, min(c.goAway, c.ending(), start+goAwayLimit))
		}
	}
	return end
}

// awaited reports whether a GOAWAY phase that begins at start waits for the
// connection's first GOAWAY: not when it is draining or closing already, when
// its GOAWAYs are not known, or when a Write is blocked.
func (c *connLine) awaited(start time.Duration) bool {
	_, blocked := c.blocked(start)
	return c.transport && c.exchange && c.goAway > start && c.ending() > start && !blocked
}

// ending is from when on nothing more is sent on the connection.
func (c *connLine) ending() time.Duration { return min(c.closing, c.closed, c.gone) }

// wakes is for how long a stop that nobody holds any more may not have been woken.
const wakes = time.Second

// holdsConn reports whether a dump shows user code that keeps grpc from letting go
// of a connection.
func (d *dump) holdsConn() bool { return d.count(hooksOf[PhaseConnWait]...) > 0 }

func (tl *timeline) connWaitEnd(start time.Duration) time.Duration {
	if at, ok := tl.boundary(watch.ConnsGone); ok {
		return at
	}
	end := start
	for i := range tl.conns {
		if c := &tl.conns[i]; c.transport {
			end = max(end, c.gone)
		}
	}
	if tl.blind() { // the RPCs are all we know of connections
		for i := range tl.rpcs {
			r := &tl.rpcs[i]
			if r.http { // one to a transport
				end = max(end, min(r.end, tl.freed(r)))
			} else {
				end = max(end, r.end)
			}
		}
	}
	for i := range tl.dumps {
		// All sockets are closed, and grpc still waits for connections: user
		// code keeps it from removing one. Nobody says when that ends. Where no
		// such code is seen, it has mostly just been woken.
		d := &tl.dumps[i]
		if d.stop == stopInCond && (d.began >= end && d.holdsConn() || d.began-wakes >= end) {
			return never
		}
	}
	return tl.letGo(end)
}

// Left is how many of each kind were still there at a moment.
type Left struct {
	Handshakes  int `json:"handshakes"`
	Connections int `json:"connections"`
	RPCs        int `json:"rpcs"`     // open, their connection is there
	Handlers    int `json:"handlers"` // running, their connection is gone
}

// left counts what was there at a moment. What ended at that very moment was
// not.
func (tl *timeline) left(at time.Duration) Left {
	var n Left
	for i := range tl.conns {
		c := &tl.conns[i]
		switch {
		case c.accepted <= at && c.handshakeOver() > at:
			n.Handshakes++
		case c.transport && c.settled <= at && c.gone > at:
			n.Connections++
		}
	}
	for i := range tl.rpcs {
		r := &tl.rpcs[i]
		switch {
		case r.begin > at || r.end <= at:
		case tl.freed(r) > at:
			n.RPCs++
		default:
			n.Handlers++
		}
	}
	return n
}
