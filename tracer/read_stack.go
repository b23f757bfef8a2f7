// SPDX-License-Identifier: Apache-2.0

package tracer

// maxReadStacks bounds the stacks of a report that is made of spans.
const maxReadStacks = 50

// readStack is a stack that several spans may have.
type readStack struct {
	place    int // in the report, from 1
	handlers map[HolderKind]int
}

// stack keeps the stack of a span, and returns its place in the report: 0 if it
// has none. An RPC may have a span in two phases, as RPC and as handler, so the
// spans of one kind are counted.
func (b *rebuilder) stack(s *readSpan, h *Holder) int {
	text := s.text(keyStacktrace)
	if text == "" {
		return 0
	}
	key := Stack{
		Offset: Duration(s.duration(keyStackAt)), Method: h.Method, Function: h.Function,
		Source: h.Source, Text: text,
	}
	if key.Method == "" && h.Kind != HolderUserHook {
		key.Method = methodsWithheld
	}
	known := b.stacks[key]
	if known == nil {
		if len(b.stacks) == maxReadStacks {
			return 0
		}
		b.r.Stacks = append(b.r.Stacks, key)
		known = &readStack{place: len(b.r.Stacks), handlers: make(map[HolderKind]int)}
		b.stacks[key] = known
	}
	known.handlers[h.Kind]++
	in := &b.r.Stacks[known.place-1]
	in.Handlers = max(in.Handlers, known.handlers[h.Kind])
	return known.place
}
