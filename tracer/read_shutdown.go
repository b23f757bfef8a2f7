// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// reports makes one of each shutdown among the spans.
func (s *spanSet) reports() (all []*Report) {
	for _, t := range s.traces {
		all = append(all, t.reports()...)
	}
	return all
}

// reports finds the shutdowns of a trace: of groups, and of servers of their own.
func (t *readTrace) reports() (all []*Report) {
	for _, part := range t.parts() {
		groups, rest := part.groups()
		for _, g := range groups {
			all = append(all, g.report())
		}
		all = append(all, rest.servers()...)
	}
	return all
}

// parts takes a trace with several shutdowns apart: what says whose it is, and what
// does not.
func (t *readTrace) parts() (all []*readTrace) {
	if !t.several() {
		return []*readTrace{t} // most often
	}
	of := make(map[string]*readTrace)
	for _, s := range t.spans {
		id := s.text(keyID)
		if of[id] == nil {
			of[id] = newReadTrace(t.id)
		}
		of[id].add(s)
	}
	for _, id := range slices.Sorted(maps.Keys(of)) {
		all = append(all, of[id])
	}
	return all
}

// several reports whether there is more than one id, or some spans have none.
func (t *readTrace) several() bool {
	id, known := "", false
	for _, s := range t.spans {
		if other := s.text(keyID); !known {
			id, known = other, true
		} else if other != id {
			return true
		}
	}
	return false
}

// servers makes a report of each shutdown of a server.
func (t *readTrace) servers() (all []*Report) {
	for _, b := range t.shutdowns() {
		all = append(all, b.report())
	}
	return all
}

// shutdowns finds those of servers: more than one where several were stopped
// together. Each has a root, or its end never came, and a span that says it has
// started.
func (t *readTrace) shutdowns() (all []*rebuilder) {
	var roots, started []*readSpan
	for _, s := range t.spans {
		switch {
		case s.name == spanRoot && s.text(keyOutcome) != "":
			roots = append(roots, s)
		case s.name == spanStarted && s.text(keySource) != "":
			started = append(started, s)
		}
	}
	sortSpans(roots)
	sortSpans(started)
	of := make(map[string]int) // by process
	for _, root := range roots {
		b := t.builder(root, root.start)
		b.root = root
		of[b.process]++
		if i := nearest(started, root.process, root.start+1); i >= 0 {
			b.started = started[i]
			started = slices.Delete(started, i, i+1)
		}
		all = append(all, b)
	}
	for _, s := range started {
		b := t.builder(s, s.start-1) // a root begins a tick before it
		b.started = s
		of[b.process]++
		all = append(all, b)
	}
	for _, b := range all {
		b.alone = of[b.process] == 1
	}
	return all
}

// report is called once.
func (b *rebuilder) report() *Report {
	if b.root != nil {
		return b.finished(b.root)
	}
	return b.killed(b.orphans())
}

// nearest is the place of the process's span that starts closest to a moment, or -1.
func nearest(list []*readSpan, process string, at int64) int {
	best := -1
	distance := func(i int) int64 { return max(list[i].start-at, at-list[i].start) }
	for i := range list {
		if list[i].process == process && (best < 0 || distance(i) < distance(best)) {
			best = i
		}
	}
	return best
}

// rebuilder makes a report of spans.
type rebuilder struct {
	*readTrace
	base    int64     // the call
	process string    // that it was in
	alone   bool      // the process has no other shutdown in the trace
	root    *readSpan // nil: its end never came
	started *readSpan // nil: not sent, or lost
	r       *Report
	stacks  map[Stack]*readStack
}

// builder makes the report's beginning, of what is on the root and on the span
// that says it has started.
func (t *readTrace) builder(s *readSpan, base int64) *rebuilder {
	return &rebuilder{
		readTrace: t, base: base, process: s.process, stacks: make(map[Stack]*readStack),
		r: &Report{
			Version: 1, Service: s.service, ServiceVersion: s.version, TraceID: t.id, Call: s.text(keyCall),
			Start: time.UnixMicro(base).UTC(), GRPC: s.text(keyGRPC),
			Spans: SpanCount{Sent: len(t.spans)},
		},
	}
}

