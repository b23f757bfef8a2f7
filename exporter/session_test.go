// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var (
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	errAway    = status.Error(codes.Unavailable, "connection reset")
)

// bubble runs f in a synctest bubble with a session on exp.
func bubble(t *testing.T, exp *fake, f func(t *testing.T, s *Session)) {
	t.Helper()
	clean(t)
	synctest.Test(t, func(t *testing.T) {
		e := mustNew(t, Config{Factory: exp.factory, ScopeName: "test"})
		f(t, e.Open())
	})
}

// flushIn flushes and wants it to take exactly d of bubble time.
func flushIn(t *testing.T, s *Session, d time.Duration) Result {
	t.Helper()
	start := time.Now()
	r := s.Flush(context.Background())
	if took := time.Since(start); took != d {
		t.Errorf("Flush took %v, want %v", took, d)
	}
	return r
}

func wantResult(t *testing.T, got Result, sent int, lost map[string]int) {
	t.Helper()
	if diff := cmp.Diff(Result{Sent: sent, Lost: lost}, Result{Sent: got.Sent, Lost: got.Lost}); diff != "" {
		t.Errorf("result (-want +got), err %v:\n%s", got.Err, diff)
	}
	if (len(lost) > 0) != (got.Err != nil) && lost[lostAfterFlush] == 0 && lost[lostQueueFull] == 0 {
		t.Errorf("lost %v with error %v", lost, got.Err)
	}
}

func TestIdleSessionSendsAtOnce(t *testing.T) {
	var at []time.Duration
	exp := &fake{}
	bubble(t, exp, func(t *testing.T, s *Session) {
		opened := time.Now()
		exp.export = func(context.Context, int, []sdktrace.ReadOnlySpan) error {
			at = append(at, time.Since(opened))
			return nil
		}
		for range 3 {
			s.Emit(span(1, "a"))
			synctest.Wait()
			time.Sleep(time.Second)
		}
		wantResult(t, flushIn(t, s, 0), 3, nil)
		if diff := cmp.Diff([]time.Duration{0, time.Second, 2 * time.Second}, at); diff != "" {
			t.Errorf("sent at (-want +got):\n%s", diff)
		}
		if exp.shut == 0 {
			t.Error("the exporter was not shut down")
		}
	})
}

func TestSpansGatherWhileOneExportIsInFlight(t *testing.T) {
	var sizes []int
	exp := &fake{export: func(_ context.Context, _ int, spans []sdktrace.ReadOnlySpan) error {
		sizes = append(sizes, len(spans))
		time.Sleep(100 * time.Millisecond)
		return nil
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "started"))
		synctest.Wait()
		for n := range 1900 {
			s.Emit(span(n+2, "rpc"))
		}
		wantResult(t, flushIn(t, s, 200*time.Millisecond), 1901, nil)
		if diff := cmp.Diff([]int{1, 1900}, sizes); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
	})
}

func TestBatchesStayUnderTheLimit(t *testing.T) {
	var sizes []int
	exp := &fake{export: func(_ context.Context, _ int, spans []sdktrace.ReadOnlySpan) error {
		sizes = append(sizes, len(spans))
		time.Sleep(time.Millisecond)
		return nil
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "first"))
		synctest.Wait()
		for n := range 7 {
			s.Emit(span(n+2, strings.Repeat("x", 1<<20)))
		}
		s.Emit(span(9, strings.Repeat("x", batchBytes+1)))
		wantResult(t, flushIn(t, s, 6*time.Millisecond), 9, nil)
		if diff := cmp.Diff([]int{1, 2, 2, 2, 1, 1}, sizes); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
	})
}

func TestAFullQueueIsCounted(t *testing.T) {
	exp := &fake{export: func(ctx context.Context, _ int, _ []sdktrace.ReadOnlySpan) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "in flight"))
		synctest.Wait()
		for n := range queueSpans + 7 {
			s.Emit(span(n, "x"))
		}
		r := flushIn(t, s, 1900*time.Millisecond)
		wantResult(t, r, 0, map[string]int{lostQueueFull: 7, lostTimeout: queueSpans + 1})
	})
}

