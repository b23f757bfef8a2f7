// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gracetrace/gracetrace/internal/stack"
	"github.com/gracetrace/gracetrace/internal/watch"
)

// lookAt is the checkpoint at which the goroutines are dumped: by then it is no
// ordinary stop any more.
const lookAt = 3 * time.Second

const (
	// stallPer is what a goroutine may add to the time for which the world
	// stands still, measured on a machine that is overloaded.
	stallPer = 50 * time.Microsecond
	// A dump before the forced stop may take a part of the budget: a quarter of
	// what package server keeps for the forced stop and what comes after it.
	stallShare = 20
	maxStall   = 500 * time.Millisecond
)

// maxTexts bounds the different stacks that a dump keeps whole; of the others
// the application's frame is kept.
const maxTexts = 1000

// look dumps the goroutines, if there are at most limit.
func (s *Shutdown) look(limit int) {
	if s.t.cfg.withheld.stack {
		return
	}
	if !s.looking.TryLock() {
		return // one is being taken at this moment
	}
	defer s.looking.Unlock()
	taken := s.t.looker.take(limit, s.since(s.t.table.Now()))
	// It may not have seen what happened at the very moment: then it was before.
	began := s.t.table.At(taken.began) - 1
	d := dump{
		began: s.since(began), at: s.since(s.t.table.At(taken.ended)),
		goroutines: taken.Goroutines,
	}
	if taken.Text == "" {
		d.skipped = fmt.Sprintf("%s goroutines, more than %s", grouped(taken.Goroutines), grouped(limit))
	} else {
		r := stack.Read(taken.Text, s.t.table.ServerAddress())
		if s.t.cfg.withheld.method {
			for i := range r.Handlers {
				r.Handlers[i].Method = ""
			}
		}
		d.fill(r, addresses(s.t.table.Entries(began)))
		if taken.Cut {
			d.skipped = fmt.Sprintf("only the first %s of %s goroutines",
				grouped(d.read), grouped(d.goroutines))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.dumps)
	if n == 0 || d.rpcs != nil && s.dumps[n-1].began != d.began { // else it is the last again
		s.dumps = append(s.dumps, d)
	}
}

// lookBeforeForce dumps the goroutines where the budget has the time for it.
func (s *Shutdown) lookBeforeForce() {
	stall := maxStall
	if b := s.announced().Budget; b > 0 {
		stall = min(stall, b/stallShare)
	}
	s.look(min(dumpLimit, int(stall/stallPer)))
}

// dumpLimit is the number of goroutines above which none is dumped.
const dumpLimit = stack.MaxGoroutines

// addresses returns the RPCs by their entries' addresses, as a dump shows them.
func addresses(entries map[*watch.RPC]uint64) map[string]uint64 {
	ids := make(map[string]uint64, len(entries))
	for entry, id := range entries {
		ids[fmt.Sprintf("%p", entry)] = id
	}
	return ids
}

// fill takes what a reading tells.
func (d *dump) fill(r stack.Reading, ids map[string]uint64) {
	texts := make(texts)
	d.read, d.stop = r.Goroutines, stopFrame(r.Stop)
	d.rpcs = make(map[uint64]stackLine)
	loose := make(map[looseLine]int)
	for i := range r.Handlers {
		h := &r.Handlers[i]
		line := texts.line(&h.Stack)
		line.decoding = h.Decoding
		if id, ok := ids[h.Entry]; ok {
			d.rpcs[id] = line
		} else if h.Entry == "" {
			loose[looseLine{clean(h.Method), line}]++
		}
	}
	d.loose = loose
	places := make(map[hookLine]int)
	for i := range r.Hooks {
		h := hookLine{stackLine: texts.line(&r.Hooks[i].Stack), hook: string(r.Hooks[i].Kind)}
		at, ok := places[h]
		if !ok {
			at = len(d.hooks)
			places[h] = at
			d.hooks = append(d.hooks, h)
		}
		d.hooks[at].count++
	}
}

// looseLine is where handlers of a method are whose RPCs cannot be told.
type looseLine struct {
	method string // as in generated code: Greeter_SayHello
	stackLine
}

// texts are the different stacks of a dump: handlers in the same place share
// one.
type texts map[string]string

func (t texts) line(s *stack.Stack) stackLine {
	text, ok := t[s.Text]
	if !ok && len(t) < maxTexts {
		text = s.Text
		t[text] = text
	}
	return stackLine{function: clean(s.Function), source: clean(s.Source), text: text}
}

// locate says where an RPC's handler is, if that is known.
func (tl *timeline) locate(h *holder, rpc uint64) {
	for _, d := range slices.Backward(tl.dumps) {
		s, ok := d.rpcs[rpc]
		if !ok {
			continue
		}
		h.Function, h.Source = s.function, s.source
		if s.text != "" {
			h.attrs = append(h.attrs, attr{keyStacktrace, s.text},
				attr{keyStackAt, tl.fromStart(d.at).Seconds()})
		}
		return
	}
}

// grouped writes a number with commas: 31,204.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