// at is the time from the call to a moment.
func (b *rebuilder) at(us int64) Duration { return Duration(since(b.base, us)) }

// finished makes a report of a shutdown whose root was sent.
func (b *rebuilder) finished(root *readSpan) *Report {
	r := b.r
	r.Duration = b.at(root.end)
	r.Outcome, r.Verdict = Outcome(root.text(keyOutcome)), root.text(keyVerdict)
	r.RPCsCut = root.byMethod(keyRPCsCut)
	r.Outlived = root.byMethod(keyOutlived)
	r.Clients = root.clients()
	r.Spans.Summarised, r.Spans.Lost = root.number(keySummarised), root.lostSpans()
	for _, line := range root.list(keyNotes) {
		r.Notes = append(r.Notes, parseNote(line))
	}
	for _, s := range b.below(root.id) {
		if s.isPhase() {
			r.Phases = append(r.Phases, b.phase(s))
		}
	}
	r.Checkpoints, _ = b.checkpoints()
	if r.Outcome == OutcomeKilled { // its root was made up by the next start
		b.openPhase()
	}
	return r
}

// isPhase tells a phase from a holder, which names its phase, too.
func (s *readSpan) isPhase() bool { return s.name != "" && s.text(keyPhase) == s.name }

func (b *rebuilder) phase(s *readSpan) PhaseReport {
	hs := b.holders(s.id, 0)
	p := PhaseReport{
		Name: Phase(s.name), Start: time.UnixMicro(s.start).UTC(), Offset: b.at(s.start),
		Duration: b.at(s.end) - b.at(s.start), Open: s.flag(keyOpen),
		LeftAtStart: s.left(keyStartLeft), LeftAtEnd: s.left(keyEndLeft),
		ReleasedBy: s.text(keyReleasedBy), Gap: Duration(s.duration(keyGap)),
	}
	b.fill(&p, hs)
	return p
}

// fill puts the bars of holders into a phase, and its culprit.
func (b *rebuilder) fill(p *PhaseReport, hs []holder) {
	own := slices.IndexFunc(hs, func(h holder) bool { return h.stands() })
	if own < 0 {
		own = len(hs)
	}
	p.Bars = bars(hs[:own])
	for i := range hs[own:] {
		p.Bars = append(p.Bars, hs[own+i].bar())
	}
	p.Bars = mergeMore(p.Bars)
	for i := range hs {
		h := &hs[i]
		if !h.culprit {
			continue
		}
		for j := range h.children {
			if c := &h.children[j]; c.culprit && c.Kind != HolderConnection {
				h = c
				break
			}
		}
		p.Culprit = &h.Holder
		break
	}
}

// maxNested bounds the holders below holders: a connection has parts, and they
// have none.
const maxNested = 3

// holders are those below a span, and what they consist of; summaries come last.
func (b *rebuilder) holders(id string, depth int) (hs []holder) {
	if depth == maxNested {
		return nil
	}
	var summaries []holder
	for _, s := range b.below(id) {
		if s.name == spanSummary {
			summaries = append(summaries, b.summary(s))
			continue
		}
		h := b.holder(s)
		h.children = b.holders(s.id, depth+1)
		for i := range h.children {
			if c := &h.children[i]; c.Kind == HolderConnection && c.State != "" && c.State == h.State {
				h.blame = i // it says what the part says
			}
		}
		hs = append(hs, h)
	}
	return append(hs, summaries...)
}

