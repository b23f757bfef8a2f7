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

	"go.opentelemetry.io/otel/trace"
)

// Report is what is known of one shutdown. It is a value of its own: nothing in
// it changes once it has been handed out.
type Report struct {
	Version int    `json:"version"` // of this format: 1
	Service string `json:"service"`
	// ServiceVersion is the service.version of the process; empty: it has none.
	ServiceVersion string `json:"service_version,omitempty"`
	TraceID        string `json:"trace_id"`
	// JaegerURL opens the trace at the culprit, if GRACETRACE_UI_URL is set.
	JaegerURL string `json:"jaeger_url,omitempty"`
	// Call is what was called of grpc's server: GracefulStop, which Shutdown and
	// Run call too, or Stop; empty: a listener was closed, nobody announced it.
	Call     string    `json:"call,omitempty"`
	Start    time.Time `json:"start"` // UTC
	Duration Duration  `json:"duration_us"`
	Outcome  Outcome   `json:"outcome"`
	Verdict  string    `json:"verdict"`
	// RPCsCut counts by method the RPCs that were cut: by a forced stop, or by
	// grpc's drain those that came through ServeHTTP.
	RPCsCut map[string]int `json:"rpcs_cut,omitempty"`
	// Outlived counts by method the handlers that still ran when the stop was
	// over.
	Outlived map[string]int `json:"handlers_outlived,omitempty"`
	GRPC     string         `json:"grpc_version,omitempty"` // of grpc-go
	Clients  Clients        `json:"clients"`
	// Notes are what else is known: why evidence is missing, known bugs of this
	// grpc-go, remedies.
	Notes       []Note        `json:"notes,omitempty"`
	Phases      []PhaseReport `json:"phases"`
	Checkpoints []Checkpoint  `json:"checkpoints,omitempty"`
	Stacks      []Stack       `json:"stacks,omitempty"`
	// Members are those of a group that stopped, in the order of their turns: a
	// group has no phases of its own. Member is set of each of them.
	Members []*Report     `json:"members,omitempty"`
	Member  *MemberReport `json:"member,omitempty"`
	Spans   SpanCount     `json:"spans"`
}

// Clients is what clients met whom nobody had told of the shutdown.
type Clients struct {
	// LastAccept is how long before the listeners were closed the last of the
	// connections was accepted that were open at the call; nil: there was none,
	// or the server had listened for less than 10 s, which tells nothing.
	LastAccept *Duration `json:"last_accept_us,omitempty"`
	// Refused counts the connections that the kernel has reset since the call,
	// in the whole network namespace, without those that a Stop cut and those
	// that are reset all the time. Linux only.
	Refused int `json:"refused,omitempty"`
	// LateConnections were accepted after the call, Unserved of them closed
	// without a handshake. LateStreams were opened after the call.
	LateConnections int `json:"late_connections,omitempty"`
	Unserved        int `json:"unserved,omitempty"`
	LateStreams     int `json:"late_streams,omitempty"`
	// HandshakesClosed are connections that Shutdown closed because they had not
	// finished their handshake: until then nobody is told to go.
	HandshakesClosed int `json:"handshakes_closed,omitempty"`
	// Arrived counts the connections that were accepted during the lame duck, the
	// last of them LastArrival after its start. LameDuck is the delay that would
	// have been enough; zero: that is not known.
	Arrived     int      `json:"arrived,omitempty"`
	LastArrival Duration `json:"last_arrival_us,omitempty"`
	LameDuck    Duration `json:"lame_duck_us,omitempty"`
	// Window is the longest time between a connection's two GOAWAYs, in which
	// it may open streams.
	Window Duration `json:"goaway_window_us,omitempty"`
}

// Note is a sentence about a shutdown.
type Note struct {
	Kind string `json:"kind"` // remedy, known bug, signature, clients, stop call, panic, missing evidence
	Text string `json:"text"`
	Ref  string `json:"ref,omitempty"` // an issue's address
}

// Checkpoint is what held a shutdown while it lasted.
type Checkpoint struct {
	Offset  Duration `json:"offset_us"` // since the start
	Phase   Phase    `json:"phase"`
	Left    Left     `json:"left"`
	Verdict string   `json:"verdict"` // so far
}

