// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/gracetrace/gracetrace/tracer"
)

// share is how many of a stop's spans have met a fate.
type share int

const (
	none share = iota
	some
	all
	perhaps // of these: it is a matter of milliseconds
)

func (s share) String() string { return [...]string{"none", "some", "all", "perhaps"}[s] }

func shareOf(n, of int) share {
	switch n {
	case 0:
		return none
	case of:
		return all
	}
	return some
}

// fault is a row of docs/faults.md.
type fault struct {
	name string
	load crowd // the zero value: few
	// arrange prepares the collector and the disk, and says what the process is
	// told of them.
	arrange func(t *testing.T, r *faultRun)
	// graceful: the clients leave when they would have been cut, long before the
	// grace period ends. It does not bound the flush then.
	graceful bool
	// ready: the collector answers the start's probe, which is waited for.
	ready bool

	needs func() (missing string) // of the machine; nil: nothing

	delivered, spooled, lost share
	reason                   string // of what is lost
	said                     string // in the log: a regular expression
}

// faultRun is a row that is measured.
type faultRun struct {
	*fault

	// Of arrange.
	env    []string
	sink   *sink              // nil: nobody ever has a span
	dir    string             // of the spool
	with   func(*exec.Cmd)    // of the process; nil: nothing
	at     []event            // after the signal
	before func(t *testing.T) // right before the signal
	check  func(t *testing.T) // what this row wants beside
	secret string             // must be nowhere

	// Of the run.
	proc   *stopping
	fired  sync.WaitGroup // events
	report *tracer.Report
	added  time.Duration            // to the exit
	late   time.Duration            // of timers, at most
	counts [3]int                   // of spans: delivered, spooled, lost
	spans  map[string]*tracepb.Span // delivered or spooled, by id
}

// event is something that happens during the stop.
type event struct {
	after time.Duration
	do    func()
}

// to points the process at a collector.
func (r *faultRun) to(endpoint string) {
	r.env = append(r.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint)
}

// toSink points it at one that is up.
func (r *faultRun) toSink(c *sink) {
	r.sink = c
	r.to("http://" + c.addr)
}

// spool gives it a spool.
func (r *faultRun) spool(dir string) {
	r.dir = dir
	r.env = append(r.env, "GRACETRACE_SPOOL_DIR="+dir)
}

// lacks skips a row for which the machine is not the right one.
func (f *fault) lacks(t *testing.T) bool {
	t.Helper()
	if f.needs == nil || f.needs() == "" {
		return false
	}
	return t.Run(f.name, func(t *testing.T) { t.Skip(f.needs()) })
}

// begin starts the process and its clients, and tells it to stop.
func (f *fault) begin(t *testing.T) *faultRun {
	t.Helper()
	r := &faultRun{fault: f}
	if f.graceful {
		r.env = append(r.env, "GRACETRACE_GRACE_PERIOD=30s")
	}
	f.arrange(t, r)
	r.proc = stoppable(t, r.env, r.with)
	addr, ok := <-r.proc.serving
	if !ok {
		t.Fatalf("%s: it does not serve:\n%s\n%s", f.name, r.proc.output(), r.proc.stderr.String())
	}
	l := f.load
	if l == (crowd{}) {
		l = few
	}
	leave := l.drive(t, addr)
	if f.graceful {
		r.at = append(r.at, event{stoppingDrain, leave})
	}
	if f.ready {
		<-r.proc.probed
	}
	if r.before != nil {
		r.before(t)
	}
	r.proc.terminate(t)
	for _, e := range r.at {
		r.fired.Add(1)
		time.AfterFunc(e.after, func() { defer r.fired.Done(); e.do() })
	}
	return r
}

// end waits for the end of the process, and counts.
func (r *faultRun) end(t *testing.T) {
	t.Helper()
	<-r.proc.ended
	r.fired.Wait()
	r.report = r.proc.report(t)
	r.spans = make(map[string]*tracepb.Span)
	if r.sink != nil {
		r.spans = r.sink.taken()
	}
	r.counts[0] = len(r.spans)
	if r.report.Spans.Spooled > 0 {
		r.noSecret(t, "the spool", r.spoolText(t))
		maps.Copy(r.spans, r.recover(t))
		r.counts[1] = len(r.spans) - r.counts[0]
	}
	for _, l := range r.proc.records("shutdown spans lost") {
		r.counts[2] += int(l.number("spans_lost"))
	}
}

// recover is `gracetrace recover`, once there is a collector: it returns what that
// one gets.
func (r *faultRun) recover(t *testing.T) map[string]*tracepb.Span {
	t.Helper()
	c := newSink(t, nil)
	from := r.dir
	if from == "" {
		from = stdinName
	}
	cmd := gracetrace(t, []string{
		"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + c.addr,
	}, "recover", from)
	cmd.Stdin = strings.NewReader(r.proc.stderr.String())
	if got := finish(t, cmd); got.code != exitOK {
		t.Errorf("recover: exit code %d\n%s", got.code, got.stderr)
	}
	return c.taken()
}

// spoolText is what is in the spool's files.
func (r *faultRun) spoolText(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	files, err := filepath.Glob(filepath.Join(r.dir, "gracetrace-*"))
	if err != nil || len(files) == 0 && r.dir != "" {
		t.Errorf("%d files in the spool, %v", len(files), err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		}
		all.Write(b)
	}
	return all.String()
}

// noSecret: neither as it is nor as it was written in the environment.
func (r *faultRun) noSecret(t *testing.T, where, text string) {
	t.Helper()
	if r.secret != "" && strings.Contains(text, r.secret) {
		t.Errorf("the token is in %s:\n%s", where, text)
	}
}
