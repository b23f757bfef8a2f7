// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/program"
	"github.com/gracetrace/gracetrace/tracer"
)

const (
	service = "rollout"
	// maxMemory is what the command may use. What it takes is told and not judged: Jaeger
	// makes the answers on the same processors. On two idle ones it is 6 to 9 s.
	maxMemory = 200 << 20
)

// The rollout: 2,000 servers with 30 streams and 20 with 600, of which a tenth is killed.
// Those are in several processes: of each stop the goroutines of all are looked at.
var (
	killed = append(slices.Repeat([]job{
		{First: 0, Servers: 25, AtOnce: 25, Clients: 1, Streams: 30, Killed: true},
	}, 8), job{First: 200, Servers: 2, AtOnce: 2, Clients: 200, Streams: 3, Killed: true})
	ended = []job{
		{First: 1000, Servers: 18, AtOnce: 3, Clients: 200, Streams: 3},
		{First: 2000, Servers: 600, AtOnce: 8, Clients: 1, Streams: 30},
		{First: 3000, Servers: 600, AtOnce: 8, Clients: 1, Streams: 30},
		{First: 4000, Servers: 600, AtOnce: 8, Clients: 1, Streams: 30},
	}
)

// envRollout is set where nothing else runs: what a stop can send in its 2 s, and what
// the command takes, depend on who else has the processors.
const envRollout = "ROLLOUT"

// TestRollout: what was sent is there, whole, and the command counts it as the traces
// say, one by one.
func TestRollout(t *testing.T) {
	if os.Getenv(envRollout) == "" {
		t.Skip("needs the machine for itself: make e2e runs it last, with ROLLOUT=1")
	}
	j := jaegerd.Start(t)
	gracetrace := program.Build(t)
	wire := forward(t, j.OTLP)
	began := time.Now()

	finish := begin(t, gracetrace, wire.endpoint())
	dead := kill(t, j, wire.endpoint())
	t.Logf("%d stops were killed after %s", len(dead), since(began))
	reports := finish()
	t.Logf("%d stops in %s", len(dead)+len(reports), since(began))
	read := time.Now()
	found := readBack(t, j, dead, reports)
	t.Logf("%d spans read back trace by trace in %s", found.spans, since(read))
	t.Logf("a stop sends %d spans, at most %d, and %d bytes to Jaeger, with all that gRPC and HTTP/2 add",
		found.spans/found.traces, found.largest, wire.bytes.Load()/int64(found.traces))

	args := []string{
		"culprits", "--jaeger", j.Query, "--service", service, "--json", "--silence", "1ms",
		"--since", began.Format(time.RFC3339Nano),
	}
	var got result
	cost := ask(t, gracetrace, &got, args...)
	t.Logf("culprits: %s, %d MiB at most, %d answers of %d MB together on %s with %d processors", cost.took,
		cost.memory>>20, got.Search.Answers, got.Search.Bytes/1e6, runtime.GOARCH, runtime.NumCPU())
	if cost.memory > maxMemory {
		t.Errorf("culprits used %d MiB, want %d at most", cost.memory>>20, maxMemory>>20)
	}
	if !got.Complete {
		t.Errorf("not complete: %v", got.Incomplete)
	}
	if diff := cmp.Diff(found.result, got.comparable()); diff != "" {
		t.Errorf("(-traces one by one +culprits):\n%s", diff)
	}
}

func since(at time.Time) time.Duration { return time.Since(at).Round(10 * time.Millisecond) }

// kill runs processes until Jaeger has heard what holds each of their stops, and kills
// them. It returns the traces.
func kill(t *testing.T, j *jaegerd.Server, endpoint string) (dead []string) {
	t.Helper()
	processes := make([]*process, len(killed))
	for i, what := range killed {
		processes[i] = start(t, what, endpoint)
	}
	for i, p := range processes {
		ids := p.told(t, killed[i].Servers)
		for _, id := range ids {
			awaitCheckpoint(t, j, id)
		}
		dead = append(dead, ids...)
		p.kill(t)
	}
	return dead
}

// awaitCheckpoint waits until Jaeger has what holds a stop. Its spans go out together.
func awaitCheckpoint(t *testing.T, j *jaegerd.Server, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if tree, err := j.Trace(ctx, id); err == nil && len(tree.Find("checkpoint conn wait")) > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the checkpoint of %s did not come", id)
		}
	}
}

// begin runs the others, and returns how to wait for their reports. They have a spool:
// what a busy Jaeger does not take within 2 s of a stop is sent later.
func begin(t *testing.T, gracetrace program.Program, endpoint string) (finish func() []*tracer.Report) {
	t.Helper()
	spool := filepath.Join(t.TempDir(), "spool")
	var wait sync.WaitGroup
	lists, errs := make([][]*tracer.Report, len(ended)), make([]error, len(ended))
	for i, what := range ended {
		p := start(t, what, endpoint, "GRACETRACE_SPOOL_DIR="+spool)
		wait.Go(func() { lists[i], errs[i] = p.reports() })
	}
	return func() (all []*tracer.Report) {
		wait.Wait()
		for i, list := range lists {
			if errs[i] != nil || len(list) != ended[i].Servers {
				t.Fatalf("%d reports of %d stops, %v", len(list), ended[i].Servers, errs[i])
			}
			all = append(all, list...)
		}
		t.Logf("%s", gracetrace.To(endpoint).Output(t, nil, "recover", spool))
		return all
	}
}

// ask runs the command.
func ask(t *testing.T, gracetrace program.Program, into *result, args ...string) cost {
	t.Helper()
	out, c := measure(t, gracetrace.Command(t, args...))
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatal(fmt.Errorf("%v: %w\n%.500s", args, err, out))
	}
	return c
}
