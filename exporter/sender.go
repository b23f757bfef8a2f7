// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	// attemptLimit bounds one call; OTEL_EXPORTER_OTLP_TIMEOUT may shorten it.
	attemptLimit = 5 * time.Second
	// lastAttempt bounds the call made in Flush to a collector that is most
	// likely not there.
	lastAttempt = 100 * time.Millisecond
)

// sender turns batches into calls of an exporter. One goroutine uses it.
type sender struct {
	session *Session
	lane    int
	build   factory
	exp     sdktrace.SpanExporter
	refused bool // a connection was refused, or could not be made
	last    outcome
	window  window
	alone   int // spans refused alone since the last one was taken
}

// open builds the exporter and has it dial, before there is a span to send.
func (p *sender) open(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	exp, err := safeBuild(ctx, p.build)
	if err != nil {
		return // deliver builds again, and reports.
	}
	p.exp = exp
	if c, ok := exp.(connector); ok {
		c.connect()
	}
}

func (p *sender) close() {
	if p.exp != nil {
		safeShutdown(p.exp)
	}
}

// deliver sends one batch, again and again while the failure may pass. It
// returns false when it gave up, and put the batch back. So is one that is too much:
// the next one is smaller.
func (p *sender) deliver(ctx context.Context, b batch) bool {
	q := p.session.q
	spans := make([]sdktrace.ReadOnlySpan, len(b.entries))
	for i, e := range b.entries {
		spans[i] = e.span
	}
	pause := minBackoff
	for {
		flushing, hopeless := p.flushing(), p.hopeless()
		limit := attemptLimit
		if flushing && hopeless {
			limit = lastAttempt
			p.redial()
		}
		out := p.attempt(ctx, spans, limit)
		p.note(ctx, out)
		switch out.fate {
		case fateSent:
			p.alone = 0
			p.window.taken(b.size)
			if out.rejected == 0 {
				p.session.owner.warned(out)
			}
			q.count(p.lane, b.entries, true, out.rejected, out.reason, out.err)
			return true
		case fateFailed:
			q.count(p.lane, b.entries, false, len(b.entries), out.reason, out.err)
			return true
		case fateTooLarge, fateExhausted:
			return p.smaller(ctx, b, out)
		}
		q.expect(p.reason(), p.last.err)
		if flushing && (hopeless || p.hopeless()) {
			return p.giveUp()
		}
		if !p.pause(ctx, pause, out.retryAfter, flushing) {
			return false
		}
		switch c, ok := p.exp.(reconnector); {
		case out.fate == fateTimeout:
			p.redial() // The connection may be dead without knowing it.
		case ok:
			c.reconnect()
		}
		pause = min(2*pause, maxBackoff)
	}
}

// giveUp leaves the batch to the other lane, or to the flush's end.
func (p *sender) giveUp() bool {
	p.session.q.back(p.lane)
	return false
}

// attempt makes one call, building the exporter first if there is none.
func (p *sender) attempt(
	ctx context.Context, batch []sdktrace.ReadOnlySpan, limit time.Duration,
) outcome {
	if p.hopeless() {
		ctx = p.session.brief
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if p.lane == firstLane {
		defer p.session.call()()
	}
	if p.exp == nil {
		exp, err := safeBuild(ctx, p.build)
		if err != nil {
			return notBuilt(err, len(batch))
		}
		p.exp = exp
	}
	return classify(safeExport(ctx, p.exp, batch), len(batch))
}

// notBuilt is worth another try unless it was a panic: files that are being
// rotated come back.
func notBuilt(err error, spans int) outcome {
	out := classify(err, spans)
	if out.reason == lostPanicked {
		return out
	}
	return outcome{fate: fateUnreachable, reason: lostFailed, err: out.err}
}

// note keeps what the outcome tells about the collector.
func (p *sender) note(ctx context.Context, out outcome) {
	cut := ctx.Err() != nil || p.session.brief.Err() != nil
	if cut && out.transient() && out.fate != fateThrottled && p.last.transient() {
		return // Cut by us: the failure before it is the one to tell.
	}
	if cut && out.fate == fateTimeout {
		out.err = errTimeout
	}
	p.last = out
	p.refused = p.refused || out.fate == fateUnreachable
	w, watched := p.exp.(answerer)
	worked := false
	switch {
	case watched:
		worked = w.answered()
	case out.fate == fateSent, out.reason == lostRefused, out.reason == lostExhausted:
		worked = true
	}
	if worked {
		p.session.worked.Store(true)
	}
	switch {
	case out.fate == fateTimeout: // Slow or away: it does not tell.
	case out.fate != fateUnreachable:
		p.session.q.answered()
	case p.known():
		since := time.Now()
		if watched && !w.lostAt().IsZero() {
			since = w.lostAt()
		}
		p.session.q.away(since)
	}
}

func (p *sender) known() bool { return p.session.known() }

// hopeless reports whether the last attempt found nobody where nobody has
// ever answered.
func (p *sender) hopeless() bool {
	return (p.last.fate == fateUnreachable || p.last.fate == fateTimeout) && !p.known()
}

// reason names the loss of what is given up now.
func (p *sender) reason() string {
	switch {
	case p.last.reason != "":
		return p.last.reason
	case p.last.fate == fateThrottled:
		return lostExhausted
	case p.last.fate == fateUnreachable && p.known():
		return lostGone
	case p.last.fate == fateUnreachable, p.last.fate == fateTimeout && p.refused && !p.known():
		return lostUnreachable
	}
	return lostTimeout
}

func (p *sender) flushing() bool {
	select {
	case <-p.session.flushing:
		return true
	default:
		return false
	}
}

// redial makes the next attempt ask the network and not the connection's
// backoff, which may still hold an old refusal.
func (p *sender) redial() {
	if c, ok := p.exp.(connector); ok {
		_ = c.redial() // The attempt meets the same error, or the old connection.
	}
}

// pause waits before the next attempt, and gives up if there can be none. The flush
// ends a pause of ours, but not one that the collector has asked for, as what comes
// earlier is refused. One that the flush cannot outlast is not begun.
func (p *sender) pause(ctx context.Context, ours, asked time.Duration, through bool) bool {
	until := time.Now().Add(asked)
	for wait := max(ours, asked); wait > 0; wait = time.Until(until) {
		if p.session.cutBefore(until) || !p.sleep(ctx, wait, through) {
			return p.giveUp()
		}
		through = true
	}
	return true
}

// sleep waits before the next attempt; Flush wakes it unless through is set.
// It returns false when there can be no next attempt.
func (p *sender) sleep(ctx context.Context, d time.Duration, through bool) bool {
	wake := p.session.flushing
	if through {
		wake = nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
