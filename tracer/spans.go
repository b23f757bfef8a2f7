// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/gracetrace/gracetrace/exporter"
)

// Bounds of a shutdown's trace. With two parts and a summary to a connection
// they add up to less than 1,500 spans; the rest is counted in summary spans.
const (
	maxConnSpans     = 200
	maxRPCSpans      = 500
	keptForHandlers  = 50 // of the RPCs' spans
	maxOtherSpans    = 40 // holders of each phase but conn wait and handler wait
	maxProgressSpans = 400
	maxStackBytes    = 1 << 20 // of the 3 MiB that a shutdown's spans may take
)

// Names of the spans that are neither a phase nor a holder.
const (
	spanRoot       = "grpc.server.shutdown"
	spanStarted    = "grpc.server.shutdown started"
	spanCheckpoint = "checkpoint " // and the phase
	spanSummary    = "summary"     // of the holders that have no span of their own
)

// spans makes the spans of one shutdown and sends them as they end. It is used
// by one goroutine at a time.
type spans struct {
	session *exporter.Session
	wall    time.Time     // what times count from: the call; before it, the start
	lead    time.Duration // from the start to that
	traceID trace.TraceID
	root    trace.SpanID
	parent  trace.SpanID // of the root, in this process; zero: none
	member  []attr       // are on each span: of which member of a group it is
	mine    []attr       // likewise: of which shutdown of its trace, if there may be several
	started trace.SpanID
	origin  origin

	ids       map[holderKey]trace.SpanID
	phaseEnd  time.Duration      // where the last phase that was sent ended
	sent      map[holderKey]bool // holders and phases
	connsLeft int
	rpcsLeft  int
	progress  int           // spans sent for checkpoints
	last      time.Duration // the last checkpoint
	missed    int           // holders without a span of their own
	stacks    int           // bytes of stacks that may still be sent
	rootEnd   time.Time     // the root's end
}

func newSpans(session *exporter.Session, wall time.Time, o origin) *spans {
	s := &spans{
		session: session, wall: wall.UTC(), origin: o, traceID: o.parent.TraceID(),
		root: newSpanID(), started: newSpanID(),
		ids: make(map[holderKey]trace.SpanID), sent: make(map[holderKey]bool),
		connsLeft: maxConnSpans, rpcsLeft: maxRPCSpans, phaseEnd: tick, last: 2 * tick,
		stacks: maxStackBytes,
	}
	if s.traceID.IsValid() { // see WithParent
		s.mine = []attr{{keyID, s.started.String()}}
	}
	for !s.traceID.IsValid() {
		hi, lo := rand.Uint64(), rand.Uint64()
		for i := range 8 {
			s.traceID[i], s.traceID[8+i] = byte(hi>>(8*i)), byte(lo>>(8*i))
		}
	}
	return s
}

func newSpanID() (id trace.SpanID) {
	for !id.IsValid() {
		n := rand.Uint64()
		for i := range id {
			id[i] = byte(n >> (8 * i))
		}
	}
	return id
}

// id is the span of a holder; it is known before the span is sent.
func (s *spans) id(k holderKey) trace.SpanID {
	id, ok := s.ids[k]
	if !ok {
		id = newSpanID()
		s.ids[k] = id
	}
	return id
}

// countFrom makes times count from the call, which came lead after the start.
func (s *spans) countFrom(lead time.Duration) {
	lead = lead.Truncate(tick)
	more := lead - s.lead
	s.lead, s.wall = lead, s.wall.Add(more)
	s.phaseEnd, s.last = s.phaseEnd-more, s.last-more
}

func (s *spans) emit(id, parent trace.SpanID, name string, b bounds, attrs []attr) {
	s.session.Emit(s.span(id, parent, name, b, attrs))
}

func (s *spans) span(id, parent trace.SpanID, name string, b bounds, attrs []attr) exporter.Span {
	attrs = append(append(slices.Clip(attrs), s.member...), s.mine...)
	return exporter.Span{
		TraceID: s.traceID, SpanID: id, Parent: parent, Name: name,
		Start: s.wall.Add(b.start), End: s.wall.Add(b.end), Attributes: attributes(s.affordable(attrs)),
	}
}

// affordable leaves out the stacks for which a trace has no room.
func (s *spans) affordable(attrs []attr) []attr {
	return slices.DeleteFunc(attrs, func(a attr) bool {
		if a.key != keyStacktrace {
			return false
		}
		text, _ := a.value.(string)
		if len(text) > s.stacks {
			return true
		}
		s.stacks -= len(text)
		return false
	})
}

