// SPDX-License-Identifier: Apache-2.0

package tracer

// lockHolder is another stop call that has the server's lock, if the goroutines
// have shown that ours waits for it.
func (tl *timeline) lockHolder(p phaseLine) []holder {
	d := tl.seen(p)
	if d == nil || d.stop != stopInMutex {
		return nil
	}
	h := holder{name: string(HolderStopCall), key: holderKey{kind: HolderStopCall}, blame: -1}
	h.Kind, h.State = HolderStopCall, stateBlocked
	h.Detail = "it has the server's lock"
	if !tl.place(&h, p, p.start, p.end) {
		return nil
	}
	h.Age = h.Held
	return []holder{h}
}

// stopFrom names the stop call that an RPC's handler made and waits for; it is
// empty if it made none.
func (tl *timeline) stopFrom(r *rpcLine) string {
	if r.id == tl.inside {
		return "the stop call"
	}
	for i := range tl.stops {
		if s := &tl.stops[i]; s.inside == r.id && s.returned > tl.now {
			return "another stop call, " + s.call
		}
	}
	return ""
}

// call is the name of the call that the timeline is about.
func (tl *timeline) call() string {
	switch {
	case tl.unannounced:
		return ""
	case !tl.graceful:
		return "Stop"
	}
	return "GracefulStop"
}
