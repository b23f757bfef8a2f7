// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"strings"
	"unicode/utf8"
)

// maxRead bounds, in bytes, each text of a report that was read.
const maxRead = 16 << 10

// scrubbed makes a text that was read safe to show, and leaves one of ours as
// it is.
func scrubbed[S ~string](s S) S {
	if len(s) > maxRead {
		cut := maxRead - len("…")
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	out := printable(string(s))
	if len(out) > maxRead { // each byte may have become three
		return scrubbed(S(out))
	}
	return S(out)
}

func scrub[S ~string](texts ...*S) {
	for _, s := range texts {
		*s = scrubbed(*s)
	}
}

// scrub makes all texts of a report that was read safe to show.
func (r *Report) scrub() {
	scrub(&r.Service, &r.ServiceVersion, &r.TraceID, &r.JaegerURL, &r.Call, &r.Verdict, &r.GRPC)
	scrub(&r.Outcome)
	r.RPCsCut, r.Outlived = scrubbedKeys(r.RPCsCut), scrubbedKeys(r.Outlived)
	r.Spans.Lost = scrubbedKeys(r.Spans.Lost)
	for i := range r.Notes {
		scrub(&r.Notes[i].Kind, &r.Notes[i].Text, &r.Notes[i].Ref)
	}
	for i := range r.Phases {
		p := &r.Phases[i]
		scrub(&p.Name)
		scrub(&p.ReleasedBy)
		if p.Culprit != nil {
			p.Culprit.scrub()
		}
		scrubBars(p.Bars, len(r.Stacks))
	}
	for i := range r.Checkpoints {
		scrub(&r.Checkpoints[i].Phase)
		scrub(&r.Checkpoints[i].Verdict)
	}
	for i := range r.Stacks {
		s := &r.Stacks[i]
		scrub(&s.Method, &s.Function, &s.Source)
		s.Text = scrubbedFrames(s.Text)
	}
	r.scrubMembers()
}

// scrubMembers makes those of a group safe, too. There is nothing below them.
func (r *Report) scrubMembers() {
	if r.Member != nil {
		scrub(&r.Member.Name, &r.Member.Kind, &r.Member.Error)
		for i := range r.Member.After {
			scrub(&r.Member.After[i])
		}
	}
	if r.Members = r.each(); len(r.Members) == 0 {
		r.Members = nil
	}
	for _, m := range r.Members {
		m.Members = nil
		if m.Member == nil {
			m.Member = &MemberReport{}
		}
		m.scrub()
	}
}

// scrubbedFrames keeps lines and their indents, which printable would not.
func scrubbedFrames(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line, indented := strings.CutPrefix(line, "\t")
		if lines[i] = printable(line); indented {
			lines[i] = "\t" + lines[i]
		}
	}
	text = strings.Join(lines, "\n")
	cut := min(len(text), maxRead)
	for cut > 0 && cut < len(text) && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}

func (h *Holder) scrub() {
	scrub(&h.Kind)
	scrub(&h.State)
	scrub(&h.Method, &h.Original, &h.Name, &h.Peer, &h.UserAgent, &h.Listener, &h.Detail, &h.Client,
		&h.Local, &h.Transport, &h.Function, &h.Source, &h.SpanID)
}

func scrubBars(bars []Bar, stacks int) {
	for i := range bars {
		b := &bars[i]
		scrub(&b.Name, &b.Note)
		scrub(&b.Kind)
		scrub(&b.State)
		if b.Stack < 0 || b.Stack > stacks {
			b.Stack = 0
		}
		scrubBars(b.Bars, stacks)
	}
}

func scrubbedKeys(counts map[string]int) map[string]int {
	if counts == nil {
		return nil
	}
	out := make(map[string]int, len(counts))
	for key, n := range counts {
		out[scrubbed(key)] += n
	}
	return out
}
