// SPDX-License-Identifier: Apache-2.0

package accuracy

import (
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
	"github.com/gracetrace/gracetrace/tracer"
)

// ends are the phases that end at a boundary.
var ends = map[tracer.Phase]boundary{
	tracer.PhaseQuit:          closing,
	tracer.PhaseListenerClose: closed,
	tracer.PhaseHandshakeWait: shaken,
	tracer.PhaseGoAway:        told,
	tracer.PhaseHandlerWait:   returned,
}

// seen are the boundaries of a report, which was made of the public hooks alone. Its
// resolution is a microsecond, cut off. A phase that a forced stop has cut does not end
// at its boundary.
func seen(r *tracer.Report, since watch.Instant) moments {
	at := moments{called: since}
	forced := tracer.Duration(1<<63 - 1)
	for i := range r.Phases {
		if p := &r.Phases[i]; p.Name == tracer.PhaseForcedStop {
			forced = p.Offset
		}
	}
	instant := func(d tracer.Duration) watch.Instant {
		return since + watch.Instant(time.Duration(d))
	}
	for i := range r.Phases {
		p := &r.Phases[i]
		if p.Name == tracer.PhaseHandlerWait {
			at[gone] = instant(p.Offset)
		}
		b, ok := ends[p.Name]
		if end := p.Offset + p.Duration; ok && !p.Open && (end < forced || b == returned) {
			at[b] = instant(end)
		}
	}
	return at
}
