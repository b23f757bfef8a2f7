// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/gracetrace/gracetrace/internal/column"
	"github.com/gracetrace/gracetrace/internal/legible"
	"github.com/gracetrace/gracetrace/tracer"
)

const (
	textWidth  = 80
	nameColumn = 40 // of a phase and of a culprit
	cellColumn = 10
	timeFormat = "2006-01-02 15:04:05"
)

// Order is that of the culprits in a text.
type Order string

// The orders.
const (
	ByTimeHeld Order = "held"
	ByCount    Order = "count"
)

// TextOptions are what a text shows.
type TextOptions struct {
	Top  int   // how many culprits
	Sort Order // the greatest first
}

// WriteText writes tables of at most 80 columns; links are as long as they are.
func (r *Result) WriteText(w io.Writer, opts TextOptions) error {
	var b strings.Builder
	r.head(&b)
	if r.Counts.All > 0 {
		r.phaseTable(&b)
		r.culpritTable(&b, opts)
		r.versionTable(&b)
	}
	if r.Over != nil {
		b.WriteByte('\n')
		r.overLine(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Result) head(b *strings.Builder) {
	who := cmp.Or(legible.Printable(r.Service), "all services")
	if r.Only != "" {
		who += " " + r.Only
	}
	c := r.Counts
	hang(b, "", fmt.Sprintf("%s: %s from %s to %s UTC", who, amount(c.All, "shutdown"),
		r.From.Format(timeFormat), cmp.Or(r.shown, r.To).Format(timeFormat)))
	if c.All > 0 {
		line := fmt.Sprintf("%s graceful, %s forced, %s killed, %s still running",
			grouped(c.Graceful), grouped(c.Forced), grouped(c.Killed), grouped(c.Running))
		if c.Unknown > 0 {
			line += fmt.Sprintf(", %s with an outcome that is not known", grouped(c.Unknown))
		}
		if c.RPCsCut > 0 {
			line += "; " + amount(c.RPCsCut, "RPC") + " cut"
		}
		hang(b, "", line)
	}
	for _, text := range r.Incomplete {
		hang(b, "INCOMPLETE: ", text)
	}
	for _, text := range r.Notes {
		hang(b, "note: ", text)
	}
}

// row writes a line of a table.
func row(b *strings.Builder, name string, cells ...string) {
	name = column.CutMiddle(name, nameColumn)
	b.WriteString(name + strings.Repeat(" ", nameColumn-column.Width(name)))
	width := min(cellColumn, (textWidth-nameColumn)/len(cells))
	for _, cell := range cells {
		b.WriteString(column.PadLeft(cell, width))
	}
	b.WriteByte('\n')
}

func (r *Result) phaseTable(b *strings.Builder) {
	b.WriteByte('\n')
	row(b, "phase", "stops", "p50", "p95", "max")
	for _, p := range append([]Phase{{Name: "all", Times: r.Duration}}, r.Phases...) {
		row(b, p.Name, append([]string{grouped(p.Shutdowns)}, p.cells()...)...)
	}
	if n := r.Duration.Open; n > 0 {
		hang(b, "", fmt.Sprintf("Of %s the end is not known: they took at least so long.", grouped(n)))
	}
}

// cells are p50, p95 and max of a table: nothing is not 0.
func (t *Times) cells() []string {
	if t.Shutdowns == 0 {
		return []string{"-", "-", "-"}
	}
	return []string{t.P50.String(), t.P95.String(), t.Max.String()}
}

func (r *Result) culpritTable(b *strings.Builder, opts TextOptions) {
	b.WriteByte('\n')
	if len(r.Culprits) == 0 {
		hang(b, "", "Nothing was seen to hold any of them.")
		return
	}
	list := slices.Clone(r.Culprits)
	title := "culprits by time held"
	if opts.Sort == ByCount {
		title = "culprits by count"
		slices.SortStableFunc(list, func(a, b Culprit) int { return cmp.Compare(b.Shutdowns, a.Shutdowns) })
	}
	row(b, title, "stops", "held", "longest")
	shown := list[:min(len(list), opts.Top)]
	for i := range shown {
		shown[i].write(b)
	}
	var rest Others
	if r.Others != nil {
		rest = *r.Others
	}
	for i := range list[len(shown):] {
		c := &list[len(shown)+i]
		rest.Culprits, rest.Held = rest.Culprits+1, plus(rest.Held, c.Held)
		rest.Shutdowns += c.Shutdowns
	}
	if rest.Culprits == 0 {
		return
	}
	row(b, grouped(rest.Culprits)+" more", grouped(rest.Shutdowns), rest.Held.String())
	var held tracer.Duration
	for i := range shown {
		held = plus(held, shown[i].Held)
	}
	if rest.Held > held && slices.ContainsFunc(shown, func(c Culprit) bool { return c.Client != "" }) {
		hang(b, "", "Most of it was held by these. To add up all clients: --by kind,state,method.")
	}
}

func (c *Culprit) write(b *strings.Builder) {
	row(b, c.name(), grouped(c.Shutdowns), c.Held.String(), c.Max.String())
	const indent = "    "
	where := "in " + strings.Join(c.Phases, ", ")
	if c.Client != "" {
		where = "client " + c.Client + ", " + where
	}
	hang(b, indent, where)
	b.WriteString(indent + c.Worst.URL + "\n")
}

// name is the culprit but its client. Where it is too long it goes without the
// package of its method, as in a report's timeline: the link has it.
func (c *Culprit) name() string {
	name := func(method string) string {
		s := strings.TrimSpace(c.Kind + " " + method)
		if s != "" && c.State != "" {
			s += ", "
		}
		return cmp.Or(s+c.State, "any")
	}
	if whole := name(c.Method); column.Width(whole) <= nameColumn {
		return whole
	}
	service, method, _ := strings.Cut(c.Method, "/")
	if method == "" {
		return name(c.Method)
	}
	return name(service[strings.LastIndex(service, ".")+1:] + "/" + method)
}

func (r *Result) versionTable(b *strings.Builder) {
	if len(r.Versions) == 1 && r.Versions[0].Name == "" {
		return // nobody says it
	}
	b.WriteByte('\n')
	const name, cell = 24, 9
	line := func(first string, cells ...string) {
		first = column.CutMiddle(first, name)
		b.WriteString(first + strings.Repeat(" ", name-column.Width(first)))
		for _, c := range cells {
			b.WriteString(column.PadLeft(c, cell))
		}
		b.WriteByte('\n')
	}
	line("version", "stops", "forced", "killed", "p50", "p95", "max")
	for i := range r.Versions {
		v := &r.Versions[i]
		line(cmp.Or(v.Name, "(none)"), append([]string{grouped(v.All), grouped(v.Forced),
			grouped(v.Killed)}, v.Duration.cells()...)...)
	}
}

// overLine says what --fail-over found.
func (r *Result) overLine(b *strings.Builder) {
	o := r.Over
	if o.Shutdowns == 0 {
		hang(b, "", fmt.Sprintf("None was forced, killed, or took longer than %s.", o.Limit))
		return
	}
	hang(b, "", o.Text())
	b.WriteString(o.Worst.URL + "\n")
}

// Text says how many broke the limit.
func (o *Over) Text() string {
	return fmt.Sprintf("%s over the limit: %s forced, %s killed, %s of the rest longer than %s",
		amount(o.Shutdowns, "shutdown"), grouped(o.Forced), grouped(o.Killed), grouped(o.Longer), o.Limit)
}

func amount(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return grouped(n) + " " + what
}

// grouped is a number with a comma at each thousand.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// hang writes a text behind its heading, on as many lines as it takes.
func hang(b *strings.Builder, heading, text string) {
	indent := strings.Repeat(" ", len(heading))
	for _, line := range column.Wrap(text, textWidth-len(heading)) {
		b.WriteString(heading + line + "\n")
		heading = indent
	}
}