// Stack is where handlers were while they held the shutdown.
type Stack struct {
	Offset   Duration `json:"offset_us"`          // since the start
	Method   string   `json:"method,omitempty"`   // pkg.Service/Method; empty: a user hook
	Function string   `json:"function,omitempty"` // first frame of the application's
	Source   string   `json:"source,omitempty"`   // of that frame: greeter.go:88
	Handlers int      `json:"handlers"`           // that were in the same place
	Text     string   `json:"text"`               // at most 4 KiB
}

// PhaseReport is one phase of a Report.
type PhaseReport struct {
	Name     Phase     `json:"name"`
	Start    time.Time `json:"start"`     // UTC
	Offset   Duration  `json:"offset_us"` // since the start
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
	Offset   Duration `json:"offset_us"` // since the start
	Duration Duration `json:"duration_us"`
	Note     string   `json:"note,omitempty"`

	Kind    HolderKind `json:"kind,omitempty"`
	State   string     `json:"state,omitempty"`
	Culprit bool       `json:"culprit,omitempty"` // or what it is a part of
	Open    bool       `json:"open,omitempty"`    // it still holds
	// More counts the holders that this bar stands for, which have none of
	// their own; it lasts from the first of them to the last, and comes last.
	More int `json:"more,omitempty"`
	// Stack is the place in Report.Stacks, from 1, of where it was; 0: none.
	Stack int   `json:"stack,omitempty"`
	Bars  []Bar `json:"bars,omitempty"`
}

// SpanCount is what became of a shutdown's spans.
type SpanCount struct {
	Sent int `json:"sent"`
	// Spooled counts those that are kept for the next start.
	Spooled int            `json:"spooled,omitempty"`
	Lost    map[string]int `json:"lost,omitempty"` // by reason
	// Pending counts those of which nothing was known yet when time was up: the
	// process may have ended before they were sent.
	Pending int `json:"pending,omitempty"`
	// Summarised counts the holders that share a summary span.
	Summarised int `json:"summarised,omitempty"`
}

// sign says whose report it is.
func (c *core) sign(r *Report, id trace.TraceID) {
	r.Service, r.ServiceVersion = c.out.ServiceName(), c.out.ServiceVersion()
	r.TraceID = id.String()
}

// WriteJSON writes the report as indented JSON, with a newline at its end.
func (r *Report) WriteJSON(w io.Writer) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// report makes a Report of a timeline. start is the wall clock at the start.
func (tl *timeline) report(views []phaseView, start time.Time) *Report {
	r := &Report{
		Version: 1, Call: tl.call(), Start: start, Duration: whole(tl.fromStart(min(tl.over(), tl.now))),
		Outcome: tl.outcome(views), Verdict: tl.verdict(views), RPCsCut: tl.cutRPCs(true),
		Outlived: tl.outlived(), GRPC: tl.grpcVersion, Clients: tl.clientsReport(),
		Notes: tl.notes(views),
	}
	stacks, places := tl.stacks()
	r.Stacks = stacks
	for i := range views {
		v := &views[i]
		linkStacks(v.holders, stacks, places)
		end := min(v.end, tl.now)
		p := PhaseReport{
			Name: v.phase, Offset: whole(tl.fromStart(v.start)),
			Start:       start.Add(tl.fromStart(v.start).Truncate(tick)),
			Duration:    whole(tl.fromStart(end)) - whole(tl.fromStart(v.start)),
			Open:        v.end == never || tl.leftOpen(views, i),
			LeftAtStart: tl.left(v.start), LeftAtEnd: tl.left(end),
			ReleasedBy: v.released, Gap: whole(v.gap), Bars: shifted(bars(v.holders), whole(tl.lead)),
		}
		if st := tl.stepAt(v.phaseLine); st != nil {
			p.LeftAtStart, p.LeftAtEnd = st.left[0], st.left[1]
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
	if !h.part && h.Kind != HolderRPC {
		if h.Peer != "" {
			words = append(words, "peer "+h.Peer)
		} else if n := h.numbered(); n != "" {
			words = append(words, n)
		}
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
