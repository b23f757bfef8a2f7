// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
	"github.com/gracetrace/gracetrace/tracer"
)

// Printed compares a finished trace with the report that the process itself has
// printed.
func Printed(tree *timeline.Tree, r *tracer.Report) []string {
	var f findings
	roots := tree.Find(Root)
	if len(roots) != 1 {
		f.addf("%d roots", len(roots))
		return f
	}
	root := roots[0]
	if got := root.Attributes["shutdown.verdict"]; got != r.Verdict {
		f.addf("verdict in Jaeger and printed:\n%v\n%s", got, r.Verdict)
	}
	if got := root.Attributes["shutdown.outcome"]; got != string(r.Outcome) {
		f.addf("outcome in Jaeger %v, printed %s", got, r.Outcome)
	}
	if len(root.Children) != len(r.Phases) {
		f.addf("%d phases in Jaeger, %d printed", len(root.Children), len(r.Phases))
		return f
	}
	for i := range r.Phases {
		f.phase(root.Children[i], &r.Phases[i])
	}
	return f
}

func (f *findings) phase(n *timeline.Node, p *tracer.PhaseReport) {
	if n.Name != string(p.Name) {
		f.addf("phase %q in Jaeger, %q printed", n.Name, p.Name)
		return
	}
	if d := n.Duration() - time.Duration(p.Duration).Microseconds(); d < -ticks || d > 2 {
		f.addf("%q took %d µs in Jaeger, %s printed", n.Name, n.Duration(), p.Duration)
	}
	if p.Culprit == nil {
		return
	}
	blamed := Blamed(n)
	if blamed == nil {
		f.addf("%q: no span of the culprit %+v", n.Name, *p.Culprit)
		return
	}
	kind, method := blamed.Attributes["shutdown.holder.kind"], blamed.Attributes["rpc.method"]
	if method == nil {
		method = ""
	}
	if kind != string(p.Culprit.Kind) || method != p.Culprit.Method || Peer(blamed) != p.Culprit.Peer {
		f.addf("%q: %v %v from %q is blamed in Jaeger, %s %s from %q printed", n.Name, kind, method,
			Peer(blamed), p.Culprit.Kind, p.Culprit.Method, p.Culprit.Peer)
	}
}

// Peer is the other end of a holder's connection, as host:port, empty if it has
// none.
func Peer(n *timeline.Node) string {
	host, _ := n.Attributes["network.peer.address"].(string)
	port, ok := n.Attributes["network.peer.port"].(int64)
	if !ok {
		return host
	}
	return net.JoinHostPort(host, strconv.FormatInt(port, 10))
}

// Same compares a report that was read from a trace with the one that the process
// itself has printed. It returns the difference, empty if there is none: spans are
// drawn ticks apart, holders that start together and stacks have no order in a
// trace, the link to the trace and the count of what was sent are the process's
// own, and the culprits' spans the trace's. A phase's span has left before it is
// known whether a local peer is this process itself.
func Same(printed, read *tracer.Report) string {
	limit := ticks * time.Microsecond
	return gocmp.Diff(ordered(printed), ordered(read),
		gocmp.Comparer(func(a, b tracer.Duration) bool { return time.Duration(a-b).Abs() <= limit }),
		gocmp.Comparer(func(a, b string) bool { return settled(a) == settled(b) }),
		gocmp.Comparer(func(a, b time.Time) bool { return a.Sub(b).Abs() <= limit }),
		cmpopts.IgnoreFields(tracer.Report{}, "Spans", "JaegerURL"),
		cmpopts.IgnoreFields(tracer.Holder{}, "SpanID"),
		cmpopts.EquateEmpty(),
		cmpopts.SortSlices(func(a, b tracer.Bar) bool { return a.Name+a.Note < b.Name+b.Note }))
}

func settled(text string) string {
	return strings.ReplaceAll(text, "local proxy or same process", "same process")
}

// ordered is the report with its stacks, and its members', in the order of their
// texts.
func ordered(r *tracer.Report) *tracer.Report {
	c := *r
	order := make([]int, len(r.Stacks))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := r.Stacks[a], r.Stacks[b]
		return cmp.Or(cmp.Compare(x.Method, y.Method), cmp.Compare(x.Text, y.Text),
			cmp.Compare(x.Offset, y.Offset))
	})
	place := make([]int, len(order)+1) // of a stack, counted from 1
	c.Stacks = nil
	for at, i := range order {
		c.Stacks, place[i+1] = append(c.Stacks, r.Stacks[i]), at+1
	}
	c.Phases = slices.Clone(r.Phases)
	for i := range c.Phases {
		c.Phases[i].Bars = renumbered(c.Phases[i].Bars, place)
	}
	c.Members = nil
	for _, m := range r.Members {
		c.Members = append(c.Members, ordered(m))
	}
	return &c
}

func renumbered(bars []tracer.Bar, place []int) []tracer.Bar {
	bars = slices.Clone(bars)
	for i := range bars {
		bars[i].Stack = place[bars[i].Stack]
		bars[i].Bars = renumbered(bars[i].Bars, place)
	}
	return bars
}
