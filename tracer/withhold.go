// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"os"
	"strings"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// envWithhold has words of Withhold, comma separated.
const envWithhold = "GRACETRACE_WITHHOLD"

// Withhold keeps kinds of data inside the process: they are in no span, log
// record, report, page, spool and error, nor on the debug port. The words are
//
//   - peer: addresses and ports of peers. Connections are told apart by number
//     where the server has accepted them. Listeners' own addresses stay, and
//     whether a peer is on this machine;
//   - client: what clients say of themselves: user-agent, x-forwarded-for,
//     x-forwarded-client-cert, l5d-client-id;
//   - method: names of methods, also those that are not registered. That an RPC is
//     of health, reflection or channelz stays, and what helps against it. Stacks
//     may show functions that are named like methods;
//   - stack: functions, files and lines of the application's. The goroutines are
//     not dumped at all: states that only a dump tells are not known.
//
// Options add up, and so does the variable GRACETRACE_WITHHOLD, which has the same
// words separated by commas. By default, nothing is withheld. See docs/security.md
// for all that leaves the process.
func Withhold(what ...string) Option {
	return optionFunc(func(c *config) error { return c.withheld.add("Withhold", what) })
}

// Withholds reports whether a kind of data is withheld, in a word of [Withhold].
// Package server asks before it makes an error.
func (t *Tracer) Withholds(word string) bool {
	if t == nil {
		return false
	}
	flag := t.cfg.withheld.flag(word)
	return flag != nil && *flag
}

// withheld says what is told nowhere. The builder of timelines obeys it, and the
// looker: what they leave out nothing after them can tell.
type withheld struct{ peer, client, method, stack bool }

// add withholds more; name is whose words they are.
func (w *withheld) add(name string, words []string) error {
	for _, word := range words {
		flag := w.flag(word)
		if flag == nil {
			return fmt.Errorf("%s: %q is none of %s", name, word, strings.Join(withholdable, ", "))
		}
		*flag = true
	}
	return nil
}

// withholdable are the words there are.
var withholdable = []string{"peer", "client", "method", "stack"}

func (w *withheld) flag(word string) *bool {
	switch word {
	case "peer":
		return &w.peer
	case "client":
		return &w.client
	case "method":
		return &w.method
	case "stack":
		return &w.stack
	}
	return nil
}

// String lists what is withheld.
func (w *withheld) String() string {
	var words []string
	for _, word := range withholdable {
		if *w.flag(word) {
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}

// readWithheld reads the environment. Empty words are none.
func (c *config) readWithheld() error {
	v := os.Getenv(envWithhold)
	words := strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
	return c.withheld.add(fmt.Sprintf("%s=%q", envWithhold, v), words)
}

// methodsWithheld stands for names of methods where there must be one: in counts
// by method, and with stacks.
const methodsWithheld = "withheld methods"

// noMethod is told instead of a method that is withheld.
var noMethod = &watch.Method{}

// asksFor is the name of the RPC's method. It is for decisions, not to be told.
func (r *rpcLine) asksFor() string {
	switch {
	case r.unsaid != nil:
		return r.unsaid.Name
	case r.method != nil:
		return r.method.Name
	}
	return ""
}

// counted is the name under which the RPC is counted.
func (r *rpcLine) counted() string {
	if r.method.Name == "" {
		return methodsWithheld
	}
	return r.method.Name
}

// withMethod puts a method's name behind a word, if it is not withheld.
func withMethod(word, method string) string { return strings.TrimSuffix(word+" "+method, " ") }

// unnumbered is the Connection of whoever is on one that has no number: an HTTP
// server's, or one that was gone before the server was stopped.
const unnumbered = -1

// numbered is what is told of a connection instead of its peer; empty: nothing is.
func (h *Holder) numbered() string {
	if h.Connection <= 0 {
		return ""
	}
	return fmt.Sprintf("connection %d", h.Connection)
}

// withheldNotes say why something is not told.
func (tl *timeline) withheldNotes() []Note {
	if tl.withheld == "" {
		return nil
	}
	return []Note{{Kind: noteMissing, Text: "withheld, as configured: " + tl.withheld}}
}