func (b *rebuilder) holder(s *readSpan) holder {
	h := holder{
		name: s.name, start: time.Duration(b.at(s.start)), end: time.Duration(b.at(s.end)), blame: -1,
		culprit: s.flag(keyBlamed),
	}
	h.Holder = Holder{
		Kind: HolderKind(s.text(keyKind)), State: s.text(keyState), Method: s.text(keyRPCMethod),
		Original: s.text(keyRPCOriginal), Peer: s.peer(), UserAgent: s.text(keyUserAgent),
		Listener: s.text(keyListener), Held: Duration(h.end - h.start), Age: Duration(s.duration(keyAge)),
		Open: s.flag(keyOpen), Detail: s.text(keyDetail), Client: s.text(keyClient),
		Local: s.text(keyLocal), Transport: s.text(keyTransport), Infrastructure: s.flag(keyInfrastructure),
		Function: s.text(keyFunction), Source: s.text(keyCodeSource),
		Connection: s.number(keyConnection), SpanID: s.id,
	}
	h.part = h.Kind == HolderConnection && h.name != string(HolderConnection)
	h.stack = b.stack(s, &h.Holder)
	return h
}

// summary is a holder that stands for those without a span of their own.
func (b *rebuilder) summary(s *readSpan) holder {
	h := holder{
		name:  fmt.Sprintf(moreFormat, s.number(keyCount)),
		start: time.Duration(b.at(s.start)), end: time.Duration(b.at(s.end)), blame: -1,
	}
	h.Held = Duration(never) // so that it gets a bar
	return h
}

// stands reports whether h is a summary.
func (h *holder) stands() bool { return h.Kind == "" && h.Held == Duration(never) }

// moreFormat is the name of a bar that stands for several holders.
const moreFormat = "%d more"

// mergeMore makes one bar, at the end, of those that stand for several holders.
func mergeMore(list []Bar) []Bar {
	var more *Bar
	var out []Bar
	for _, b := range list {
		b.Bars = mergeMore(b.Bars)
		var n int
		if _, err := fmt.Sscanf(b.Name, moreFormat, &n); err != nil || b.Kind != "" {
			out = append(out, b)
			continue
		}
		b.More = n
		if more == nil {
			more = &b
			continue
		}
		end := max(more.Offset+more.Duration, b.Offset+b.Duration)
		more.Offset = min(more.Offset, b.Offset)
		more.More, more.Duration = more.More+n, end-more.Offset
		more.Name = fmt.Sprintf(moreFormat, more.More)
	}
	if more != nil {
		out = append(out, *more)
	}
	return out
}

// checkpoints are what was told while it lasted, and their spans.
func (b *rebuilder) checkpoints() (told []Checkpoint, spans []*readSpan) {
	if b.started == nil {
		return nil, nil
	}
	for _, s := range b.below(b.started.id) {
		if !strings.HasPrefix(s.name, spanCheckpoint) {
			continue
		}
		spans = append(spans, s)
		told = append(told, Checkpoint{
			Offset: Duration(s.duration(keyElapsed)), Phase: Phase(s.text(keyPhase)),
			Left: s.left(keyEndLeft), Verdict: s.text(keyVerdict),
		})
	}
	return told, spans
}

// otherMethods stands for those that are counted but not named.
const otherMethods = "other methods"

// byMethod is what byMethod of spanattrs.go wrote.
func (s *readSpan) byMethod(key string) map[string]int {
	total := s.number(key)
	if total == 0 {
		return nil
	}
	cut := make(map[string]int)
	for k := range s.attrs {
		if method, ok := strings.CutPrefix(k, key+"."); ok {
			cut[method] = s.number(k)
		}
	}
	if rest := total - cutTotal(cut); rest > 0 {
		cut[otherMethods] += rest
	}
	return cut
}

func (s *readSpan) clients() Clients {
	c := Clients{
		Refused: s.number(keyRefused), LateConnections: s.number(keyLateConns),
		Unserved: s.number(keyUnserved), LateStreams: s.number(keyLateRPCs),
		Window:  Duration(s.duration(keyMaxWindow)),
		Arrived: s.number(keyArrived), LastArrival: Duration(s.duration(keyLastArrive)),
		HandshakesClosed: s.number(keyHandshakes), LameDuck: Duration(s.duration(keyLameDuck)),
	}
	if _, ok := s.attrs[keyLastAccept]; ok {
		last := Duration(s.duration(keyLastAccept))
		c.LastAccept = &last
	}
	return c
}
