// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// attrs are on the root and on the span that says it has started.
func (c Call) attrs() []attr {
	name := callGraceful
	if !c.Graceful {
		name = callStop
	}
	attrs := []attr{{keyRPCSystem, rpcSystem}, {keySource, "call"}}
	if c.Compiled {
		attrs[1].value = "compiled"
	}
	if c.unannounced {
		attrs[1].value = "listener" // which call it was is not known
	} else {
		attrs = append(attrs, attr{keyCall, name})
	}
	if c.GRPCVersion != "" {
		attrs = append(attrs, attr{keyGRPC, c.GRPCVersion})
	}
	if c.Member != nil {
		attrs = append(attrs, c.Member.begun()...)
	}
	return attrs
}

func (n Left) attrs(prefix string) []attr {
	return []attr{
		{prefix + "handshakes", n.Handshakes}, {prefix + "connections", n.Connections},
		{prefix + "rpcs", n.RPCs}, {prefix + "handlers", n.Handlers},
	}
}

func (tl *timeline) phaseAttrs(v *phaseView) []attr {
	attrs := []attr{{keyPhase, string(v.phase)}}
	left := [2]Left{tl.left(v.start), tl.left(min(v.end, tl.now))}
	if st := tl.stepAt(v.phaseLine); st != nil {
		left = st.left
	}
	attrs = append(attrs, left[0].attrs(keyStartLeft)...)
	attrs = append(attrs, left[1].attrs(keyEndLeft)...)
	if v.released != "" {
		attrs = append(attrs, attr{keyReleasedBy, v.released}, attr{keyGap, v.gap.Seconds()})
	}
	if v.culprit != nil {
		attrs = append(attrs, attr{keyCulprit, v.culprit.sentence()})
	}
	return attrs
}

// attributes of a holder's span.
func (h *holder) attributes(phase Phase) []attr {
	h.tell()
	attrs := []attr{
		{keyKind, string(h.Kind)}, {keyPhase, string(phase)},
		{keyAge, time.Duration(h.Age).Seconds()},
	}
	attrs = append(attrs, said(
		attr{keyState, h.State}, attr{keyDetail, h.Detail}, attr{keyRPCMethod, h.Method},
		attr{keyRPCOriginal, h.Original}, attr{keyUserAgent, h.UserAgent},
		attr{keyListener, h.Listener}, attr{keyClient, h.Client}, attr{keyLocal, h.Local},
		attr{keyTransport, h.Transport},
		attr{keyFunction, h.Function}, attr{keyCodeSource, h.Source})...)
	if h.Connection != 0 {
		attrs = append(attrs, attr{keyConnection, h.Connection})
	}
	if h.Infrastructure {
		attrs = append(attrs, attr{keyInfrastructure, true})
	}
	if h.Method != "" {
		attrs = append(attrs, attr{keyRPCSystem, rpcSystem})
	}
	if h.Open {
		attrs = append(attrs, attr{keyOpen, true})
	}
	if h.culprit {
		attrs = append(attrs, attr{keyBlamed, true})
	}
	for _, l := range h.links() { // a link pattern of Jaeger's UI knows attributes alone
		sc := l.SpanContext
		attrs = append(attrs,
			attr{keyOwnTrace, sc.TraceID().String()}, attr{keyOwnSpan, sc.SpanID().String()})
	}
	attrs = append(attrs, peerAttrs(h.Peer)...)
	return append(attrs, h.attrs...)
}

// rootAttrs are how it ended, who held it, and what has no span of its own.
func rootAttrs(tl *timeline, r *Report, main *phaseView, summarised int) []attr {
	attrs := []attr{{keyOutcome, string(r.Outcome)}, {keyVerdict, r.Verdict}}
	attrs = append(attrs, said(attr{keyExit, tl.exit.signal})...)
	if c := main.culprit; c != nil {
		attrs = append(attrs, attr{keyCulPhase, string(main.phase)}, attr{keyCulprit, c.sentence()},
			attr{keyCulKind, string(c.Kind)})
		attrs = append(attrs, said(attr{keyCulState, c.State}, attr{keyCulMethod, c.Method})...)
	}
	attrs = append(attrs, byMethod(keyRPCsCut, r.RPCsCut)...)
	attrs = append(attrs, byMethod(keyOutlived, r.Outlived)...)
	if d := r.Clients.LastAccept; d != nil {
		attrs = append(attrs, attr{keyLastAccept, time.Duration(*d).Seconds()})
	}
	for _, a := range []attr{
		{keyRefused, r.Clients.Refused}, {keyLateConns, r.Clients.LateConnections},
		{keyUnserved, r.Clients.Unserved}, {keyHandshakes, r.Clients.HandshakesClosed},
		{keyArrived, r.Clients.Arrived}, {keyLateRPCs, r.Clients.LateStreams},
		{keySummarised, summarised}, {keyForgotten + "connections", tl.forgottenConns},
		{keyForgotten + "rpcs", tl.forgottenRPCs},
	} {
		if a.value != 0 {
			attrs = append(attrs, a)
		}
	}
	for _, a := range []struct {
		key string
		d   Duration
	}{
		{keyLastArrive, r.Clients.LastArrival}, {keyLameDuck, r.Clients.LameDuck},
		{keyMaxWindow, r.Clients.Window},
	} {
		if a.d > 0 {
			attrs = append(attrs, attr{a.key, time.Duration(a.d).Seconds()})
		}
	}
	return append(attrs, noteAttrs(r.Notes)...)
}

// byMethod counts, in all and of each method.
func byMethod(key string, counts map[string]int) []attr {
	if len(counts) == 0 {
		return nil
	}
	attrs := []attr{{key, cutTotal(counts)}}
	methods := slices.Sorted(maps.Keys(counts))
	for _, m := range methods[:min(len(methods), maxMethodAttrs)] {
		attrs = append(attrs, attr{key + "." + m, counts[m]})
	}
	return attrs
}

// lostAttrs counts the spans that are lost although their trace goes on.
func lostAttrs(lost map[string]int) []attr {
	keyed := make(map[string]int, len(lost))
	for reason, n := range lost {
		keyed[strings.ReplaceAll(reason, " ", "_")] = n
	}
	return byMethod(keyLost, keyed)
}

// lostSpans is the reverse of lostAttrs.
func (s *readSpan) lostSpans() map[string]int {
	var lost map[string]int
	for key, n := range s.byMethod(keyLost) {
		if lost == nil {
			lost = make(map[string]int)
		}
		lost[strings.ReplaceAll(key, "_", " ")] += n
	}
	return lost
}

// maxMethodAttrs bounds the methods that are counted apart.
const maxMethodAttrs = 20

// said leaves out empty texts.
func said(attrs ...attr) []attr {
	return slices.DeleteFunc(attrs, func(a attr) bool { return a.value == "" })
}
