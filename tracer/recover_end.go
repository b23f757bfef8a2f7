// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// ending makes the spans that a killed run could not send: its root, the phase that
// lasted, what held it at the last checkpoint, and whatever else a span that was
// sent says is above it. Their ids follow from those of what was sent.
type ending struct {
	t     *readTrace
	found map[*readSpan]foundSpan
	made  []*tracepb.Span
	known map[string]bool // ids of spans that are there or made
	names map[string]bool // of phases
	top   string          // the id of the last root made
	open  string          // the id of the last phase made
	like  foundSpan       // what the made spans resemble
}

func newEnding(t *readTrace, found map[*readSpan]foundSpan) *ending {
	e := &ending{t: t, found: found, known: make(map[string]bool), names: make(map[string]bool)}
	for id, s := range t.spans {
		e.known[id] = true
		if s.isPhase() {
			e.names[s.name] = true
		}
	}
	return e
}

// end returns nil if nothing was killed.
func (e *ending) end() *tracepb.TracesData {
	groups, rest := e.t.groups()
	for _, g := range groups {
		if g.root == nil {
			e.group(g)
		}
	}
	e.runs(rest, "")
	if len(e.made) == 0 {
		return nil
	}
	e.adopt()
	e.cover()
	rs, ss := e.like.rs, e.like.ss
	return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: rs.GetResource(), SchemaUrl: rs.GetSchemaUrl(),
		ScopeSpans: []*tracepb.ScopeSpans{{
			Scope: ss.GetScope(), SchemaUrl: ss.GetSchemaUrl(), Spans: e.made,
		}},
	}}}
}

// runs ends the servers that were killed.
func (e *ending) runs(t *readTrace, parent string) {
	for _, b := range t.shutdowns() {
		if b.root == nil {
			e.like = e.found[b.started]
			e.run(b, b.report(), parent)
		}
	}
}

// run ends one.
func (e *ending) run(b *rebuilder, r *Report, parent string) {
	root := derived(b.started.id, spanRoot)
	ours := b.ours(b.orphans())
	if len(ours) > 0 {
		root = ours[0].parent
	}
	end := b.base + time.Duration(r.Duration).Microseconds()
	attrs := []attr{{keyOutcome, string(OutcomeKilled)}, {keyVerdict, r.Verdict}}
	if n := len(r.Phases); n > len(ours) {
		last := &r.Phases[n-1]
		e.phase(b, last, root, end)
		attrs = append(attrs, attr{keyCulPhase, string(last.Name)})
		if c := last.Culprit; c != nil {
			attrs = append(attrs, said(attr{keyCulKind, string(c.Kind)}, attr{keyCulState, c.State},
				attr{keyCulMethod, c.Method})...)
		}
	}
	notes := b.notesSoFar()
	notes = append(notes[:min(len(notes), maxNotes-1)], Note{Kind: noteMissing, Text: madeUp})
	attrs = append(attrs, noteAttrs(notes)...)
	sp := e.make(root, parent, spanRoot, b.base, end, attrs)
	sp.Attributes = append(e.begun(), sp.GetAttributes()...)
	if parent == "" {
		e.below(sp)
	}
	e.killed(sp, r.Verdict)
	e.top = root
}

// madeUp is said of a killed run in its trace.
const madeUp = "the process was killed: its end is the last that it told, and was sent later"

// killed gives a root its status, and the links that it would have had.
func (e *ending) killed(sp *tracepb.Span, verdict string) {
	sp.Attributes = append(sp.Attributes, protoAttr(attr{keyErrorType, string(OutcomeKilled)}))
	sp.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: verdict}
	sp.Links = e.like.span.GetLinks()
}

// begun are the attributes that a root has in common with what says that it has
// started.
func (e *ending) begun() []*commonpb.KeyValue {
	return slices.DeleteFunc(slices.Clone(e.like.span.GetAttributes()), func(kv *commonpb.KeyValue) bool {
		return kv.GetKey() == keyParent || kv.GetKey() == keyParentState || kv.GetKey() == keyID
	})
}

// below puts a root where the finished one would have been, if WithParent was given.
func (e *ending) below(sp *tracepb.Span) {
	parent := readParent(e.t.id, protoAttributes(e.like.span.GetAttributes()))
	if !parent.IsValid() {
		return
	}
	id := parent.SpanID()
	sp.ParentSpanId, sp.TraceState = id[:], parent.TraceState().String()
	if sp.GetFlags()&flagsOfTrace != 0 { // an older exporter sends none
		sp.Flags |= uint32(parent.TraceFlags())
	}
	sp.Flags |= uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
}

const flagsOfTrace = uint32(tracepb.SpanFlags_SPAN_FLAGS_TRACE_FLAGS_MASK)

