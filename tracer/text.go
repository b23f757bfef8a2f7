// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/column"
)

// textWidth is what every terminal has, in columns. No line is wider.
const textWidth = 80

// WriteText writes the report as a timeline with bars and below it the verdict,
// then what clients met, notes, what the checkpoints told and where handlers
// were, as far as there is something to tell. Of a group the timeline has a bar for
// each member, and what belongs to a member has its name before it. No line is wider
// than 80 columns. If w is a terminal it is coloured, unless NO_COLOR is set or TERM is dumb.
func (r *Report) WriteText(w io.Writer) error {
	t := &textReport{paint: painter(colourful(w))}
	t.timeline(r)
	t.b.WriteByte('\n')
	t.section("verdict", r.Verdict)
	t.section("members", memberLines(r)...)
	t.section("clients", r.allClients()...)
	t.section("notes", namedNotes(r.allNotes())...)
	t.section("story", storyLines(r)...)
	t.section("stacks", stackLines(r.allStacks())...)
	t.section("spans", lostLines(r.Spans)...)
	_, err := io.WriteString(w, t.b.String())
	return err
}

// textReport is a text in the making.
type textReport struct {
	b     strings.Builder
	paint painter
	total time.Duration
	label int // the width of the timeline's first column
}

// headingColumn is the width of a section's heading; its text hangs behind it.
const headingColumn = len("verdict: ")

// section writes a heading and behind it its items, each on lines of its own.
func (t *textReport) section(heading string, items ...string) {
	gap := strings.Repeat(" ", headingColumn-len(heading)-1)
	first := t.paint.do(styleHeading, heading+":") + gap
	hang := "  "
	if len(items) == 1 { // there is no next item to be told from
		hang = ""
	}
	for _, item := range items {
		words, address := cutAddress(shown(item), textWidth-headingColumn-len(hang))
		for i, line := range column.Wrap(words, textWidth-headingColumn-len(hang)) {
			if i > 0 {
				line = hang + line
			}
			t.b.WriteString(first + line + "\n")
			first = strings.Repeat(" ", headingColumn)
		}
		if address != "" {
			t.b.WriteString(column.PadLeft(address, textWidth) + "\n")
		}
	}
}

// cutAddress cuts an address off the end of a text that does not fit into the
// room, but on a line of its own: shortened it would lead nowhere.
func cutAddress(s string, room int) (words, address string) {
	at := strings.LastIndex(s, " (https://")
	if at < 0 {
		return s, ""
	}
	n := column.Width(s[at+1:])
	if strings.ContainsAny(s[at+1:], " \t") || n <= room || n > textWidth {
		return s, ""
	}
	return s[:at], s[at+1:]
}

// notToldWithin is how close to the listeners' close a connection was accepted
// whose client had not heard of the shutdown.
const notToldWithin = Duration(time.Second)

// clientLines are what the shutdown did to clients.
func clientLines(r *Report) (lines []string) {
	c := &r.Clients
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if n := cutTotal(r.RPCsCut); n > 0 {
		say("%s cut: %s", amount(n, "RPC"), cutCounts(r.RPCsCut))
	}
	if c.Refused > 0 {
		say("%s refused in the network namespace after the call", amount(c.Refused, "connection"))
	}
	if n := c.LateConnections; n > 0 && c.Unserved > 0 {
		say("%s accepted after the call, %d of them closed unserved", amount(n, "connection"), c.Unserved)
	} else if n > 0 {
		say("%s accepted after the call", amount(n, "connection"))
	} else if c.Unserved > 0 {
		say("%s closed unserved", amount(c.Unserved, "connection"))
	}
	if n := c.HandshakesClosed; n > 0 {
		say("%s never finished %s handshake, closed by us", amount(n, "connection"), owner(n))
	}
	if c.Arrived > 0 {
		say("%s accepted during the lame duck, the last %s after its start",
			amount(c.Arrived, "connection"), c.LastArrival)
		if c.LameDuck > 0 {
			lines[len(lines)-1] += fmt.Sprintf(": %s would be enough", c.LameDuck)
		}
	}
	if c.LateStreams > 0 {
		say("%s opened after the call", amount(c.LateStreams, "RPC"))
		if c.Window > 0 {
			lines[len(lines)-1] += fmt.Sprintf(", up to %s between a connection's GOAWAYs", c.Window)
		}
	}
	switch last := c.LastAccept; {
	case last == nil || *last >= notToldWithin:
	case *last < 0:
		say("the last connection was accepted %s after the listeners were closed", -*last)
	default:
		say("the last connection was accepted %s before the listeners were closed", *last)
	}
	return lines
}

