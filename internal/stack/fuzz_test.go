// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: whatever stands in a dump, what is read of it is bounded, and
// cutting it off loses nothing that stood complete before the cut.
func FuzzParse(f *testing.F) {
	own := Capture(MaxGoroutines).Text
	f.Add(own, uint(len(own)/2))
	f.Add(sample, uint(len(sample)-100))
	for _, seed := range []string{
		"", "goroutine", "goroutine 1 [", "goroutine 1 [a]:\n()\n\t:\n", "goroutine 1 []:\n...\ncreated by ",
		"goroutine 9 [select]:\n" + grpc + ".(*Server).stop(0x1)\n" + grpc + ".(*Server).serveStreams(0x1, 0x2)\n",
		"goroutine 9 [select]:\nmain.f(0x1)\n" + sensors + ".markStream(0xc1, {0x1?})\n\t/x.go:1 +0x1\n",
	} {
		f.Add(seed, uint(7))
	}
	f.Fuzz(func(t *testing.T, dump string, cut uint) {
		r := Read(dump, "")
		for i := range r.Handlers {
			wantBounded(t, &r.Handlers[i].Stack)
		}
		for i := range r.Hooks {
			wantBounded(t, &r.Hooks[i].Stack)
		}
		cut = min(cut, uint(len(dump)))
		whole := goroutines(dump)
		for i, g := range goroutines(dump[:cut]) {
			if i >= len(whole) || g.ID != whole[i].ID || len(g.Frames) > len(whole[i].Frames) {
				if i+1 < len(whole) {
					t.Fatalf("goroutine %d of the part is %d, of the whole %d", i, g.ID, whole[i].ID)
				}
			}
		}
	})
}

func goroutines(dump string) (all []Goroutine) {
	for g := range All(dump) {
		all = append(all, g)
	}
	return all
}

func wantBounded(t *testing.T, s *Stack) {
	t.Helper()
	if len(s.Text) > maxText || len(s.Function) > maxName || len(s.Source) > maxName+20 {
		t.Errorf("%d bytes of text, %d of function, %d of source",
			len(s.Text), len(s.Function), len(s.Source))
	}
	if utf8.ValidString(s.Text) && strings.Contains(s.Text, "0x1?") {
		t.Errorf("arguments in %q", s.Text)
	}
}
