// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"cmp"
	"net"
	"slices"
	"strings"

	"github.com/gracetrace/gracetrace/internal/legible"
	"github.com/gracetrace/gracetrace/tracer"
)

// Part is something that tells a culprit from others.
type Part string

// The parts of a culprit.
const (
	PartKind   Part = "kind"
	PartState  Part = "state"
	PartMethod Part = "method"
	PartClient Part = "client"
)

// AllParts are all of them.
func AllParts() []Part { return []Part{PartKind, PartState, PartMethod, PartClient} }

// Who is a culprit without what differs from one shutdown to the next.
type Who struct {
	Kind   string `json:"kind,omitempty"`
	State  string `json:"state,omitempty"`
	Method string `json:"method,omitempty"`
	Client string `json:"client,omitempty"`
}

// who is the culprit of a phase, by the parts that are asked for.
func who(h *tracer.Holder, by []Part) (w Who) {
	for _, part := range by {
		switch part {
		case PartKind:
			w.Kind = short(string(h.Kind))
		case PartState:
			w.State = short(h.State)
		case PartMethod:
			w.Method = short(cmp.Or(h.Method, h.Name))
		case PartClient:
			w.Client = short(client(h))
		}
	}
	return w
}

// client is who is behind the connection, as its requests say, or with what program or,
// of a connection that has said nothing, from where. The port is another each time.
func client(h *tracer.Holder) string {
	if s := cmp.Or(h.Client, h.UserAgent); s != "" {
		return s
	}
	if host, _, err := net.SplitHostPort(h.Peer); err == nil {
		return host
	}
	return h.Peer
}

func short(s string) string { return legible.Cut(s, maxName) }

// compare orders culprits that held for as long.
func (w Who) compare(o Who) int {
	return cmp.Or(strings.Compare(w.Kind, o.Kind), strings.Compare(w.State, o.State),
		strings.Compare(w.Method, o.Method), strings.Compare(w.Client, o.Client))
}

const (
	// maxGroups is how many culprits a result names.
	maxGroups = 500
	// maxPhases is how many names of phases are kept.
	maxPhases = 16
)

// group is a culprit in all shutdowns.
type group struct {
	Who
	shutdowns int
	held      tracer.Duration
	worst     Worst
	phases    []string
}

// groups are the culprits. Of more than twice maxGroups the least are forgotten, but
// counted.
type groups struct {
	all    map[Who]*group
	others Others
}

// share is what a culprit did in one shutdown.
type share struct {
	held   tracer.Duration
	worst  Worst
	phases []string
}

// add takes in the culprits of one shutdown.
func (g *groups) add(one map[Who]*share) {
	for w, s := range one {
		in := g.all[w]
		if in == nil {
			in = &group{Who: w}
			g.all[w] = in
		}
		in.shutdowns++
		in.held = plus(in.held, s.held)
		if s.worst.worse(&in.worst) {
			in.worst = s.worst
		}
		for _, p := range s.phases {
			in.phases = with(in.phases, p)
		}
	}
	if len(g.all) > 2*maxGroups {
		g.prune()
	}
}

// with adds a name to a sorted list, if there is room.
func with(list []string, name string) []string {
	at, found := slices.BinarySearch(list, name)
	if found || len(list) == maxPhases {
		return list
	}
	return slices.Insert(list, at, name)
}

// prune forgets those that held least.
func (g *groups) prune() {
	for i, in := range g.ranked() {
		if i < maxGroups {
			continue
		}
		g.others.Culprits++
		g.others.Shutdowns += in.shutdowns
		g.others.Held = plus(g.others.Held, in.held)
		delete(g.all, in.Who)
	}
}

// ranked are the culprits by the time they held, the longest first.
func (g *groups) ranked() []*group {
	list := make([]*group, 0, len(g.all))
	for _, in := range g.all {
		list = append(list, in)
	}
	slices.SortFunc(list, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.held, a.held), cmp.Compare(b.shutdowns, a.shutdowns),
			a.compare(b.Who))
	})
	return list
}

// plus does not overflow: durations are not negative.
func plus(a, b tracer.Duration) tracer.Duration {
	if sum := a + b; sum >= 0 {
		return sum
	}
	return maxDuration
}
