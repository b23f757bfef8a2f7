// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// What a page shows at most of what a Report may have any number of, and of
// texts, in bytes once they are escaped.
const (
	maxPageStacks, maxStackText      = 32, 4500
	maxPageNotes, maxNoteText        = 24, 1200
	maxPageCheckpoints, maxSoFarText = 100, 600
	maxVerdictText, maxWord          = 6000, 200
)

// htmlPage is a Report as html/page.html shows it.
type htmlPage struct {
	Title, Service, Verdict string
	Outcome, OutcomeText    string
	JaegerURL               string
	HasCulprit              bool
	Facts                   []htmlFact
	Clients                 []string
	Notes                   []htmlNote
	Total                   int64 // µs
	Ticks                   []htmlTick
	Rows                    []htmlRow
	Phases                  []htmlPhase
	Members                 []htmlMember
	Checkpoints             []htmlCheckpoint
	Stacks                  []htmlStack
	// Missing say what of the Report the page has no room for.
	Missing []string
}

// htmlFact is a value with its label.
type htmlFact struct{ Label, Value string }

type htmlNote struct{ Kind, Text, Ref, Link string }

type htmlCheckpoint struct{ X, At, Phase, Left, Verdict string }

type htmlStack struct{ ID, Label, Where, Text string }

func newPage(r *Report) *htmlPage {
	total := pageTotal(r)
	took := Duration(onAxis(r.Duration))
	p := &htmlPage{
		Service: clipLine(cmp.Or(r.Service, "unknown service"), maxWord),
		Verdict: clipLine(cmp.Or(r.Verdict, "There is no verdict."), maxVerdictText),
		Outcome: r.Outcome.class(), OutcomeText: clipLine(cmp.Or(string(r.Outcome), "no outcome"), 40),
		JaegerURL: link(r.JaegerURL), Facts: r.facts(),
		Total: total.Microseconds(), Ticks: axis(total), Rows: timelineRows(r, total),
	}
	p.Title = fmt.Sprintf("%s: %s, %s", p.Service, p.OutcomeText, took)
	p.HasCulprit = slices.ContainsFunc(p.Rows, func(row htmlRow) bool { return row.ID != "" })
	for _, line := range r.allClients() {
		p.Clients = append(p.Clients, clipLine(line, maxNoteText))
	}
	p.addNotes(r)
	p.addCheckpoints(r, total)
	p.addStacks(r)
	if len(r.each()) > 0 {
		p.addMembers(r)
		return p
	}
	for i := range r.Phases[:min(len(r.Phases), maxPhases)] {
		p.Phases = append(p.Phases, r.Phases[i].page())
	}
	p.missing(len(r.Phases)-len(p.Phases), "phase")
	return p
}

// pageTotal is the length of the axis: the shutdown's, and of what a file may
// say goes on after it.
func pageTotal(r *Report) time.Duration {
	total := max(tick, onAxis(r.Duration), min(groupTotal(r), maxTime))
	for i := range r.Phases {
		total = max(total, onAxis(r.Phases[i].Offset)+onAxis(r.Phases[i].Duration))
	}
	return min(total, maxTime)
}

// class is how an outcome looks; empty: there is no such one.
func (o Outcome) class() string {
	switch o {
	case OutcomeGraceful, OutcomeForced, OutcomeRunning, OutcomeKilled:
		return string(o)
	}
	return ""
}

// facts is what there is to know besides the verdict.
func (r *Report) facts() []htmlFact {
	duration := Duration(onAxis(r.Duration)).String()
	switch r.Outcome {
	case OutcomeRunning:
		duration += " so far"
	case OutcomeKilled:
		duration += " known of"
	}
	call := clipLine(r.Call, maxWord)
	if call == "" && len(r.Phases) > 0 {
		call = "not announced"
	}
	facts := []htmlFact{{Label: "Duration", Value: duration}}
	add := func(label, value string) {
		if value != "" {
			facts = append(facts, htmlFact{Label: label, Value: clipLine(value, maxWord)})
		}
	}
	if !r.Start.IsZero() {
		add("Start", r.Start.UTC().Format("2006-01-02 15:04:05.000 MST"))
	}
	add("Members", ofGroup(r))
	add("Call", call)
	add("grpc-go", r.GRPC)
	add("Trace", r.TraceID)
	if s := r.Spans; s.Sent > 0 || s.Spooled > 0 || s.Pending > 0 || len(s.Lost) > 0 {
		add("Spans", s.words())
	}
	return facts
}

