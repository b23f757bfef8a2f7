// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"time"
)

// seenWithin is how long clients and probes need to see NOT_SERVING, at the least.
const seenWithin = time.Second

// unseen returns the time between NOT_SERVING and the close of the listeners; ok
// is false if it was long enough, if nobody came who should have seen it, or if
// there was no health server to tell.
func (tl *timeline) unseen() (gap time.Duration, ok bool) {
	closing := tl.closing()
	for _, l := range tl.stepsOf(Phase.isBefore) {
		if l.phase == PhaseNotServing && l.end <= tl.now && closing != never {
			gap = max(closing-l.end, 0)
			return gap, gap < seenWithin && tl.untoldClients() != ""
		}
	}
	return 0, false
}

// unseenNotes says that NOT_SERVING came too late.
func (tl *timeline) unseenNotes() []Note {
	gap, ok := tl.unseen()
	if !ok {
		return nil
	}
	return []Note{{
		Kind: noteClients,
		Text: fmt.Sprintf("NOT_SERVING came %s before the listeners closed: wait between the two "+
			"(server.LameDuck), or nobody sees it", Duration(gap)),
		Ref: "https://github.com/grpc/grpc/blob/master/doc/health-checking.md",
	}}
}
