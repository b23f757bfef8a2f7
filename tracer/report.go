// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Report is what is known of one shutdown. It is a value of its own: nothing in
// it changes once it has been handed out.
type Report struct {
	Version int    `json:"version"` // of this format: 1
	Service string `json:"service"`
	TraceID string `json:"trace_id"`
	// JaegerURL opens the trace at the culprit, if GRACETRACE_UI_URL is set.
	JaegerURL string    `json:"jaeger_url,omitempty"`
	Call      string    `json:"call,omitempty"` // GracefulStop or Stop; empty: not announced
	Start     time.Time `json:"start"`
	Duration  Duration  `json:"duration_us"`
	Outcome   Outcome   `json:"outcome"`
	Verdict   string    `json:"verdict"`
	// RPCsCut counts by method the RPCs that a forced stop cut.
	RPCsCut map[string]int `json:"rpcs_cut,omitempty"`
	Phases  []PhaseReport  `json:"phases"`
	Spans   SpanCount      `json:"spans"`
}

// PhaseReport is one phase of a Report.
type PhaseReport struct {
	Name     Phase     `json:"name"`
	Start    time.Time `json:"start"`
	Offset   Duration  `json:"offset_us"` // since the call
	Duration Duration  `json:"duration_us"`
	Open     bool      `json:"open,omitempty"` // it still lasts
	// LeftAtStart and LeftAtEnd are what was still there.
	LeftAtStart Left `json:"left_at_start"`
	LeftAtEnd   Left `json:"left_at_end"`
	// ReleasedBy let go last; Gap is from then to the phase's end. Under CPU
	// load that is scheduling, not a holder.
	ReleasedBy string   `json:"released_by,omitempty"`
	Gap        Duration `json:"gap_us,omitempty"`
	Culprit    *Holder  `json:"culprit,omitempty"`
	Bars       []Bar    `json:"bars,omitempty"` // those that held longest
}

// Bar is a line of the timeline below its phase.
type Bar struct {
	Name     string   `json:"name"`
	Offset   Duration `json:"offset_us"` // since the call
	Duration Duration `json:"duration_us"`
	Note     string   `json:"note,omitempty"`
	Bars     []Bar    `json:"bars,omitempty"`
}

// SpanCount is what became of a shutdown's spans.
type SpanCount struct {
	Sent int            `json:"sent"`
	Lost map[string]int `json:"lost,omitempty"` // by reason
	// Summarised counts the holders that share a summary span.
	Summarised int `json:"summarised,omitempty"`
}

// maxBars bounds the holders that a phase of a Report lists.
const maxBars = 50

// WriteJSON writes the report as indented JSON, with a newline at its end.
func (r *Report) WriteJSON(w io.Writer) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// report makes a Report of a timeline. start is the wall clock at the call.
func (tl *timeline) report(views []phaseView, start time.Time) *Report {
	call := "GracefulStop"
	switch {
	case tl.unannounced:
		call = ""
	case !tl.graceful:
		call = "Stop"
	}
	r := &Report{
		Version: 1, Call: call, Start: start, Duration: whole(min(tl.returned, tl.now)),
		Outcome: tl.outcome(views), Verdict: tl.verdict(views), RPCsCut: tl.cutRPCs(),
	}
	for i := range views {
		v := &views[i]
		end := min(v.end, tl.now)
		p := PhaseReport{
			Name: v.phase, Start: start.Add(v.start.Truncate(tick)), Offset: whole(v.start),
			Duration: whole(end) - whole(v.start), Open: v.end == never || tl.abandoned && i == len(views)-1,
			LeftAtStart: tl.left(v.start), LeftAtEnd: tl.left(end),
			ReleasedBy: v.released, Gap: whole(v.gap), Bars: bars(v.holders),
		}
		if v.culprit != nil {
			c := v.culprit.Holder
			c.Held, c.Age = whole(time.Duration(c.Held)), whole(time.Duration(c.Age))
			p.Culprit = &c
		}
		r.Phases = append(r.Phases, p)
	}
	return r
}

// whole cuts to the report's resolution.
func whole(d time.Duration) Duration { return Duration(d.Truncate(tick)) }

// bars lists the holders that held longest, the earliest first.
func bars(hs []holder) []Bar {
	if len(hs) == 0 {
		return nil
	}
	shown := longest(pointers(hs), maxBars)
	list := make([]Bar, 0, len(shown)+1)
	for _, h := range shown {
		list = append(list, Bar{
			Name: h.name, Offset: whole(h.start), Duration: whole(h.end) - whole(h.start),
			Note: h.note(), Bars: bars(h.children),
		})
	}
	if more := len(hs) - len(shown); more > 0 {
		list = append(list, Bar{Name: fmt.Sprintf("%d more", more), Offset: whole(hs[0].start)})
	}
	return list
}

// longest returns the culprit and those that held longest, n together, in their
// order.
func longest(hs []*holder, n int) []*holder {
	if len(hs) <= n {
		return hs
	}
	all := slices.Clone(hs)
	rank := func(h *holder) Duration {
		if h.culprit {
			return Duration(never)
		}
		return h.Held
	}
	slices.SortStableFunc(all, func(a, b *holder) int { return cmp.Compare(rank(b), rank(a)) })
	chosen := make(map[*holder]bool, n)
	for _, h := range all[:n] {
		chosen[h] = true
	}
	return slices.DeleteFunc(slices.Clone(hs), func(h *holder) bool { return !chosen[h] })
}

func pointers(hs []holder) []*holder {
	all := make([]*holder, len(hs))
	for i := range hs {
		all[i] = &hs[i]
	}
	return all
}

// note is what stands behind a holder's bar.
func (h *holder) note() string {
	var words []string
	if h.Peer != "" && !h.part && h.Kind != HolderRPC {
		words = append(words, "peer "+h.Peer)
	}
	if h.Kind == HolderListener {
		words = append(words, h.Listener)
	}
	if h.Original != "" {
		words = append(words, h.Original)
	}
	if h.UserAgent != "" && h.Kind == HolderConnection {
		words = append(words, "user-agent "+h.UserAgent)
	}
	if h.Detail != "" && h.blame < 0 {
		words = append(words, h.Detail)
	}
	return strings.Join(words, ", ")
}