// begin sends the span that says a shutdown has started. Where it stands alone,
// the process was killed.
func (s *spans) begin(call Call) {
	attrs := call.attrs()
	if !s.parent.IsValid() {
		attrs = append(attrs, s.origin.attrs()...)
	}
	sp := s.span(s.started, trace.SpanID{}, spanStarted, bounds{tick, 2 * tick}, attrs)
	sp.Links = s.origin.links // Jaeger names a trace after the root with the fewest links
	s.session.Emit(sp)
}

// known reports whether the end of a phase is final. That of conn wait is
// when the call has returned.
func (tl *timeline) known(l phaseLine) bool {
	return l.end != never && (l.phase != PhaseConnWait || tl.returned <= tl.now)
}

// knownPhases are those whose end is final. What holds a long conn wait, which is
// most of what there is to see, is not looked at for them.
func (tl *timeline) knownPhases() []phaseLine {
	lines := tl.phases()
	for i, l := range lines {
		if !tl.known(l) {
			return lines[:i]
		}
	}
	return lines
}

// unsent returns those of some phases that have not been sent.
func (s *spans) unsent(lines []phaseLine) []phaseLine {
	return slices.DeleteFunc(slices.Clone(lines), func(l phaseLine) bool {
		return s.sent[(&phaseView{phaseLine: l}).key()]
	})
}

// pending reports whether advance has something to send. It costs less than the
// views that advance needs.
func (s *spans) pending(tl *timeline) bool {
	for _, l := range tl.phases() {
		if v := (phaseView{phaseLine: l}); !s.sent[v.key()] {
			return tl.known(l)
		}
	}
	return false
}

// advance sends the phases that have ended. Conn wait is held back until the
// call has returned: its end is known only then.
func (s *spans) advance(tl *timeline, views []phaseView) {
	s.countFrom(tl.lead)
	for i := range views {
		v := &views[i]
		key := v.key()
		if s.sent[key] {
			continue
		}
		if !tl.known(v.phaseLine) {
			return
		}
		s.sent[key] = true
		b := after(s.phaseEnd, v.start, v.end)
		s.phaseEnd = b.end
		s.holders(v, b, true)
		attrs := tl.phaseAttrs(v)
		if tl.leftOpen(views, i) {
			attrs = append(attrs, attr{keyOpen, true})
		}
		s.emit(s.id(key), s.root, string(v.phase), b, attrs)
	}
}

func (v *phaseView) key() holderKey { return holderKey{kind: HolderKind(v.phase)} }

// ended sends, while conn wait lasts, the connections that are gone: at most
// half of what may still be sent, so that the later ones, which held longer,
// find their place. When the last is gone the phase is about to be over, and they
// wait for it: who is blamed is known then.
func (s *spans) ended(tl *timeline, views []phaseView) {
	s.countFrom(tl.lead)
	v := &views[len(views)-1]
	if v.phase != PhaseConnWait || v.end != never {
		return
	}
	if last := tl.last(v.holders); last != nil && !last.Open && tl.now-last.end < wakes {
		return
	}
	s.holders(v, after(s.phaseEnd, v.start, tl.now), false)
}

// holders sends those of v's holders that have ended and were not sent yet; the
// longest of them, if there are too many. The last call for a phase sends a
// summary of the others.
func (s *spans) holders(v *phaseView, b bounds, last bool) {
	var due []*holder
	for i := range v.holders {
		if h := &v.holders[i]; !s.sent[h.key] && (last || !h.Open) {
			due = append(due, h)
		}
	}
	parent := s.id(v.key())
	s.tree(parent, b, s.choose(due, v.phase, last), v.phase)
	if last {
		s.summary(parent, b, due, v.phase)
	}
}

// choose returns the holders among due, and what is below them, that get spans.
func (s *spans) choose(due []*holder, phase Phase, last bool) chosen {
	c := chosen{due: due, yes: make(map[*holder]bool)}
	share := func(left int) int {
		if !last {
			left /= 2
		}
		return max(left, 0)
	}
	switch phase {
	case PhaseConnWait:
		conns, rpcs := split(due)
		s.connsLeft -= c.take(conns, share(s.connsLeft))
		for _, h := range conns {
			if c.yes[h] {
				parts, below := split(pointers(h.children))
				c.take(parts, len(parts))
				rpcs = append(rpcs, below...)
			}
		}
		s.rpcsLeft -= c.take(rpcs, share(s.rpcsLeft-keptForHandlers))
	case PhaseHandlerWait:
		s.rpcsLeft -= c.take(due, s.rpcsLeft)
	default:
		c.take(due, maxOtherSpans)
	}
	return c
}

// chosen are the holders that get spans.
type chosen struct {
	due []*holder
	yes map[*holder]bool
}

// take chooses n of hs, the longest, and returns how many there were.
func (c *chosen) take(hs []*holder, n int) int {
	hs = longest(hs, n)
	for _, h := range hs {
		c.yes[h] = true
	}
	return len(hs)
}

