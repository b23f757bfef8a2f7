// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"slices"
	"time"
)

// attrs are on the root and on the span that says it has started.
func (c Call) attrs() []attr {
	name := "GracefulStop"
	if !c.Graceful {
		name = "Stop"
	}
	attrs := []attr{{keyRPCSystem, "grpc"}, {keySource, "call"}}
	if c.unannounced {
		attrs[1].value = "listener" // which call it was is not known
	} else {
		attrs = append(attrs, attr{keyCall, name})
	}
	if c.GRPCVersion != "" {
		attrs = append(attrs, attr{keyGRPC, c.GRPCVersion})
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
	attrs = append(attrs, tl.left(v.start).attrs(keyStartLeft)...)
	attrs = append(attrs, tl.left(min(v.end, tl.now)).attrs(keyEndLeft)...)
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
	attrs := []attr{
		{keyKind, string(h.Kind)}, {keyPhase, string(phase)},
		{keyAge, time.Duration(h.Age).Seconds()},
	}
	for _, a := range []attr{
		{keyState, string(h.State)}, {keyDetail, h.Detail}, {keyRPCMethod, h.Method},
		{keyRPCOriginal, h.Original}, {keyUserAgent, h.UserAgent}, {keyListener, h.Listener},
	} {
		if a.value != "" {
			attrs = append(attrs, a)
		}
	}
	if h.Method != "" {
		attrs = append(attrs, attr{keyRPCSystem, "grpc"})
	}
	if h.Open {
		attrs = append(attrs, attr{keyOpen, true})
	}
	attrs = append(attrs, peerAttrs(h.Peer)...)
	return append(attrs, h.attrs...)
}

// rootAttrs are what the root says beyond its report's outcome and verdict.
func rootAttrs(r *Report, main *phaseView, summarised int) []attr {
	attrs := []attr{{keyOutcome, string(r.Outcome)}, {keyVerdict, r.Verdict}}
	if c := main.culprit; c != nil {
		attrs = append(attrs, attr{keyCulPhase, string(main.phase)}, attr{keyCulprit, c.sentence()},
			attr{keyCulKind, string(c.Kind)},
			attr{keyCulState, string(c.State)}, attr{keyCulMethod, c.Method})
	}
	if n := cutTotal(r.RPCsCut); n > 0 {
		attrs = append(attrs, attr{keyRPCsCut, n})
		methods := make([]string, 0, len(r.RPCsCut))
		for m := range r.RPCsCut {
			methods = append(methods, m)
		}
		slices.Sort(methods)
		for _, m := range methods[:min(len(methods), 20)] {
			attrs = append(attrs, attr{keyCutPrefix + m, r.RPCsCut[m]})
		}
	}
	if summarised > 0 {
		attrs = append(attrs, attr{keySummarised, summarised})
	}
	return attrs
}
