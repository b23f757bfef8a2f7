// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"slices"
)

// hooksOf are the user hooks that can hold a phase: those that grpc runs in
// handleRawConn, and those that it runs in serveStreams and handleStream. All
// calls of a stats handler are among the latter: see TestBlameless.
var hooksOf = map[Phase][]string{
	PhaseHandshakeWait: {stateCallback, stateCredentials},
	PhaseGoAway:        {stateTapHandle, stateStatsHandler, stateOuterInterceptor},
	PhaseConnWait:      {stateTapHandle, stateStatsHandler, stateOuterInterceptor},
	PhaseForcedStop:    {stateTapHandle, stateStatsHandler, stateOuterInterceptor},
	PhaseHandlerWait:   {stateOuterInterceptor, stateStatsHandler},
}

// hooks returns the user code that the goroutines have shown in a phase. Since
// when and until when it was there is not known: it is drawn over all of it.
func (tl *timeline) hooks(p phaseLine) (hs []holder) {
	d := tl.seen(p)
	if d == nil {
		return nil
	}
	for i := range d.hooks {
		hook := &d.hooks[i]
		if !slices.Contains(hooksOf[p.phase], hook.hook) {
			continue
		}
		h := holder{
			name: string(HolderUserHook), blame: -1,
			key: holderKey{HolderUserHook, uint64(i), string(p.phase)},
		}
		h.Kind, h.State, h.Function, h.Source = HolderUserHook, hook.hook, hook.function, hook.source
		if hook.text != "" {
			h.attrs = append(h.attrs, attr{keyStacktrace, hook.text})
		}
		h.Detail = fmt.Sprintf("%s that had not returned %s after the call", hook.hook, Duration(d.at))
		if hook.count > 1 {
			h.Detail = fmt.Sprintf("%s, in %d goroutines", h.Detail, hook.count)
		}
		if tl.place(&h, p, p.start, p.end) {
			h.Age = h.Held
			hs = append(hs, h)
		}
	}
	return hs
}

// has reports whether a dump shows a user hook of a kind.
func (d *dump) has(hook string) bool { return d.count(hook) > 0 }

// count is how many goroutines are in user hooks of some kinds.
func (d *dump) count(hooks ...string) (n int) {
	for i := range d.hooks {
		if slices.Contains(hooks, d.hooks[i].hook) {
			n += d.hooks[i].count
		}
	}
	return n
}

// userCode names the function that a handshake is in, if all of them are in one.
func (tl *timeline) userCode(c *connLine) string {
	const somewhere = "user code"
	for i := range slices.Backward(tl.dumps) {
		d := &tl.dumps[i]
		if d.at < c.accepted || d.at >= c.handshakeOver() {
			continue
		}
		name := ""
		for j := range d.hooks {
			h := &d.hooks[j]
			switch {
			case !slices.Contains(hooksOf[PhaseHandshakeWait], h.hook):
			case name != "":
				return somewhere
			default:
				name = h.function + at(h.source)
			}
		}
		if name != "" {
			return name
		}
	}
	return somewhere
}

// inUserCode reports whether every handshake that was there when a dump was
// taken was in user code.
func (tl *timeline) inUserCode(c *connLine) bool {
	for i := range tl.dumps {
		d := &tl.dumps[i]
		if d.at < c.accepted || d.at >= c.handshakeOver() {
			continue
		}
		shaking := 0
		for j := range tl.conns {
			o := &tl.conns[j]
			if o.accepted <= d.at && o.handshakeOver() > d.began {
				shaking++
			}
		}
		if d.count(hooksOf[PhaseHandshakeWait]...) >= shaking {
			return true
		}
	}
	return false
}