// phase makes the one that lasted.
func (e *ending) phase(b *rebuilder, p *PhaseReport, root string, end int64) {
	e.open = e.parentIn(b.readTrace, string(p.Name))
	if e.open == "" {
		e.open = derived(b.started.id, string(p.Name))
	}
	start := min(b.base+max(time.Duration(p.Offset).Microseconds()+1, 2), end)
	attrs := append([]attr{{keyPhase, string(p.Name)}}, p.LeftAtStart.attrs(keyStartLeft)...)
	attrs = append(append(attrs, p.LeftAtEnd.attrs(keyEndLeft)...), attr{keyOpen, true})
	e.make(e.open, root, string(p.Name), start, end, attrs)
	e.names[string(p.Name)] = true
	_, checkpoints := b.checkpoints()
	for _, h := range b.below(checkpoints[len(checkpoints)-1].id) {
		if e.ended(b.readTrace, h) {
			continue
		}
		held := max(start, h.born())
		sp := e.make(derived(h.id, "open"), e.open, h.name, held, max(held, min(h.end, end)), nil)
		like := e.found[h].span
		sp.Attributes, sp.Links = slices.Clone(like.GetAttributes()), like.GetLinks()
	}
}

// ended reports whether what a checkpoint told of has let go after it, and was sent.
func (e *ending) ended(t *readTrace, h *readSpan) bool {
	const exact = 1000 // µs; ages are cut to microseconds
	return slices.ContainsFunc(t.children[e.open], func(s *readSpan) bool {
		apart := s.born() - h.born()
		return s.name == h.name && s.peer() == h.peer() &&
			s.number(keyConnection) == h.number(keyConnection) && -exact < apart && apart < exact
	})
}

// parentIn is the id of a phase that was not sent, as those below it say that were;
// empty: none was. Of several parents it is that of most: an RPC's connection may
// be missing, too.
func (e *ending) parentIn(t *readTrace, phase string) (parent string) {
	most := 0
	for _, id := range e.missing(t) {
		n := 0
		for _, s := range t.children[id] {
			if s.text(keyPhase) == phase && !s.isPhase() {
				n++
			}
		}
		if n > most {
			parent, most = id, n
		}
	}
	return parent
}

// missing are the ids of parents that are not there, sorted. One in another
// process is not missing.
func (e *ending) missing(t *readTrace) []string {
	const remote = uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	return slices.DeleteFunc(slices.Sorted(maps.Keys(t.children)), func(id string) bool {
		return id == "" || e.known[id] || e.found[t.children[id][0]].span.GetFlags()&remote != 0
	})
}

// adopt makes the parents that are still missing.
func (e *ending) adopt() {
	for _, id := range e.missing(e.t) {
		kids := e.t.below(id)
		start, end := kids[0].start, kids[0].end
		for _, s := range kids {
			end = max(end, s.end)
		}
		phase := kids[0].text(keyPhase)
		if phase == "" || e.names[phase] {
			e.make(id, cmp.Or(e.open, e.top), spanNotSent, start, end, nil)
			continue
		}
		e.names[phase] = true
		e.make(id, e.top, phase, start, end, []attr{{keyPhase, phase}, {keyOpen, true}})
	}
}

// cover makes each of the spans that were made as long as what is below it.
func (e *ending) cover() {
	made := make(map[string]*tracepb.Span)
	below := make(map[string][]*tracepb.Span)
	for _, sp := range e.made {
		made[string(sp.GetSpanId())] = sp
		below[string(sp.GetParentSpanId())] = append(below[string(sp.GetParentSpanId())], sp)
	}
	for _, s := range e.t.spans {
		sp := e.found[s].span
		below[string(sp.GetParentSpanId())] = append(below[string(sp.GetParentSpanId())], sp)
	}
	for again := true; again; {
		again = false
		for id, sp := range made {
			for _, kid := range below[id] {
				if start := kid.GetStartTimeUnixNano(); start < sp.GetStartTimeUnixNano() {
					sp.StartTimeUnixNano, again = start, true
				}
				if end := kid.GetEndTimeUnixNano(); end > sp.GetEndTimeUnixNano() {
					sp.EndTimeUnixNano, again = end, true
				}
			}
		}
	}
}

// spanNotSent stands for a span above others that was not sent.
const spanNotSent = "not sent"

// make makes a span. Times are in microseconds.
func (e *ending) make(id, parent, name string, start, end int64, attrs []attr) *tracepb.Span {
	like := e.like.span
	sp := &tracepb.Span{
		TraceId: like.GetTraceId(), SpanId: bytesOf(id), ParentSpanId: bytesOf(parent),
		TraceState: like.GetTraceState(), Flags: like.GetFlags(),
		Name: name, Kind: tracepb.Span_SPAN_KIND_INTERNAL, Status: &tracepb.Status{},
		StartTimeUnixNano: uint64(start) * 1000, EndTimeUnixNano: uint64(max(end, start+1)) * 1000,
	}
	for _, a := range attrs {
		sp.Attributes = append(sp.Attributes, protoAttr(a))
	}
	for _, kv := range like.GetAttributes() {
		if kv.GetKey() == keyID { // whose is whose
			sp.Attributes = append(sp.Attributes, kv)
		}
	}
	e.made = append(e.made, sp)
	e.known[id] = true
	return sp
}

// derived is an id that follows from another one's and a name.
func derived(id, name string) string {
	sum := sha256.Sum256([]byte("gracetrace killed\x00" + id + "\x00" + name))
	return hex.EncodeToString(sum[:8])
}

func bytesOf(id string) []byte {
	b, err := hex.DecodeString(id)
	if err != nil || len(b) == 0 {
		return nil
	}
	return b
}