func (s *SpanCount) words() string {
	words := []string{fmt.Sprintf("%d sent", s.Sent)}
	if s.Spooled > 0 {
		words = append(words, fmt.Sprintf("%d in the spool", s.Spooled))
	}
	if s.Pending > 0 {
		words = append(words, fmt.Sprintf("%d pending", s.Pending))
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Lost)) {
		words = append(words, fmt.Sprintf("%d lost (%s)", s.Lost[reason], reason))
	}
	if s.Summarised > 0 {
		words = append(words, fmt.Sprintf("%d holders summarised", s.Summarised))
	}
	return strings.Join(words, ", ")
}

func (p *htmlPage) addNotes(r *Report) {
	notes := r.allNotes()
	for i := range notes[:min(len(notes), maxPageNotes)] {
		n := &notes[i].what
		p.Notes = append(p.Notes, htmlNote{
			Kind: clipLine(n.Kind, 40), Text: clipLine(notes[i].words(n.Text), maxNoteText),
			Ref: clipLine(n.Ref, maxWord), Link: link(n.Ref),
		})
	}
	p.missing(len(notes)-len(p.Notes), "note")
}

func (p *htmlPage) addCheckpoints(r *Report, total time.Duration) {
	told := r.allCheckpoints()
	for i := range told[:min(len(told), maxPageCheckpoints)] {
		c := &told[i].what
		at := onAxis(c.Offset)
		p.Checkpoints = append(p.Checkpoints, htmlCheckpoint{
			X: percent(at, total), At: Duration(at).String(), Phase: clipLine(string(c.Phase), 40),
			Verdict: clipLine(told[i].words(c.Verdict), maxSoFarText),
		})
		if c.Phase != "" { // else a group's, which counts nothing
			p.Checkpoints[i].Left = c.Left.words()
		}
	}
	p.missing(len(told)-len(p.Checkpoints), "checkpoint")
}

func (p *htmlPage) addStacks(r *Report) {
	stacks := r.allStacks()
	for i := range stacks[:min(len(stacks), maxPageStacks)] {
		s := &stacks[i].what
		handlers := max(1, s.Handlers)
		p.Stacks = append(p.Stacks, htmlStack{
			ID:    fmt.Sprintf("stack-%d", i+1),
			Label: clipLine(stacks[i].words(cmp.Or(s.Method, "user hook")), maxWord),
			Where: clipLine(amount(handlers, "goroutine")+s.place()+s.taken(), maxRowNote),
			Text:  clipLines(s.Text, maxStackText),
		})
	}
	p.missing(len(stacks)-len(p.Stacks), "stack")
}

func (s *Stack) place() string {
	switch {
	case s.Function == "":
		return ""
	case s.Source == "":
		return " in " + s.Function
	}
	return " in " + s.Function + " at " + s.Source
}

// taken says when, if the report tells it.
func (s *Stack) taken() string {
	if s.Offset <= 0 {
		return ""
	}
	return ", taken at " + Duration(onAxis(s.Offset)).String()
}

func (p *htmlPage) missing(n int, what string) {
	if n > 0 {
		p.Missing = append(p.Missing, fmt.Sprintf("%d more %s", n, plural(n, what)))
	}
}

// words counts what is left.
func (n Left) words() string {
	var words []string
	words = counted(words, n.Handshakes, "handshake")
	words = counted(words, n.Connections, "connection")
	words = counted(words, n.RPCs, "RPC")
	if words = counted(words, n.Handlers, "handler"); len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}
