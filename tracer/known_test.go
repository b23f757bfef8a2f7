// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/internal/watch"
)

func of(method string) rpcChange {
	return func(r *rpcLine) { r.method = &watch.Method{Name: method, Short: method} }
}
func ofVersion(v string) change { return func(tl *timeline) { tl.grpcVersion = v } }
func where(l locality) connChange {
	return func(c *connLine) { c.where = l }
}
func staged(stage watch.Stage) connChange { return func(c *connLine) { c.stage = stage } }

func cmuxListener(tl *timeline) { tl.listeners[0].goType = "*cmux.muxListener" }

// situations has for each row of knowns the shutdown that it is for, which is for
// no other row.
var situations = map[string][]change{
	"stop inside a handler": {oneListener, conn(told(0), streams(1)), unary(-sec, never),
		func(tl *timeline) { tl.inside = 1 }},
	"health watch": {
		oneListener, conn(told(0), goneAt(10*sec)),
		stream(-sec, 10*sec, of(methodHealthWatch)),
	},
	"debugging tool": {
		oneListener, conn(told(0), goneAt(10*sec)),
		stream(-sec, 10*sec, of("grpc.reflection.v1.ServerReflection/ServerReflectionInfo")),
	},
	"stream in Recv": {
		oneListener, conn(told(0), goneAt(10*sec)),
		stream(-sec, 10*sec, inRecv(10*sec)),
	},
	"stream in Send": {
		oneListener, conn(told(0), goneAt(10*sec)),
		stream(-sec, 10*sec, inSend(10*sec)),
	},
	"stream in its handler": {oneListener, conn(told(0), goneAt(10*sec)), stream(-sec, 10*sec)},
	"stream ignores its context": {
		oneListener, conn(told(0), goneAt(10*sec)), stream(-sec, 10*sec), streamsCancelledAt(2 * sec),
	},
	"unary without a deadline": {
		oneListener, conn(told(0), goneAt(10*sec)), unary(-sec, 10*sec),
	},
	"message incomplete": {oneListener, conn(told(0), goneAt(10*sec)),
		unary(-sec, 10*sec), func(tl *timeline) {
			tl.dumps = []dump{{at: 3 * sec, rpcs: map[uint64]stackLine{1: {decoding: true}}}}
		}},
	"orphan handler": {oneListener, conn(told(0), goneAt(sec)), unary(-sec, 10*sec)},
	"Stop leaves handlers": {
		onlyStop, oneListener, conn(goneAt(ms)), unary(-sec, never),
		backAt(ms),
	},
	"silent client":    {listener(0, 0, 0), raw(goneAt(10 * sec))},
	"half a handshake": {oneListener, raw(staged(watch.StageTLS), goneAt(10*sec))},
	"code of the application's": {oneListener, raw(goneAt(10 * sec)), func(tl *timeline) {
		tl.dumps = []dump{{at: 3 * sec, began: 3 * sec, hooks: []hookLine{{hook: stateCallback, count: 1}}}}
	}},
	"cmux":               {listener(0, 0, 10*sec), cmuxListener},
	"Accept after Close": {listener(0, 0, 10*sec)},
	"mute peer":          {oneListener, conn(goAwayAt(0), finalAt(5*sec), goneAt(6*sec))},
	"lingering peer":     {oneListener, conn(told(0), goneAt(sec)), backAt(sec)},
	"answer not read": {
		oneListener, conn(told(0), streams(1), goneAt(10*sec)),
		unary(-sec, ms),
	},
	"frozen peer":  {oneListener, conn(blockedSince(-sec), goneAt(10*sec))},
	"stream quota": {oneListener, conn(notReadSince(-sec), streams(1))},
	"already draining": {
		oneListener,
		conn(goAwayAt(-sec), ackedAt(-sec), finalAt(never), goneAt(10*sec)),
	},
	"drained by a control plane": {
		oneListener,
		conn(goAwayAt(-sec), byPlane, ackedAt(-sec), finalAt(never), goneAt(10*sec)),
	},
	"clients not told":    {oneListener, unserved(ms)},
	"lame duck too short": {oneListener, unserved(ms), stepped(PhaseLameDuck, -2*sec, 0)},
	"flush": {
		oneListener, backAt(ms), stepped(PhaseAppFlush, ms, 2*sec), func(tl *timeline) {
			tl.steps[0].parts = []partLine{{name: "traces", start: ms, end: 2 * sec}}
		},
	},
}

func byPlane(c *connLine) { c.byPlane = true }

// stepped adds a step around grpc's stop.
func stepped(p Phase, start, end time.Duration) change {
	return func(tl *timeline) {
		tl.steps = append(tl.steps, stepLine{phaseLine: phaseLine{p, start, end}})
	}
}

// together are rows that tell more about a situation of another row.
var together = map[string][]change{
	"Stop blocked by GracefulStop": {
		oneListener, ofVersion("1.84.2"), forcedAt(2 * sec), conn(told(0), goneAt(sec)),
		unary(-sec, 10*sec),
	},
	"proxy on this machine": {
		oneListener, conn(told(0), where(localProxy), goneAt(sec)),
		backAt(sec),
	},
	"gateway": {
		oneListener, conn(told(0), where(sameProcess), goneAt(sec)),
		backAt(sec),
	},
	"ServeHTTP": {
		ofVersion("1.82.0"),
		unary(-sec, 10*sec, throughHTTP),
	},
}

