// SPDX-License-Identifier: Apache-2.0

package exporter

import "context"

const (
	// aloneLimit is how often a span is sent that is refused while others pass.
	aloneLimit = 3
	// aloneRow is how many refusals of one span each, in a row, say that nothing
	// passes: 1.7 s of them.
	aloneRow = 6
)

// smaller answers the refusal of a request of which a part may pass. It returns
// false when all has been given up. The rule:
//
//   - More than one span: they go back to the queue, and the next request is half
//     as large. A limit on the message is there for good, so that is done at once;
//     an overload gets a pause.
//   - One span that is too large alone is lost: the collector has decided.
//   - One span that is refused alone for an overload goes behind all others, and
//     there is a pause, which doubles. The third time that this happens while
//     others pass the span is lost, but for a spool.
//   - Six of these refused in a row, the last one in the flush: nothing passes, and
//     all is given up.
//
// So an overloaded collector meets about a dozen requests, each half as large as
// the one before, and then at most two a second, of one span each.
func (p *sender) smaller(ctx context.Context, b batch, out outcome) bool {
	q, tooLarge, flushing := p.session.q, out.fate == fateTooLarge, p.flushing()
	q.expect(out.reason, out.err)
	if tooLarge {
		p.window.tooLarge(b.size)
	} else {
		p.window.refused(b.size)
	}
	if len(b.entries) > 1 {
		q.back(p.lane)
		return tooLarge || p.pause(ctx, minBackoff, 0, flushing)
	}
	e := b.entries[0]
	if p.alone++; p.alone == 1 {
		e.alone.Add(1)
	}
	switch {
	case flushing && !tooLarge && p.alone >= aloneRow:
		return p.giveUp()
	case tooLarge, e.alone.Load() >= aloneLimit:
		q.count(p.lane, b.entries, tooLarge, 1, out.reason, out.err)
		return true
	}
	q.later(p.lane)
	return p.pause(ctx, min(minBackoff<<min(p.alone, 10), maxBackoff), 0, flushing)
}
