// SPDX-License-Identifier: Apache-2.0

package tracertest

import (
	"context"
	"log/slog"
	"time"

	"github.com/gracetrace/gracetrace/internal/hermetic"
	"github.com/gracetrace/gracetrace/tracer"
)

// TB is what the kit needs of a test. *testing.T and *testing.B have it.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Shutdowner is a server that stops by a deadline, as *server.Server does.
type Shutdowner interface {
	Shutdown(context.Context) error
}

// Kit watches the shutdowns of a test. It is for one goroutine, the test's.
type Kit struct {
	tb      TB
	tracer  *tracer.Tracer
	reports chan *tracer.Report
}

// maxReports bounds the servers that stop at once.
const maxReports = 256

// New makes a kit that ends with the test. opts change its Tracer: a logger, an
// exporter. By default, nothing is logged or exported. A WithReport among them
// is ignored: Shutdown and Stop return the report.
func New(tb TB, opts ...tracer.Option) *Kit {
	tb.Helper()
	k := &Kit{tb: tb, reports: make(chan *tracer.Report, maxReports)}
	all := append([]tracer.Option{tracer.WithLogger(slog.New(slog.DiscardHandler))}, opts...)
	t, err := tracer.New(hermetic.Context(context.Background()),
		append(all, tracer.WithReport(k.receive))...)
	if err != nil {
		tb.Fatalf("tracertest: %v", err)
		return k // of a TB that goes on
	}
	tb.Cleanup(t.Close)
	k.tracer = t
	return k
}

// Tracer is the Tracer to make the server with: server.New(kit.Tracer()).
func (k *Kit) Tracer() *tracer.Tracer { return k.tracer }

// Shutdown stops srv as in production, with its own grace period, and returns
// the report. If the stop was not as wanted, the test fails with the verdict and
// goes on.
func (k *Kit) Shutdown(srv Shutdowner, want ...Expectation) *tracer.Report {
	k.tb.Helper()
	ended := make(chan error, 1)
	r := k.Stop(func() { ended <- srv.Shutdown(context.Background()) }, want...)
	if r != nil {
		return r // which says more than the error
	}
	select {
	case err := <-ended:
		k.tb.Errorf("tracertest: Shutdown returned %v", err)
	default:
	}
	return nil
}

// Stop is for what stops in another way: stop is srv.GracefulStop, or cancels
// the context of a Run and waits for it. It is called in a goroutine of its own.
// If several servers stop in it, what is wanted is wanted of each, and the report
// is that of the one that took longest. It is nil if none did.
func (k *Kit) Stop(stop func(), want ...Expectation) *tracer.Report {
	k.tb.Helper()
	if k.tracer == nil || !k.valid(want) {
		return nil
	}
	done := make(chan struct{})
	go func() { // waited for below, unless it hangs
		defer close(done)
		stop()
	}()
	giveUp, release := k.patience(want)
	defer release()
	select {
	case <-done:
	case <-giveUp:
		k.tb.Fatalf("tracertest: the stop hangs:\n%s", k.soFar())
		return nil
	}
	reports := k.collect()
	if len(reports) == 0 {
		k.tb.Errorf("tracertest: no stop was seen: is the server made with the kit's Tracer, " +
			"and not stopped before?")
		return nil
	}
	longest := reports[0]
	for _, r := range reports {
		if r.Duration > longest.Duration {
			longest = r
		}
		k.expect(r, want)
	}
	return longest
}

func (k *Kit) valid(want []Expectation) bool {
	k.tb.Helper()
	for _, e := range want {
		wrong := "a nil Expectation"
		if e != nil {
			wrong = e.valid()
		}
		if wrong != "" {
			k.tb.Fatalf("tracertest: %s", wrong)
			return false
		}
	}
	return true
}

const (
	// afterBudget is how long past its budget a stop may go on, so that the
	// forced stop at the end of a usual grace period is still in the report.
	afterBudget = time.Minute
	// beforeTimeout is what is left of go test's own time to say what hangs.
	beforeTimeout = 5 * time.Second
	// lastReport is how long a report may come after its stop has returned to
	// one who has joined it.
	lastReport = 1100 * time.Millisecond
)

// patience fires when a stop hangs: long after its budget, or when go test would
// soon end it all and say nothing.
func (k *Kit) patience(want []Expectation) (giveUp <-chan time.Time, release func()) {
	limit := time.Duration(0)
	if d := budget(want); d > 0 {
		limit = d + afterBudget
	}
	if at, ok := deadline(k.tb); ok {
		left := max(time.Until(at)-beforeTimeout, time.Second)
		if limit == 0 || left < limit {
			limit = left
		}
	}
	if limit == 0 {
		return nil, func() {}
	}
	t := time.NewTimer(limit)
	return t.C, func() { t.Stop() }
}

// deadline is when go test ends the test. A test in a bubble, whose clock is
// another one, must not ask.
func deadline(tb TB) (at time.Time, ok bool) {
	d, has := tb.(interface{ Deadline() (time.Time, bool) })
	if !has {
		return at, false
	}
	defer func() {
		if recover() != nil {
			at, ok = time.Time{}, false
		}
	}()
	return d.Deadline()
}

func (k *Kit) receive(r *tracer.Report) {
	select {
	case k.reports <- r:
	default: // nobody stops so many
	}
}

// collect returns the reports of the stops that are over.
func (k *Kit) collect() (all []*tracer.Report) {
	for {
		select {
		case r := <-k.reports:
			all = append(all, r)
			continue
		default:
		}
		if len(all) > 0 {
			return all
		}
		late := time.NewTimer(lastReport)
		defer late.Stop()
		select {
		case r := <-k.reports:
			all = append(all, r)
		case <-late.C:
			return nil
		}
	}
}