func noteLines(notes []Note) (lines []string) {
	for _, n := range notes {
		line := n.Text
		if n.Kind != "" {
			line = n.Kind + ": " + line
		}
		if n.Ref != "" {
			line += " (" + n.Ref + ")"
		}
		lines = append(lines, line)
	}
	return lines
}

func namedNotes(notes []by[Note]) (lines []string) {
	for i := range notes {
		lines = append(lines, notes[i].words(noteLines([]Note{notes[i].what})[0]))
	}
	return lines
}

// stackLines leaves the frames to the other formats.
func stackLines(stacks []by[Stack]) (lines []string) {
	for i := range stacks {
		s, line := &stacks[i].what, ""
		if s.Offset > 0 {
			line = "at " + s.Offset.String() + ": "
		}
		if s.Method != "" {
			line += amount(s.Handlers, "handler") + " of " + s.Method
		} else {
			line += amount(s.Handlers, "goroutine")
		}
		if s.Function != "" {
			line += " in " + s.Function
		}
		if s.Source != "" {
			line += " at " + s.Source
		}
		lines = append(lines, stacks[i].words(line))
	}
	return lines
}

func lostLines(n SpanCount) []string {
	lost := cutTotal(n.Lost)
	sent := fmt.Sprintf("%d sent", n.Sent)
	if n.Spooled > 0 {
		sent += fmt.Sprintf(", %d in the spool", n.Spooled)
	}
	if n.Pending > 0 {
		sent += fmt.Sprintf(", %d pending", n.Pending)
	}
	switch {
	case lost == 0 && n.Spooled == 0 && n.Pending == 0:
		return nil
	case lost == 0:
		return []string{sent}
	}
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(n.Lost)) {
		reasons = append(reasons, fmt.Sprintf("%d %s", n.Lost[reason], reason))
	}
	return []string{fmt.Sprintf("%s, %d lost (%s)", sent, lost, strings.Join(reasons, ", "))}
}

// amount is a number of things.
func amount(n int, what string) string { return fmt.Sprintf("%d %s", n, plural(n, what)) }

func plural(n int, what string) string {
	if n == 1 {
		return what
	}
	return what + "s"
}

func verb(n int, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}

func cutTotal(cut map[string]int) (n int) {
	for _, c := range cut {
		n += c
	}
	return n
}

// maxCutMethods bounds the methods that a line names.
const maxCutMethods = 3

// byCount are the methods, those first of which most RPCs were cut.
func byCount(cut map[string]int) []string {
	return slices.SortedFunc(maps.Keys(cut), func(a, b string) int {
		return cmp.Or(cmp.Compare(cut[b], cut[a]), cmp.Compare(a, b))
	})
}

// cutMethods names the methods of which most RPCs were cut.
func cutMethods(cut map[string]int) string {
	names := byCount(cut)
	s := strings.Join(names[:min(len(names), maxCutMethods)], ", ")
	if more := len(names) - maxCutMethods; more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

// cutCounts says how many RPCs of each method were cut.
func cutCounts(cut map[string]int) string {
	var words []string
	for _, m := range byCount(cut) {
		word := m
		if len(cut) > 1 {
			word = fmt.Sprintf("%d %s", cut[m], m)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// owner is the possessive of n things.
func owner(n int) string {
	if n == 1 {
		return "its"
	}
	return "their"
}
