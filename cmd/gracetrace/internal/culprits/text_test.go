// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"slices"
	"strings"
	"testing"
)

// TestNames: what is too long for its column goes without the method's package.
func TestNames(t *testing.T) {
	for want, who := range map[string]Who{
		"any":                                  {},
		"handshake, tcp":                       {Kind: "handshake", State: "tcp"},
		"rpc a.v1.Greeter/Chat, in Recv":       {Kind: "rpc", Method: "a.v1.Greeter/Chat", State: "in Recv"},
		"handler Greeter/SayHello, in handler": {Kind: "handler", Method: "greeter.v1.Greeter/SayHello", State: "in handler"},
		"flush " + strings.Repeat("a.", 40):    {Kind: "flush", Method: strings.Repeat("a.", 40)},
		"rpc /" + strings.Repeat("a", 40):      {Kind: "rpc", Method: strings.Repeat("b", 40) + "./" + strings.Repeat("a", 40)},
	} {
		c := Culprit{Who: who}
		if got := c.name(); got != want {
			t.Errorf("%+v: %q, want %q", who, got, want)
		}
	}
}

// TestNothingEnded: that no shutdown has ended yet is not 0 s.
func TestNothingEnded(t *testing.T) {
	one := Counts{All: 1, Running: 1}
	r := &Result{Counts: one, Versions: []Version{{Name: "2", Counts: one}}}
	var b strings.Builder
	if err := r.WriteText(&b, TextOptions{Top: 1}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"all", "2"} {
		found := false
		for line := range strings.Lines(b.String()) {
			cells := strings.Fields(line)
			found = found || len(cells) > 3 && cells[0] == name &&
				slices.Equal(cells[len(cells)-3:], []string{"-", "-", "-"})
		}
		if !found {
			t.Errorf("no dashes for %s in\n%s", name, b.String())
		}
	}
}
