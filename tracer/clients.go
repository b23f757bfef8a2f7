// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

const (
	// stillConnecting is how shortly before the close of the listeners a client
	// must have come for others to be on their way.
	stillConnecting = time.Second
	// settledIn is how long a server must have listened before a client that has
	// just come tells anything: one that is younger meets its first ones.
	settledIn = 10 * time.Second
	// probeEvery is how often whoever checks that the port is open may come, once
	// it is not: the kubelet twice in its default period of 10 s, for liveness and
	// for readiness. They are no clients.
	probeEvery = 5 * time.Second
	// probesAtOnce is how many of them may come right after the close.
	probesAtOnce = 2
)

// untoldClients says that clients met a server that was closing, for lack of
// anybody who had told them before; empty if all is well. It reads as the end of
// a sentence that begins with "but".
//
// A client that came right before and had gone again at the call is no evidence:
// that is what probes do.
func (tl *timeline) untoldClients() string {
	var how []string
	if d, ok := tl.lastClient(); ok && d < stillConnecting && !tl.clients.inherited {
		how = append(how, fmt.Sprintf("last one %s before the listener closed", Duration(d)))
	}
	if late, unserved := tl.lateConns(); late > 0 {
		word := fmt.Sprintf("%d after the call", late)
		if unserved > 0 {
			word += fmt.Sprintf(", %d of them closed unserved", unserved)
		}
		how = append(how, word)
	}
	if n, many := tl.refusedClients(); many {
		how = append(how, fmt.Sprintf("%d refused", n))
	}
	if how == nil {
		return ""
	}
	return "clients were still connecting (" + strings.Join(how, ", ") + "): " + tl.longer()
}

// advised is the delay to begin with where nothing has been measured.
const advised = 5 * time.Second

// longer says which delay would tell clients in time. The one there was is not
// enough.
func (tl *timeline) longer() string {
	if d := tl.lameDuck(); d > 0 {
		return fmt.Sprintf("the lame duck of %s is too short, try %s", Duration(d),
			Duration(max(2*d, advised)))
	}
	return "lame duck or preStop >= 5 s"
}

// lameDuck is how long it lasted; zero: there was none.
func (tl *timeline) lameDuck() time.Duration {
	at := slices.IndexFunc(tl.steps, func(s stepLine) bool { return s.phase == PhaseLameDuck })
	if at < 0 {
		return 0
	}
	return min(tl.steps[at].end, tl.now) - tl.steps[at].start
}

// ducked says how much of a shutdown was asked for.
func (tl *timeline) ducked() string {
	if d := tl.lameDuck(); d > 0 {
		return fmt.Sprintf(" (lame duck %s)", Duration(d))
	}
	return ""
}

// arrived says what came during the lame duck, up to now.
func (tl *timeline) arrived() string {
	a := tl.clients.arrivals
	if a.n == 0 {
		return ": no new connection"
	}
	return fmt.Sprintf(": %s, the last %s after the start", amount(a.n, "new connection"),
		Duration(a.last))
}

// enough is the lame duck that what was seen asks for; zero: nothing was seen, or
// it was too short to tell.
func (tl *timeline) enough() time.Duration {
	a, d := tl.clients.arrivals, tl.lameDuck()
	if a.n == 0 || d == 0 || d-a.last < stillConnecting || tl.untoldClients() != "" {
		return 0
	}
	return (a.last + stillConnecting).Truncate(time.Second) + time.Second
}

// closing is when the first listener began to close; never: none has.
func (tl *timeline) closing() time.Duration {
	at := never
	for _, l := range tl.listeners {
		if l.closeBegin >= 0 {
			at = min(at, l.closeBegin)
		}
	}
	return at
}

// lastClient returns how long before the close the last client came that was
// there at the call; ok is false if there was none or it tells nothing.
func (tl *timeline) lastClient() (before time.Duration, ok bool) {
	closing, last := tl.closing(), -never
	if closing == never || closing-tl.clients.since < settledIn {
		return 0, false
	}
	for i := range tl.conns {
		c := &tl.conns[i]
		if c.transport && c.accepted <= min(closing, 0) && c.gone > 0 {
			last = max(last, c.accepted)
		}
	}
	return closing - last, last != -never
}

// lateConns counts the connections that were accepted after the call, and those
// of them that were closed unserved.
func (tl *timeline) lateConns() (late, unserved int) {
	for i := range tl.conns {
		c := &tl.conns[i]
		if c.accepted <= 0 {
			continue
		}
		late++
		if c.handshake == never && c.closed != never {
			unserved++
		}
	}
	return late, unserved
}

// refusedClients counts the connections that were refused, as far as is known;
// many says that they are more than what probes and strangers may have made of
// them. The kernel counts segments, not connections. Measured with grpc-go
// clients over loopback, in a namespace of its own: a graceful stop of 100 idle
// ones sends no RST, nor does one of 100 with an RPC each; one of 20 that call
// in a loop sends 20 to 30, their dials. A Stop, forced or not, sends exactly one
// for each connection that it cuts, idle or busy. Over TLS a close_notify that
// meets an end that has closed is answered by one: 20 idle clients on this machine
// sent 19 in a graceful stop of 9 ms, and 20 that lingered made the server send
// 20. So each connection that may have been encrypted may explain one.
func (tl *timeline) refusedClients() (n int, many bool) {
	cut := never
	switch {
	case !tl.graceful:
		cut = 0
	case tl.forced != never:
		cut = tl.forced
	}
	n = tl.clients.refused - tl.clients.background
	for i := range tl.conns {
		c := &tl.conns[i]
		if c.closed != never && (c.closed >= cut || c.mayEncrypt() && c.closed >= 0) {
			n--
		}
	}
	n = max(n, 0)
	since := min(tl.now, tl.returned) - min(tl.closing(), tl.now)
	probes := probesAtOnce + int(since/probeEvery)
	return n, n > probes+tl.clients.background
}

// mayEncrypt reports whether a connection may be one of TLS: its frames are not
// seen, or credentials made them readable.
func (c *connLine) mayEncrypt() bool {
	return c.transport && (!c.frames || c.stage != watch.StageTCP)
}

// window is the time between a connection's two GOAWAYs; ok is false if the
// first was not for this shutdown or the other has not left.
func (c *connLine) window() (d time.Duration, ok bool) {
	end := min(c.finalGoAw, c.closed, c.gone)
	if c.goAway < 0 || c.goAway == never || end == never {
		return 0, false
	}
	return max(0, end-c.goAway), true
}

// clientsReport is the same for a Report.
func (tl *timeline) clientsReport() Clients {
	var r Clients
	if d, ok := tl.lastClient(); ok {
		before := whole(d)
		r.LastAccept = &before
	}
	r.Refused, _ = tl.refusedClients()
	if a := tl.clients.arrivals; tl.lameDuck() > 0 {
		r.Arrived, r.LastArrival, r.LameDuck = a.n, whole(a.last), whole(tl.enough())
	}
	r.LateConnections, r.Unserved = tl.lateConns()
	r.HandshakesClosed = tl.handshakesClosed()
	for i := range tl.conns {
		c := &tl.conns[i]
		r.LateStreams += c.late
		if w, ok := c.window(); ok {
			r.Window = max(r.Window, whole(w))
		}
	}
	return r
}
