// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// maxStacks bounds the stacks of a Report.
const maxStacks = 50

// stackGroup is handlers that were in the same place.
type stackGroup struct {
	Stack
	held time.Duration // by the one that held longest
	rpcs []uint64      // whose handlers they are, if that is known
}

// stacks lists where the handlers were, and the user's own code that grpc ran:
// that first, then what held longest. places are those of RPCs' stacks in the
// list, from 1.
func (tl *timeline) stacks() (list []Stack, places map[uint64]int) {
	groups := append(tl.hookStacks(), tl.looseStacks()...)
	groups = append(groups, tl.rpcStacks()...)
	slices.SortStableFunc(groups, func(a, b stackGroup) int {
		return cmp.Or(cmp.Compare(b.held, a.held), strings.Compare(a.Method, b.Method),
			strings.Compare(a.Source, b.Source), strings.Compare(a.Text, b.Text))
	})
	places = make(map[uint64]int)
	for i, g := range groups[:min(len(groups), maxStacks)] {
		list = append(list, g.Stack)
		for _, id := range g.rpcs {
			places[id] = i + 1
		}
	}
	return list, places
}

// linkStacks tells holders where in the report their stacks are.
func linkStacks(hs []holder, list []Stack, places map[uint64]int) {
	for i := range hs {
		h := &hs[i]
		switch h.Kind {
		case HolderRPC, HolderHandler:
			h.stack = places[h.key.id]
		case HolderUserHook:
			h.stack = 1 + slices.IndexFunc(list, func(s Stack) bool {
				return s.Method == "" && s.Function == h.Function && s.Source == h.Source
			})
		}
		linkStacks(h.children, list, places)
	}
}

func (l *stackLine) entry(at time.Duration, method string, count int, held time.Duration) stackGroup {
	return stackGroup{Stack{
		Offset: whole(at), Method: method, Function: l.function, Source: l.source,
		Text: l.text, Handlers: count,
	}, held, nil}
}

// rpcStacks are those of the handlers, each as it was seen last.
func (tl *timeline) rpcStacks() (groups []stackGroup) {
	known := make(map[Stack]int)
	for i := range tl.rpcs {
		r := &tl.rpcs[i]
		for _, d := range slices.Backward(tl.dumps) {
			line, ok := d.rpcs[r.id]
			if !ok {
				continue
			}
			g := line.entry(tl.fromStart(d.at), r.counted(), 0, min(r.end, tl.now)-max(r.begin, 0))
			at, ok := known[g.Stack]
			if !ok {
				at = len(groups)
				known[g.Stack] = at
				groups = append(groups, g)
			}
			groups[at].Handlers++
			groups[at].rpcs = append(groups[at].rpcs, r.id)
			groups[at].held = max(groups[at].held, g.held)
			break
		}
	}
	return groups
}

// hookStacks are those of the user's code, as the last dump saw them.
func (tl *timeline) hookStacks() (groups []stackGroup) {
	for _, d := range slices.Backward(tl.dumps) {
		if d.rpcs == nil {
			continue
		}
		for i := range d.hooks {
			groups = append(groups, d.hooks[i].entry(tl.fromStart(d.at), "", d.hooks[i].count, never))
		}
		return groups
	}
	return nil
}

// looseStacks are those of handlers whose RPC the dump does not show.
func (tl *timeline) looseStacks() (groups []stackGroup) {
	for _, d := range slices.Backward(tl.dumps) {
		for l, n := range d.loose {
			groups = append(groups, l.entry(tl.fromStart(d.at), tl.methodOf(l.method), n, tl.now-d.at))
		}
		if d.rpcs != nil {
			return groups
		}
	}
	return groups
}

// methodOf returns the full name of a method that generated code names
// Greeter_SayHello.
func (tl *timeline) methodOf(generated string) string {
	if generated == "" {
		return methodsWithheld
	}
	for i := range tl.rpcs {
		m := tl.rpcs[i].method
		if strings.EqualFold(strings.ReplaceAll(m.Short, "/", "_"), generated) {
			return m.Name
		}
	}
	return strings.Replace(generated, "_", "/", 1)
}
