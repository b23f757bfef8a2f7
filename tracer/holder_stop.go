// SPDX-License-Identifier: Apache-2.0

package tracer

import "fmt"

// The names of grpc's stop calls.
const (
	callGraceful = "GracefulStop"
	callStop     = "Stop"
)

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
		return callStop
	}
	return callGraceful
}

// maxStopNotes bounds the stop calls that the notes tell of.
const maxStopNotes = 3

// stopNotes tells of the stop calls after the first: that they joined it, or
// forced it.
func (tl *timeline) stopNotes() (notes []Note) {
	for i := range tl.stops {
		s := &tl.stops[i]
		if i == maxStopNotes {
			more := len(tl.stops) - i
			return append(notes, Note{Kind: noteStopCall, Text: fmt.Sprintf(
				"%d more stop %s came after the call", more, plural(more, "call"))})
		}
		text := fmt.Sprintf("another %s came %s after the call and ", s.call, Duration(tl.fromStart(s.at)))
		switch {
		case s.inside != 0:
			text += "waits for the first from inside a handler"
		case s.call == callStop && tl.graceful:
			text += "forced the first"
		default:
			text += "waited for the first (" + stateJoined + ")"
		}
		notes = append(notes, Note{Kind: noteStopCall, Text: text})
	}
	return notes
}
