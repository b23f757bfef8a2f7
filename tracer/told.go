// SPDX-License-Identifier: Apache-2.0

package tracer

import "time"

// StreamsCancelled is called when the server cancels the contexts of its
// streaming RPCs, which GracefulStop does not do. Their clients are still there.
func (s *Shutdown) StreamsCancelled() {
	now := s.t.table.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams == 0 {
		s.streams = now
	}
}

// toldHandler says how a stream's handler could know of the shutdown, or that it could
// not.
func (tl *timeline) toldHandler(r *rpcLine, h *holder) []string {
	if !tl.graceful || h.Kind != HolderRPC || h.State == stateFromInside {
		return nil
	}
	switch {
	case h.State == stateInRecv && tl.endRecv[r.asksFor()]:
		return []string{"its Recv ends at the drain"}
	case tl.ctxCancelled(h):
		return []string{tl.cancelledContext(r, h)}
	case h.State == stateInRecv:
		return []string{"not told of the shutdown"}
	case h.State == stateInHandler:
		return []string{"ctx not cancelled by GracefulStop"}
	}
	return nil
}

// ctxCancelled reports whether the context of a stream that held was cancelled by
// the server.
func (tl *timeline) ctxCancelled(h *holder) bool { return tl.streamsCancelled <= h.end }

// ignored is for how long a stream's handler went on after that.
func (tl *timeline) ignored(r *rpcLine, h *holder) time.Duration {
	return h.end - max(tl.streamsCancelled, r.begin)
}

// cancelledContext says what that did.
func (tl *timeline) cancelledContext(r *rpcLine, h *holder) string {
	s := "its ctx cancelled from the start"
	if r.begin < tl.streamsCancelled {
		s = "ctx cancelled " + Duration(max(tl.streamsCancelled, 0)).String() + " after the call"
	}
	ignored := tl.ignored(r, h)
	switch {
	case h.State == stateInRecv:
		return s + ", which ends no Recv"
	case h.State == stateInSend:
		return s + ", which ends no Send"
	case ignored >= promptly:
		return s + " and ignored for " + Duration(ignored.Truncate(time.Millisecond)).String()
	}
	return s
}
