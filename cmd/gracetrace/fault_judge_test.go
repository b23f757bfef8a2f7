// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

// addedLimit is the most that a fault may add to the exit.
const addedLimit = 2 * time.Second

// judge says what is wrong with a row.
func (r *faultRun) judge(t *testing.T, base exitSpan, late time.Duration) {
	t.Helper()
	r.end(t)
	r.late = late
	if r.graceful { // its clients leave when they like
		base.least = time.Duration(r.report.Duration)
		base.most = base.least
	}
	r.added = max(r.proc.took-base.least, 0)
	// A stop has as many timers in a row that may be late.
	if limit := addedLimit + (base.most - base.least) + 4*late; r.added > limit {
		t.Errorf("it adds %v to the exit, want %v at most", r.added, limit)
	}
	r.judgeSpans(t)
	r.judgeStop(t)
	if !regexp.MustCompile(r.said).MatchString(r.complaints()) {
		t.Errorf("the log does not say %q", r.said)
	}
	r.noSecret(t, "stdout", r.proc.output())
	r.noSecret(t, "stderr", r.proc.stderr.String())
	for _, s := range r.spans {
		r.noSecret(t, "a span", s.String())
	}
	if r.check != nil {
		r.check(t)
	}
	if t.Failed() || *faultFlag != "" {
		t.Logf("%+v\n%s\n%s", r.report.Spans, r.complaints(), r.proc.stderr.String())
	}
}

// judgeSpans: each span has one fate, the one that the row wants.
func (r *faultRun) judgeSpans(t *testing.T) {
	t.Helper()
	n := r.report.Spans
	made := n.Sent + n.Spooled
	for _, lost := range n.Lost {
		made += lost
	}
	if sum := r.counts[0] + r.counts[1] + r.counts[2]; sum != made || made == 0 {
		t.Errorf("%v are delivered, spooled and lost: not %d", r.counts, made)
	}
	for i, want := range []share{r.delivered, r.spooled, r.lost} {
		if got := shareOf(r.counts[i], made); got != want && want != perhaps {
			t.Errorf("%d of %d are %s, want %v", r.counts[i], made,
				[]string{"delivered", "spooled", "lost"}[i], want)
		}
	}
	reasons := r.reasons()
	if r.counts[2] > 0 && (len(reasons) != 1 || reasons[r.reason] != r.counts[2]) {
		t.Errorf("lost because of %v, want %q", reasons, r.reason)
	}
	if r.counts[2] == 0 {
		whole(t, slices.Collect(maps.Values(r.spans)))
	}
}

// judgeStop: the stop is what it is without a fault.
func (r *faultRun) judgeStop(t *testing.T) {
	t.Helper()
	code := r.proc.cmd.ProcessState.ExitCode()
	wantCode, want := exitFailure, tracer.OutcomeForced
	if r.graceful {
		wantCode, want = exitOK, tracer.OutcomeGraceful
	}
	if code != wantCode || r.report.Outcome != want {
		t.Errorf("exit code %d, outcome %s", code, r.report.Outcome)
	}
	if !strings.Contains(r.report.Verdict, "rpc "+methodChat+" from 127.0.0.1:") {
		t.Errorf("verdict: %s", r.report.Verdict)
	}
}

// reasons are those of the log.
func (r *faultRun) reasons() map[string]int {
	out := make(map[string]int)
	for _, l := range r.proc.records("shutdown spans lost") {
		m, _ := l["reasons"].(map[string]any)
		for k, v := range m {
			n, _ := v.(float64)
			out[k] += int(n)
		}
	}
	return out
}

// complaints is the log but for what each stop says.
func (r *faultRun) complaints() string {
	var b strings.Builder
	for _, msg := range []string{
		"trace export refused", "trace export not reachable", "spool off", "spool dropped",
		"shutdown spans spooled", "shutdown spans lost",
	} {
		for _, l := range r.proc.records(msg) {
			fmt.Fprintln(&b, msg, l)
		}
	}
	return b.String()
}

// tableOf is what docs/faults.md has.
func tableOf(runs []*faultRun) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| row\t| added\t| delivered\t| spooled\t| lost\t| because\t|")
	for _, r := range runs {
		fmt.Fprintf(w, "| %s\t| %.2f s\t| %d\t| %d\t| %d\t| %v\t|\n", r.name, r.added.Seconds(),
			r.counts[0], r.counts[1], r.counts[2], strings.TrimPrefix(fmt.Sprint(r.reasons()), "map"))
	}
	w.Flush()
	return b.String()
}
