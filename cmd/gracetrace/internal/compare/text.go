// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/column"
	"github.com/gracetrace/gracetrace/tracer"
)

const (
	textWidth  = 80
	nameColumn = 16
	maxName    = 40 // of a group's member and its phase
	timeColumn = 8
)

// WriteText writes what changed, then all phases side by side and both verdicts.
func (c *Comparison) WriteText(w io.Writer) error {
	var b strings.Builder
	hang(&b, "A: ", c.A.line())
	hang(&b, "B: ", c.B.line())
	b.WriteByte('\n')
	hang(&b, "", c.summary())
	for _, change := range c.Changes {
		hang(&b, "- ", change.Text)
	}
	b.WriteByte('\n')
	c.table(&b)
	b.WriteByte('\n')
	hang(&b, "verdict A: ", c.A.Verdict)
	hang(&b, "verdict B: ", c.B.Verdict)
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteJSON writes the comparison as indented JSON.
func (c *Comparison) WriteJSON(w io.Writer) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("comparison: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

func (s *Side) line() string {
	line := fmt.Sprintf("%s, %s, %s, %s", s.Service, s.Start.UTC().Format("2006-01-02 15:04:05 MST"),
		s.Outcome, s.Duration)
	if s.TraceID != "" {
		line += ", trace " + s.TraceID
	}
	return line
}

func (c *Comparison) summary() string {
	a, b := c.A.Duration, c.B.Duration
	switch {
	case isNoise(a, b) && len(c.Changes) == 0:
		return fmt.Sprintf("No relevant difference: B took %s, A %s.", b, a)
	case isNoise(a, b):
		return fmt.Sprintf("B took as long as A, %s and %s, but:", b, a)
	case b > a:
		return fmt.Sprintf("B is slower: it took %s, %s longer than A's %s.", b, b-a, a)
	}
	return fmt.Sprintf("B is faster: it took %s, %s less than A's %s.", b, a-b, a)
}

// table marks with a ~ the differences that are noise.
func (c *Comparison) table(b *strings.Builder) {
	width := nameColumn
	for i := range c.Phases {
		width = max(width, min(column.Width(c.Phases[i].label()), maxName))
	}
	row := func(name string, cells ...string) {
		fmt.Fprintf(b, "%s%s", name, strings.Repeat(" ", max(0, width-column.Width(name))))
		for _, cell := range cells {
			b.WriteString("  " + column.PadLeft(cell, timeColumn))
		}
		b.WriteByte('\n')
	}
	row("phase", "A", "B", "B - A")
	for i := range c.Phases {
		p := &c.Phases[i]
		row(column.CutMiddle(p.label(), width), cell(p.A), cell(p.B),
			difference(p.Difference, p.Noise))
	}
	row("all", c.A.Duration.String(), c.B.Duration.String(),
		difference(c.Difference, isNoise(c.A.Duration, c.B.Duration)))
	hang(b, "~ ", fmt.Sprintf("is noise: a difference of at most %s or %d %% of the longer.",
		tracer.Duration(NoiseFloor), NoisePercent))
}

func cell(d *tracer.Duration) string {
	if d == nil {
		return "-"
	}
	return d.String()
}

func difference(d tracer.Duration, noise bool) string {
	switch {
	case noise:
		return "~"
	case time.Duration(d) > 0:
		return "+" + d.String()
	}
	return d.String()
}

// hang writes a text behind its heading, on as many lines as it takes.
func hang(b *strings.Builder, heading, text string) {
	indent := strings.Repeat(" ", len(heading))
	for _, line := range column.Wrap(text, textWidth-len(heading)) {
		b.WriteString(heading + line + "\n")
		heading = indent
	}
}
