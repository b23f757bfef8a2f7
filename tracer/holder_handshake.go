// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

func (tl *timeline) handshakes(p phaseLine) (hs []holder) {
	for i := range tl.conns {
		c := &tl.conns[i]
		h := holder{name: string(HolderHandshake), key: holderKey{HolderHandshake, c.id, ""}, blame: -1}
		if !tl.place(&h, p, c.accepted, c.handshakeOver()) {
			continue
		}
		h.Kind, h.Peer, h.Listener, h.Local = HolderHandshake, c.peer, c.listener, string(c.where)
		h.Connection = c.shown
		h.Age = Duration(h.end - c.accepted)
		h.State, h.Detail = tl.handshakeState(c)
		h.Detail += tl.cutBy(c, &h)
		if len(tl.listeners) > 1 {
			h.Detail += ", on " + c.listener
		}
		switch {
		case h.Open:
			h.ended = "has not finished, open"
		case c.transport:
			h.ended = "took"
		default:
			h.ended = "never finished, open"
		}
		h.attrs = []attr{
			{keyHandshakeTimeout, c.timeout.Seconds()}, {keyHandshakeOK, c.transport},
		}
		if c.cut <= h.end {
			h.attrs = append(h.attrs, attr{keyHandshakeClosed, true})
		}
		if !c.bare {
			h.attrs = append(h.attrs, attr{keyBytesRead, c.bytesRead})
		}
		hs = append(hs, h)
	}
	return hs
}

func (tl *timeline) handshakeState(c *connLine) (state, detail string) {
	read := fmt.Sprintf("%d bytes read", c.bytesRead)
	if c.bare && c.stage == watch.StageTLS {
		read = "its reads were not seen"
	}
	switch {
	case tl.is(ruleCallback, tl.inUserCode(c)):
		return stateCallback, "inside " + tl.userCode(c) + ", " + read
	case tl.is(ruleTLS, c.stage == watch.StageTLS || c.stage == watch.StageTLSBytes):
		if c.stage == watch.StageTLSBytes {
			return stateTLS, "TLS has begun (how far it is cannot be seen: credentials not wrapped), " + read
		}
		return stateTLS, "inside the credentials' handshake, " + read
	case tl.is(rulePreface, c.stage == watch.StagePreface || c.stage == watch.StageHalfPreface):
		switch {
		case c.transport:
			return statePreface, read
		case c.stage == watch.StageHalfPreface:
			return statePreface, "no more than a part of the HTTP/2 preface, " + read
		}
		return statePreface, "credentials' handshake done, no HTTP/2 preface, " + read
	}
	return stateTCP, read
}

// closedAtOnce is within what a handshake ends whose connection was closed, if it
// reads from it.
const closedAtOnce = 100 * time.Millisecond

// cutBy says that we closed the connection while it held a phase. Of the phase that
// a forced stop ends the verdict says it.
func (tl *timeline) cutBy(c *connLine, h *holder) string {
	switch {
	case c.cut > h.end, c.cut >= tl.forced && h.start < tl.forced:
		return ""
	case h.end-c.cut < closedAtOnce && !h.Open:
		return ", closed by us"
	}
	return fmt.Sprintf(", closed by us after %s, which did not end it", Duration(c.cut-c.accepted))
}

// handshakesClosed counts the connections that we closed because they still shook
// hands.
func (tl *timeline) handshakesClosed() (n int) {
	for i := range tl.conns {
		if c := &tl.conns[i]; c.cut <= tl.now {
			n++
		}
	}
	return n
}
