// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

const sec = time.Second

var (
	watching = &held{kind: "rpc", state: "in Recv", method: "greeter.v1.Greeter/Watch",
		agent: "grpc-java-netty/1.70.0", peer: "10.0.0.8"}
	chatting = &held{kind: "rpc", state: "in Send", method: "greeter.v1.Greeter/Chat",
		agent: "grpc-go/1.85.0", peer: "10.0.0.7"}
	probing = &held{kind: "handshake", state: "tcp", peer: "10.0.0.9"}
)

// fleet is a rollout: 40 shutdowns, of which each kind is known.
func fleet() []*run {
	var runs []*run
	for i := range 40 {
		r := &run{
			id: fmt.Sprintf("%032x", i+1), service: "greeter", version: "1.4." + fmt.Sprint(i%2),
			start: noon.Add(-50*time.Minute + time.Duration(i)*time.Minute), outcome: "graceful",
			scramble: i%3 == 0,
			phases: []phase{{name: "quit", took: 10 * time.Microsecond},
				{name: "listener close", took: 80 * time.Microsecond},
				{name: "handshake wait", took: time.Duration(i) * time.Millisecond}},
		}
		if i%5 == 0 {
			by := *probing
			by.port = 40000 + i // another each time
			r.phases[2] = phase{"handshake wait", 5 * sec, &by}
		}
		switch {
		case i%10 == 1:
			r.outcome, r.cut = "forced", 1
			r.phases = append(r.phases, phase{"conn wait", 20 * sec, watching})
		case i%10 == 2:
			r.outcome = "killed"
			r.phases = append(r.phases, phase{"conn wait", 16 * sec, watching})
		case i == 3:
			r.outcome = "recovered"
			r.phases = append(r.phases, phase{"conn wait", 11 * sec, chatting})
		default:
			took := time.Duration(50*i) * time.Millisecond
			r.phases = append(r.phases, phase{"conn wait", took, chatting})
		}
		runs = append(runs, r)
	}
	now := &run{id: fmt.Sprintf("%032x", 99), service: "greeter", version: "1.4.1", outcome: "killed",
		start: noon.Add(-40 * sec), phases: []phase{{"conn wait", 11 * sec, watching}}}
	other := &run{id: fmt.Sprintf("%032x", 98), service: "shop", outcome: "forced",
		start: noon.Add(-40 * sec), phases: []phase{{"conn wait", 11 * sec, watching}}}
	return append(runs, now, other)
}

// TestFleet: the tables and the JSON of one fleet, from each Jaeger.
func TestFleet(t *testing.T) {
	for _, modern := range []bool{false, true} {
		f := newFake(t, fleet()...)
		f.modern = modern
		q := f.query(t)
		q.FailOver = 20 * sec
		r := collect(t, q)
		if diff := cmp.Diff(Counts{All: 41, Graceful: 31, Forced: 4, Killed: 5, Running: 1, RPCsCut: 4},
			r.Counts); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		r.Notes, r.Search = nil, SearchInfo{} // the clock and the bytes are this machine's
		golden(t, "fleet.txt", func(b *bytes.Buffer) error {
			return r.WriteText(b, TextOptions{Top: 2, Sort: ByTimeHeld})
		})
		golden(t, "count.txt", func(b *bytes.Buffer) error {
			return r.WriteText(b, TextOptions{Top: 10, Sort: ByCount})
		})
		golden(t, "fleet.json", func(b *bytes.Buffer) error { return r.WriteJSON(b) })
	}
}

func golden(t *testing.T, name string, write func(*bytes.Buffer) error) {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		n := utf8.RuneCountInString(line)
		if n > textWidth && !strings.Contains(line, "http://") && strings.HasSuffix(name, "txt") {
			t.Errorf("%s: %d columns: %s", name, n, line)
		}
	}
}

// TestAlsoRoots: a shutdown whose first span was lost is found if it is asked for, once,
// and one that has both is not counted twice.
func TestAlsoRoots(t *testing.T) {
	runs := many(250, sec)
	for _, lost := range []int{3, 4, 170} {
		runs[lost].headless = true
	}
	f := newFake(t, runs...)
	q := f.query(t)
	if r := collect(t, q); r.Counts.All != 247 {
		t.Errorf("%+v", r.Counts)
	}
	before := f.asked()
	q.AlsoRoots = true
	last := 0.0
	q.Progress = func(p Progress) {
		if p.Done < last || p.Done > 1 {
			t.Errorf("progress goes from %g to %g", last, p.Done)
		}
		last = p.Done
	}
	r := collect(t, q)
	if r.Counts.All != 250 || !r.Complete || len(r.Notes) != 1 || last != 1 ||
		r.Notes[0] != "3 of them have lost their first span: they were found by their ends" {
		t.Errorf("%+v, %q, progress %g", r.Counts, r.Notes, last)
	}
	if n := f.asked() - before; n > 2*before+5 {
		t.Errorf("%d questions, %d without", n, before)
	}
}

// TestBegunMeanwhile: a shutdown that begins and ends while the search goes on is found by
// its end, and has lost nothing.
func TestBegunMeanwhile(t *testing.T) {
	runs := many(3, sec)
	late, lost := runs[1], runs[2]
	late.start, lost.start, lost.headless = noon.Add(-9*sec), noon.Add(-8*sec), true
	f := newFake(t, runs[0])
	f.handler = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("query.operation_name") == operationRoot {
			f.runs = runs
		}
		f.search(w, r)
	}
	q := f.query(t)
	q.AlsoRoots = true
	r := collect(t, q)
	if r.Counts.All != 3 || len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "1 of them ") {
		t.Errorf("%+v, %q", r.Counts, r.Notes)
	}
}
