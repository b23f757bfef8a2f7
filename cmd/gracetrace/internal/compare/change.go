// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

func (c *Comparison) outcome() {
	if c.A.Outcome != c.B.Outcome {
		c.Changes = append(c.Changes, Change{
			Kind: KindOutcome, Text: fmt.Sprintf("%s instead of %s", c.B.Outcome, c.A.Outcome),
		})
	}
}

// cut compares the RPCs that were cut, by method.
func (c *Comparison) cut(a, b *tracer.Report) {
	var words []string
	both := maps.Clone(a.RPCsCut)
	if both == nil {
		both = map[string]int{}
	}
	maps.Copy(both, b.RPCsCut)
	for _, m := range slices.Sorted(maps.Keys(both)) {
		if d := b.RPCsCut[m] - a.RPCsCut[m]; d != 0 {
			words = append(words, fmt.Sprintf("%+d %s", d, m))
		}
	}
	if len(words) > 0 {
		c.Changes = append(c.Changes, Change{Kind: KindCut, Text: fmt.Sprintf(
			"%s cut instead of %d: %s", amount(c.B.RPCsCut, "RPC"), c.A.RPCsCut,
			strings.Join(words, ", "))})
	}
}

func (c *Comparison) phase(p *Phase) {
	if p.below && p.A != nil && p.B != nil || p.Name != "" && c.onlyOneHas(p.Member) {
		return // the phases say it, or the member
	}
	change := Change{Member: p.Member, Phase: p.Name, Difference: p.Difference, A: p.culpritA, B: p.culpritB}
	who := held(p)
	long := min(value(p.A), value(p.B)) > tracer.Duration(NoiseFloor)
	switch {
	case !p.Noise && p.A == nil:
		change.Kind, change.Text = KindPhase, fmt.Sprintf("a %s of %s", p.label(), *p.B)
	case !p.Noise && p.B == nil:
		change.Kind, change.Text = KindPhase, fmt.Sprintf("no %s, it was %s", p.label(), *p.A)
	case !p.Noise:
		change.Kind, change.Text = KindPhase, fmt.Sprintf("%s took %s %s", p.label(),
			abs(p.Difference), longer(p.Difference))
	case long && name(p.culpritA) != name(p.culpritB):
		change.Kind, change.Text = KindCulprit, fmt.Sprintf("%s took as long", p.label())
	default:
		return
	}
	if who != "" {
		change.Text += ", " + who
	}
	c.Changes = append(c.Changes, change)
}

func longer(d tracer.Duration) string {
	if d < 0 {
		return "less"
	}
	return "longer"
}

// held says who held a phase, and who held it before.
func held(p *Phase) string {
	a, b := name(p.culpritA), name(p.culpritB)
	switch {
	case a == "" && b == "":
		return ""
	case a == b:
		return "held by " + b + " as before"
	case a == "":
		return "held by " + b
	case b == "":
		return "no longer held by " + a
	}
	return fmt.Sprintf("held by %s instead of %s", b, a)
}

// name is what of a holder is the same in the next shutdown: not its port.
func name(h *tracer.Holder) string {
	if h == nil {
		return ""
	}
	words := []string{string(h.Kind), h.Method, h.Original, h.Function}
	if h.Kind == tracer.HolderListener {
		words = append(words, h.Listener)
	}
	if h.State != "" {
		words = append(words, fmt.Sprintf("(%s)", h.State))
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// notTold is how close to the listeners' close an accepted connection's client
// had not been told.
const notTold = tracer.Duration(time.Second)

// clients compares what clients met, of a member if it has a name.
func (c *Comparison) clients(member string, a, b *tracer.Clients) {
	say := func(text string) {
		if member != "" {
			text = member + ": " + text
		}
		c.Changes = append(c.Changes, Change{Kind: KindClients, Member: member, Text: text})
	}
	for _, n := range []struct {
		a, b      int
		what, how string
	}{
		{a.Refused, b.Refused, "connection", "refused"},
		{a.LateConnections, b.LateConnections, "connection", "accepted after the call"},
		{a.Unserved, b.Unserved, "connection", "closed unserved"},
		{a.HandshakesClosed, b.HandshakesClosed, "connection", "closed in the handshake"},
		{a.LateStreams, b.LateStreams, "RPC", "opened after the call"},
	} {
		more, less := max(n.a, n.b), min(n.a, n.b)
		if more == less || less > 0 && more <= 2*less {
			continue
		}
		say(fmt.Sprintf("%s %s instead of %d", amount(n.b, n.what), n.how, n.a))
	}
	const still = "clients were still connecting when the listeners were closed"
	was, is := untold(a), untold(b)
	switch {
	case is && !was:
		say(still)
	case was && !is:
		say("no longer: " + still)
	}
}

func untold(c *tracer.Clients) bool { return c.LastAccept != nil && *c.LastAccept < notTold }

func amount(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