func TestMuteExporterCostsTheBudgetAndNoMore(t *testing.T) {
	exp := &fake{export: func(ctx context.Context, _ int, _ []sdktrace.ReadOnlySpan) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "a"))
		s.Emit(span(2, "b"))
		wantResult(t, flushIn(t, s, 1900*time.Millisecond), 0, map[string]int{lostTimeout: 2})
	})
}

func TestFlushNeverPassesItsContext(t *testing.T) {
	t.Run("deadline", func(t *testing.T) {
		exp := &fake{export: func(ctx context.Context, _ int, _ []sdktrace.ReadOnlySpan) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		bubble(t, exp, func(t *testing.T, s *Session) {
			s.Emit(span(1, "a"))
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			start := time.Now()
			wantResult(t, s.Flush(ctx), 0, map[string]int{lostTimeout: 1})
			if took := time.Since(start); took != 95*time.Millisecond {
				t.Errorf("Flush took %v, want 95ms of the 100ms it had", took)
			}
		})
	})
	t.Run("cancelled", func(t *testing.T) {
		exp := &fake{export: func(ctx context.Context, _ int, _ []sdktrace.ReadOnlySpan) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		bubble(t, exp, func(t *testing.T, s *Session) {
			s.Emit(span(1, "a"))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			start := time.Now()
			wantResult(t, s.Flush(ctx), 0, map[string]int{lostTimeout: 1})
			if took := time.Since(start); took != 0 {
				t.Errorf("Flush took %v with a cancelled context", took)
			}
		})
	})
}

func TestExporterThatIgnoresItsContextIsAbandoned(t *testing.T) {
	exp := &fake{export: func(context.Context, int, []sdktrace.ReadOnlySpan) error {
		time.Sleep(time.Hour)
		return nil
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "a"))
		s.Emit(span(2, "b"))
		r := flushIn(t, s, 2*time.Second)
		wantResult(t, r, 0, map[string]int{lostTimeout: 2})
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		wantResult(t, s.Flush(t.Context()), 0, map[string]int{lostTimeout: 2})
	})
}