// TestNoGateway: a peer in this process that behaves as no client does is not
// taken for a gateway.
func TestNoGateway(t *testing.T) {
	local := where(sameProcess)
	for name, tl := range map[string]*timeline{
		"silent client": unfinishedAt(9*sec, oneListener, raw(local)),
		"mute peer": returnedAt(6*sec, oneListener,
			conn(goAwayAt(0), finalAt(5*sec), local, goneAt(6*sec))),
	} {
		if got := names(tl); !slices.Equal(got, []string{name}) {
			t.Errorf("%q hold, want %q", got, name)
		}
	}
}

// TestKnown: each row holds in its own situation; the rows of situations in no
// other of them.
func TestKnown(t *testing.T) {
	for i := range knowns {
		k := &knowns[i]
		changes, alone := situations[k.name]
		if !alone {
			changes = together[k.name]
		}
		if changes == nil {
			t.Errorf("%s: there is no situation to test it with", k.name)
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			tl := ended(changes)
			got := names(tl)
			if alone && !slices.Equal(got, []string{k.name}) || !slices.Contains(got, k.name) {
				t.Errorf("%q hold, want %q\nverdict: %s", got, k.name, tl.verdict(tl.views()))
			}
		})
	}
	if n := len(situations) + len(together); n != len(knowns) {
		t.Errorf("%d situations for %d rows", n, len(knowns))
	}
}

// ended is a GracefulStop that lasts 10 s or, unless a change says when it returned,
// longer.
func ended(changes []change) *timeline { return unfinishedAt(10*sec, changes...) }

func backAt(at time.Duration) change { return func(tl *timeline) { tl.returned = at } }

// names are those of the rows that hold.
func names(tl *timeline) []string {
	notes := tl.notes(tl.views())
	var names []string
	for i := range knowns {
		k := &knowns[i]
		if slices.Contains(notes, Note{k.kind, k.text, k.ref}) {
			names = append(names, k.name)
		}
	}
	return names
}

// TestNothingKnown: a stop that nobody held has no notes, whichever version it is
// of, nor has one that somebody held for no time worth a word.
func TestNothingKnown(t *testing.T) {
	for name, tl := range map[string]*timeline{
		"idle": returnedAt(ms, oneListener, ofVersion("1.80.0")),
		"short": returnedAt(499*ms, oneListener, conn(told(0), goneAt(499*ms)),
			stream(-sec, 499*ms, inRecv(499*ms))),
		"a client cancels": returnedAt(sec, ofVersion("1.84.0"),
			unary(-sec, ms, onUnknownConnection, deadlineAt(2*sec), cancelledAt(-sec))),
	} {
		if diff := cmp.Diff([]Note(nil), tl.notes(tl.views())); diff != "" {
			t.Errorf("%s: notes (-want +got):\n%s", name, diff)
		}
	}
}

// TestVersions: what concerns some versions is told of these only, and never of
// an unknown one.
func TestVersions(t *testing.T) {
	const lock, served = "Stop blocked by GracefulStop", "ServeHTTP"
	for v, want := range map[string][2]bool{ // lock, served
		"1.72.0": {true, false}, "1.81.4": {true, false}, "1.82.0-dev": {true, true},
		"1.84.0": {true, true}, "v1.84.0": {true, true}, "1.84.9-dev": {true, true},
		"1.85.0": {false, true}, "1.85.0-dev": {false, true}, "2.0.0": {false, true},
		"": {}, "1.84": {}, "unknown": {}, "1.84.0.1": {}, "1.84.x": {},
	} {
		var got [2]bool
		for i, name := range []string{lock, served} {
			tl := ended(append(slices.Clone(together[name]), ofVersion(v)))
			got[i] = slices.Contains(names(tl), name)
		}
		if got != want {
			t.Errorf("%q: told are %t, want %t", v, got, want)
		}
	}
}

// TestRemedies: each fits a line or two and says where it is from.
func TestRemedies(t *testing.T) {
	for _, k := range knowns {
		if len(k.text) > 160 || strings.HasSuffix(k.text, ".") || !strings.HasPrefix(k.ref, "https://") {
			t.Errorf("%s: %q (%s)", k.name, k.text, k.ref)
		}
	}
}

// TestAddressesAreWhole: an address that is cut leads nowhere, so each must fit
// on a line.
func TestAddressesAreWhole(t *testing.T) {
	source, err := os.ReadFile("known.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`"https://[^"]+"`).FindAllString(string(source), -1)
	if len(found) < 10 {
		t.Errorf("%d addresses in known.go: the test has not found them", len(found))
	}
	for _, ref := range found {
		ref = "(" + strings.Trim(ref, `"`) + ")"
		r := &Report{Notes: []Note{{Text: "a", Ref: ref[1 : len(ref)-1]}}}
		if !strings.Contains(text(t, r), ref) {
			t.Errorf("%s is cut", ref)
		}
	}
}

// TestNotesReadBack: a note on a span has the kind that it had in the report.
func TestNotesReadBack(t *testing.T) {
	for _, k := range knowns {
		want := Note{k.kind, k.text, k.ref}
		if diff := cmp.Diff(want, parseNote(noteLines([]Note{want})[0])); diff != "" {
			t.Errorf("%s (-told +read):\n%s", k.name, diff)
		}
	}
}
