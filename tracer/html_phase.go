// SPDX-License-Identifier: Apache-2.0

package tracer

import "strings"

// htmlPhase is a row of the table of phases.
type htmlPhase struct {
	Name, At, Took, Released, Gap, Culprit string
	Left                                   [4]htmlLeft
}

// htmlLeft is how many were left of one kind at a phase's start and end.
type htmlLeft struct{ Start, End int }

// page is the phase's row in the table.
func (p *PhaseReport) page() htmlPhase {
	from, to := p.LeftAtStart, p.LeftAtEnd
	row := htmlPhase{
		Name: clipLine(string(p.Name), maxRowName), At: Duration(onAxis(p.Offset)).String(),
		Took: Duration(onAxis(p.Duration)).String(), Released: clipLine(p.ReleasedBy, maxRowNote),
		Left: [4]htmlLeft{
			{from.Handshakes, to.Handshakes}, {from.Connections, to.Connections},
			{from.RPCs, to.RPCs}, {from.Handlers, to.Handlers},
		},
	}
	if p.ReleasedBy != "" {
		row.Gap = Duration(onAxis(p.Gap)).String()
	}
	if p.Culprit != nil {
		row.Culprit = clipLine(p.Culprit.words(), maxRowNote)
	}
	return row
}

// words names a holder in one line.
func (h *Holder) words() string {
	var words strings.Builder
	words.WriteString(string(h.Kind))
	add := func(before, text string) {
		if text != "" {
			words.WriteString(before + text)
		}
	}
	add(" ", h.Method)
	if h.Kind == HolderListener {
		add(" ", h.Listener)
	}
	add(" from ", h.Peer)
	add(" from ", h.numbered())
	add(", ", h.Detail)
	if !strings.Contains(h.Detail, h.Source) {
		add(", at ", h.Source)
	}
	return words.String()
}

// pageNote is what stands behind a phase's name: what it began with, what of it
// was left, and who let go last.
func (p *PhaseReport) pageNote(outcome Outcome) string {
	note := phaseNote(p, outcome)
	if p.ReleasedBy != "" {
		note = strings.TrimPrefix(note+", released by "+p.ReleasedBy, ", ")
	}
	return note
}