func TestNobodyThereAddsNoDelay(t *testing.T) {
	for name, err := range map[string]error{"network": errRefused, "grpc": errAway} {
		t.Run(name, func(t *testing.T) {
			var limits []time.Duration
			exp := &fake{export: func(ctx context.Context, _ int, _ []sdktrace.ReadOnlySpan) error {
				d, _ := ctx.Deadline()
				limits = append(limits, time.Until(d))
				return err
			}}
			bubble(t, exp, func(t *testing.T, s *Session) {
				s.Emit(span(1, "a"))
				time.Sleep(time.Millisecond)
				s.Emit(span(2, "b"))
				r := flushIn(t, s, 0)
				wantResult(t, r, 0, map[string]int{lostUnreachable: 2})
				if r.GoneAt != 0 {
					t.Errorf("gone at %v, but it was never there", r.GoneAt)
				}
				if diff := cmp.Diff([]time.Duration{attemptLimit, lastAttempt}, limits); diff != "" {
					t.Errorf("limits of the attempts (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestLastAttemptTakesAHundredMillisecondsAtMost(t *testing.T) {
	exp := &fake{export: func(ctx context.Context, call int, _ []sdktrace.ReadOnlySpan) error {
		if call == 1 {
			return errRefused
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "a"))
		synctest.Wait()
		wantResult(t, flushIn(t, s, lastAttempt), 0, map[string]int{lostUnreachable: 1})
	})
}

func TestLastAttemptMayFindTheCollector(t *testing.T) {
	exp := &fake{export: func(_ context.Context, call int, _ []sdktrace.ReadOnlySpan) error {
		if call == 1 {
			return errRefused
		}
		return nil
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "a"))
		synctest.Wait()
		s.Emit(span(2, "b"))
		wantResult(t, flushIn(t, s, 0), 2, nil)
	})
}

func TestRetryBacksOffWhileTheSessionLives(t *testing.T) {
	var at []time.Duration
	exp := &fake{}
	bubble(t, exp, func(t *testing.T, s *Session) {
		opened := time.Now()
		exp.export = func(_ context.Context, call int, _ []sdktrace.ReadOnlySpan) error {
			at = append(at, time.Since(opened)/time.Millisecond)
			if call < 7 {
				return errAway
			}
			return nil
		}
		s.Emit(span(1, "a"))
		time.Sleep(10 * time.Second)
		wantResult(t, flushIn(t, s, 0), 1, nil)
		want := []time.Duration{0, 50, 150, 350, 750, 1250, 1750}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("attempts at ms (-want +got):\n%s", diff)
		}
	})
}

func TestThrottlingIsObeyed(t *testing.T) {
	exp := &fake{export: func(_ context.Context, call int, _ []sdktrace.ReadOnlySpan) error {
		if call == 2 {
			return nil
		}
		return throttled(codes.ResourceExhausted) // come back in 3s
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "a"))
		time.Sleep(2 * time.Second)
		s.Emit(span(2, "b"))
		time.Sleep(time.Second)
		synctest.Wait()       // a went out after 3s, b is told to wait until 6s
		r := flushIn(t, s, 0) // which would end before 6s
		wantResult(t, r, 1, map[string]int{lostExhausted: 1})
	})
}

func TestCollectorThatComesBackIsWaitedForInFlush(t *testing.T) {
	var back time.Time
	exp := &fake{}
	bubble(t, exp, func(t *testing.T, s *Session) {
		exp.export = func(_ context.Context, call int, _ []sdktrace.ReadOnlySpan) error {
			if call == 1 || time.Now().After(back) {
				return nil
			}
			return errAway
		}
		back = time.Now().Add(6 * time.Second)
		s.Emit(span(1, "a"))
		time.Sleep(5 * time.Second)
		s.Emit(span(2, "b"))
		synctest.Wait() // the first attempt has failed
		// Woken by Flush, then after 100, 200, 400 and 500 ms.
		r := flushIn(t, s, 1200*time.Millisecond)
		wantResult(t, r, 2, nil)
		if r.GoneAt != 0 {
			t.Errorf("gone at %v, but it came back", r.GoneAt)
		}
	})
}

func TestCollectorThatIsGoneForGood(t *testing.T) {
	exp := &fake{export: func(_ context.Context, call int, _ []sdktrace.ReadOnlySpan) error {
		if call == 1 {
			return nil
		}
		return errAway
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "a"))
		time.Sleep(5100 * time.Millisecond)
		s.Emit(span(2, "b"))
		time.Sleep(5 * time.Second)
		s.Emit(span(3, "c"))
		r := flushIn(t, s, 1900*time.Millisecond)
		wantResult(t, r, 1, map[string]int{lostGone: 2})
		if r.GoneAt != 5100*time.Millisecond {
			t.Errorf("gone at %v, want 5.1s", r.GoneAt)
		}
	})
}

func TestFinalFailuresAreCountedByReason(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		reason string
	}{
		{"too large", status.Error(codes.ResourceExhausted, "larger than max"), lostExhausted},
		{"token", status.Error(codes.Unauthenticated, "no token"), lostRefused},
		{"no receiver", status.Error(codes.Unimplemented, "unknown service"), lostRefused},
		{"own error", errors.New("disk full"), lostFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			exp := &fake{export: func(_ context.Context, call int, _ []sdktrace.ReadOnlySpan) error {
				if call == 1 {
					return tt.err
				}
				return nil
			}}
			bubble(t, exp, func(t *testing.T, s *Session) {
				s.Emit(span(1, "a"))
				synctest.Wait()
				s.Emit(span(2, "b"))
				r := flushIn(t, s, 0)
				wantResult(t, r, 1, map[string]int{tt.reason: 1})
				if !errors.Is(r.Err, tt.err) {
					t.Errorf("error %v, want %v", r.Err, tt.err)
				}
			})
		})
	}
}