// split tells RPCs from connections and their parts.
func split(hs []*holder) (conns, rpcs []*holder) {
	for _, h := range hs {
		if h.Kind == HolderRPC {
			rpcs = append(rpcs, h)
		} else {
			conns = append(conns, h)
		}
	}
	return conns, rpcs
}

// tree sends the chosen holders and what they consist of.
func (s *spans) tree(parent trace.SpanID, b bounds, c chosen, phase Phase) {
	hs := slices.DeleteFunc(slices.Clone(c.due), func(h *holder) bool { return !c.yes[h] })
	for i, hb := range within(b, hs) {
		h := hs[i].tell()
		s.sent[h.key] = true
		id := s.id(h.key)
		sp := s.span(id, parent, h.name, hb, h.attributes(phase))
		sp.Links = h.links()
		if len(h.children) > 0 {
			c.due = pointers(h.children)
			s.tree(id, hb, c, phase)
			s.summary(id, hb, c.due, phase)
		}
		s.session.Emit(sp)
	}
}

// links are to the application's own span of an RPC, if it is sampled.
func (h *holder) links() []trace.Link {
	if !h.link.IsValid() || !h.link.IsSampled() {
		return nil
	}
	return []trace.Link{{SpanContext: h.link}}
}

// summary sends one span for the holders among hs that have none.
func (s *spans) summary(parent trace.SpanID, b bounds, hs []*holder, phase Phase) {
	var count, rpcs int
	var longest Duration
	histogram := make([]int64, len(summaryBuckets)+1)
	for _, h := range hs {
		if s.sent[h.key] {
			continue
		}
		s.sent[h.key] = true
		count++
		_, below := split(pointers(h.children))
		rpcs += len(below)
		longest = max(longest, h.Held)
		at := 0
		for at < len(summaryBuckets) && time.Duration(h.Held) > summaryBuckets[at] {
			at++
		}
		histogram[at]++
	}
	if count == 0 {
		return
	}
	s.missed += count + rpcs
	attrs := []attr{
		{keyPhase, string(phase)}, {keyCount, count}, {keyBelow, rpcs},
		{keyMax, time.Duration(longest).Seconds()},
	}
	for i, n := range histogram {
		key := keyMoreThan + summaryBuckets[len(summaryBuckets)-1].String()
		if i < len(summaryBuckets) {
			key = keyUpTo + summaryBuckets[i].String()
		}
		attrs = append(attrs, attr{key, n})
	}
	if b.end-b.start > tick {
		b.end -= tick // the culprit has a span of its own, and ends last
	}
	s.emit(newSpanID(), parent, spanSummary, b, attrs)
}

// summaryBuckets are the upper bounds of a summary's histogram.
var summaryBuckets = []time.Duration{
	10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second,
}

// end sends the root, the last of a shutdown's spans.
func (s *spans) end(tl *timeline, r *Report, call Call, main *phaseView) {
	s.countFrom(tl.lead)
	sp := s.span(s.root, s.parent, spanRoot,
		bounds{-s.lead, max(tl.over().Truncate(tick), s.phaseEnd)},
		slices.Concat(call.attrs(), rootAttrs(tl, r, main, s.missed), s.lost()))
	s.rootEnd = sp.End
	sp.Links, sp.RemoteParent = s.origin.links, s.origin.parent
	if r.Outcome == OutcomeForced {
		sp.ErrorType, sp.StatusMessage = tl.errorType(r), r.Verdict
	}
	s.session.Emit(sp)
}

// lost is what is known to be lost by now. Of a group's session the group tells.
func (s *spans) lost() []attr {
	if s.member != nil {
		return nil
	}
	return lostAttrs(s.session.Lost())
}

func attributes(attrs []attr) []attribute.KeyValue {
	out := make([]attribute.KeyValue, 0, len(attrs))
	for _, a := range attrs {
		switch v := a.value.(type) {
		case string:
			out = append(out, attribute.String(a.key, v))
		case bool:
			out = append(out, attribute.Bool(a.key, v))
		case int:
			out = append(out, attribute.Int(a.key, v))
		case int64:
			out = append(out, attribute.Int64(a.key, v))
		case float64:
			out = append(out, attribute.Float64(a.key, v))
		case []string:
			out = append(out, attribute.StringSlice(a.key, v))
		}
	}
	return out
}

// peerAttrs splits a peer as the semantic conventions want it.
func peerAttrs(peer string) []attr {
	if peer == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(peer)
	if err != nil {
		return []attr{{keyPeerAddress, peer}}
	}
	attrs := []attr{{keyPeerAddress, host}}
	if n, err := strconv.Atoi(port); err == nil {
		attrs = append(attrs, attr{keyPeerPort, n})
	}
	return attrs
}
