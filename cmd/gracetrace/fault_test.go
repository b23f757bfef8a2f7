// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"context"
	"flag"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/servertest"
)

var faultFlag = flag.String("fault", "", "run only the rows of TestU46Faults that match")

// TestU46Faults: whatever the collector and the disk do, a stop takes at most 2 s
// longer (WaveHouse #288), ends in the same way, and each of its spans is
// delivered, spooled ("shutdown spans spooled") or lost, with the reason in the
// log. The numbers are in docs/faults.md.
func TestU46Faults(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 20 s")
	}
	ctx, cancel := context.WithCancel(t.Context())
	lateBy := servertest.Lateness(ctx)
	only := regexp.MustCompile(*faultFlag)
	rows := slices.DeleteFunc(faults(), func(f fault) bool { return !only.MatchString(f.name) })
	rows = slices.DeleteFunc(rows, func(f fault) bool { return f.lacks(t) })
	base := newBaselines(t, rows)
	var runs []*faultRun
	for i := range rows {
		if i == len(rows)/2 {
			base.more(t)
		}
		runs = append(runs, rows[i].begin(t))
	}
	base.more(t)
	for _, r := range runs {
		<-r.proc.ended
	}
	exits := base.exits(t)
	cancel()
	late := <-lateBy
	for _, r := range runs {
		t.Run(r.name, func(t *testing.T) { r.judge(t, exits[r.load], late) })
	}
	t.Logf("timers were late by %v at most; without an exporter the exits took %v\n%s",
		late, exits, tableOf(runs))
}

// baselines are stops without an exporter, between the others: they meet the same
// machine.
type baselines map[crowd][]*faultRun

func newBaselines(t *testing.T, rows []fault) baselines {
	t.Helper()
	b := make(baselines)
	for _, f := range rows {
		b[f.load] = nil
	}
	b.more(t)
	return b
}

func (b baselines) more(t *testing.T) {
	t.Helper()
	for l := range b {
		f := &fault{name: "no exporter", load: l, arrange: func(_ *testing.T, r *faultRun) {
			r.env = append(r.env, "OTEL_SDK_DISABLED=true")
		}}
		b[l] = append(b[l], f.begin(t))
	}
}

// span is what the exits of equal stops took.
type exitSpan struct{ least, most time.Duration }

func (b baselines) exits(t *testing.T) map[crowd]exitSpan {
	t.Helper()
	out := make(map[crowd]exitSpan)
	for l, runs := range b {
		for i, r := range runs {
			<-r.proc.ended
			e := out[l]
			if i == 0 || r.proc.took < e.least {
				e.least = r.proc.took
			}
			e.most = max(e.most, r.proc.took)
			out[l] = e
		}
	}
	return out
}