func TestPanicsOfTheUsersCodeAreCounted(t *testing.T) {
	t.Run("exporter", func(t *testing.T) {
		exp := &fake{export: func(context.Context, int, []sdktrace.ReadOnlySpan) error { panic("boom") }}
		bubble(t, exp, func(t *testing.T, s *Session) {
			s.Emit(span(1, "a"))
			wantResult(t, flushIn(t, s, 0), 0, map[string]int{lostPanicked: 1})
		})
	})
	t.Run("factory", func(t *testing.T) {
		clean(t)
		synctest.Test(t, func(t *testing.T) {
			e := mustNew(t, Config{Factory: func(context.Context) (sdktrace.SpanExporter, error) {
				panic("boom")
			}})
			s := e.Open()
			s.Emit(span(1, "a"))
			wantResult(t, flushIn(t, s, 0), 0, map[string]int{lostPanicked: 1})
		})
	})
}

func TestFactoryThatFailsIsCalledAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		until time.Duration
		sent  int
		lost  map[string]int
	}{
		{"for a second", time.Second, 1, nil},
		{"for good", time.Hour, 0, map[string]int{lostFailed: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t)
			synctest.Test(t, func(t *testing.T) {
				exp, ready := &fake{}, time.Now().Add(tt.until)
				e := mustNew(t, Config{Factory: func(context.Context) (sdktrace.SpanExporter, error) {
					if time.Now().Before(ready) {
						return nil, errors.New("certificate is being rotated")
					}
					return exp, nil
				}})
				s := e.Open()
				s.Emit(span(1, "a"))
				time.Sleep(2 * time.Second)
				wantResult(t, flushIn(t, s, 0), tt.sent, tt.lost)
			})
		})
	}
}

func TestEmitAfterFlushIsCounted(t *testing.T) {
	exp := &fake{}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "a"))
		wantResult(t, flushIn(t, s, 0), 1, nil)
		s.Emit(span(2, "b"))
		wantResult(t, flushIn(t, s, 0), 1, map[string]int{lostAfterFlush: 1})
		if diff := cmp.Diff([]string{"a"}, exp.names()); diff != "" {
			t.Errorf("spans (-want +got):\n%s", diff)
		}
	})
}

func TestConcurrentFlushesHaveOneResult(t *testing.T) {
	exp := &fake{export: func(context.Context, int, []sdktrace.ReadOnlySpan) error {
		time.Sleep(time.Second)
		return nil
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "a"))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { wantResult(t, flushIn(t, s, time.Second), 1, nil) })
		}
		wg.Wait()
	})
}

func TestConcurrentEmitLosesNothingUncounted(t *testing.T) {
	clean(t)
	exp := &fake{}
	e := mustNew(t, Config{Factory: exp.factory})
	s := e.Open()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 200 {
				s.Emit(span(g*200+n, "x"))
			}
		})
	}
	s.Flush(t.Context())
	wg.Wait()
	r := s.Flush(t.Context())
	if total(r) != 1600 || r.Sent != len(exp.names()) {
		t.Errorf("sent %d, received %d, lost %v: want 1600 in all", r.Sent, len(exp.names()), r.Lost)
	}
}

func TestCloseEndsASessionThatWasNotFlushed(t *testing.T) {
	clean(t)
	exp := &fake{export: func(ctx context.Context, _ int, _ []sdktrace.ReadOnlySpan) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	synctest.Test(t, func(t *testing.T) {
		e := mustNew(t, Config{Factory: exp.factory})
		s := e.Open()
		s.Emit(span(1, "a"))
		synctest.Wait()
		start := time.Now()
		e.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %v", took)
		}
		wantResult(t, s.Flush(t.Context()), 0, map[string]int{lostTimeout: 1})
	})
}
