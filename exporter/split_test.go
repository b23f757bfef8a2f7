// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// refusing is an exporter that notes how many spans it is sent and takes
// what refuse returns nil for, in a millisecond.
func refusing(sizes *[]int, refuse func(spans []sdktrace.ReadOnlySpan) error) *fake {
	return &fake{export: func(_ context.Context, _ int, spans []sdktrace.ReadOnlySpan) error {
		*sizes = append(*sizes, len(spans))
		time.Sleep(time.Millisecond) // meanwhile the queue fills
		return refuse(spans)
	}}
}

// runs writes sizes with equal neighbours as one: 3 5 5 is 3 2*5.
func runs(sizes []int) string {
	var words []string
	for len(sizes) > 0 {
		n := 1
		for n < len(sizes) && sizes[n] == sizes[0] {
			n++
		}
		word := strconv.Itoa(sizes[0])
		if n > 1 {
			word = fmt.Sprintf("%d*%d", n, sizes[0])
		}
		words, sizes = append(words, word), sizes[n:]
	}
	return strings.Join(words, " ")
}

func tooManyBytes(limit int) func([]sdktrace.ReadOnlySpan) error {
	return func(spans []sdktrace.ReadOnlySpan) error {
		size := 0
		for _, s := range spans {
			size += spanSize(s)
		}
		if size > limit {
			return status.Errorf(codes.ResourceExhausted,
				"grpc: received message larger than max (%d vs. %d)", size, limit)
		}
		return nil
	}
}

func tooManySpans(limit int) func([]sdktrace.ReadOnlySpan) error {
	return func(spans []sdktrace.ReadOnlySpan) error {
		if len(spans) > limit {
			return status.Error(codes.ResourceExhausted, "data refused due to high memory usage")
		}
		return nil
	}
}

// emitMany emits the first span, which goes out alone, and n more.
func emitMany(s *Session, n int) {
	s.Emit(span(0, "first"))
	synctest.Wait()
	for i := range n {
		s.Emit(span(i+1, strings.Repeat("x", 1000)))
	}
}

// TestALimitOnTheMessageIsFoundOnce: half and half again, at once, and never more
// than what was taken.
func TestALimitOnTheMessageIsFoundOnce(t *testing.T) {
	var sizes []int
	exp := refusing(&sizes, tooManyBytes(256<<10))
	bubble(t, exp, func(t *testing.T, s *Session) {
		emitMany(s, 1000)
		time.Sleep(time.Second)
		emitMany(s, 1000)
		wantResult(t, flushIn(t, s, 10*time.Millisecond), 2002, nil)
	})
	// 1,000 spans are 1.1 MiB: a half and a quarter are too much, an eighth is not.
	want := "1 1000 499 249 8*124 8 1 8*124 8"
	if diff := cmp.Diff(want, runs(sizes)); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestAnOverloadIsAskedForLess: with pauses, and for more only now and then.
func TestAnOverloadIsAskedForLess(t *testing.T) {
	var sizes []int
	exp := refusing(&sizes, tooManySpans(100))
	bubble(t, exp, func(t *testing.T, s *Session) {
		emitMany(s, 1000)
		wantResult(t, flushIn(t, s, 324*time.Millisecond), 1001, nil)
	})
	want := "1 1000 499 249 124 61 124 8*61 124 7*61 24"
	if diff := cmp.Diff(want, runs(sizes)); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestOneSpanThatIsTooLarge is lost alone, without a pause.
func TestOneSpanThatIsTooLarge(t *testing.T) {
	var sizes []int
	exp := refusing(&sizes, tooManyBytes(256<<10))
	bubble(t, exp, func(t *testing.T, s *Session) {
		emitMany(s, 10)
		s.Emit(span(99, strings.Repeat("x", 300<<10)))
		s.Emit(span(100, "behind it"))
		r := flushIn(t, s, 5*time.Millisecond)
		wantResult(t, r, 12, map[string]int{lostExhausted: 1})
	})
}

// TestOneSpanThatIsRefusedForItself: the others pass, and it is tried three times.
func TestOneSpanThatIsRefusedForItself(t *testing.T) {
	alone := 0
	exp := &fake{export: func(_ context.Context, _ int, spans []sdktrace.ReadOnlySpan) error {
		for _, s := range spans {
			if s.Name() == "poison" {
				if len(spans) == 1 {
					alone++
				}
				return status.Error(codes.ResourceExhausted, "no")
			}
		}
		return nil
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "poison"))
		for n := range 60 {
			time.Sleep(100 * time.Millisecond)
			s.Emit(span(n+2, "x"))
		}
		wantResult(t, flushIn(t, s, 0), 60, map[string]int{lostExhausted: 1})
	})
	if alone > 2*aloneLimit {
		t.Errorf("tried alone %d times", alone)
	}
}

// TestAnOverloadThatPasses: what was refused for seconds is sent as soon as it may
// be, in requests that grow.
func TestAnOverloadThatPasses(t *testing.T) {
	var sizes []int
	var until time.Time
	exp := refusing(&sizes, func([]sdktrace.ReadOnlySpan) error {
		if time.Now().Before(until) {
			return status.Error(codes.ResourceExhausted, "too busy")
		}
		return nil
	})
	bubble(t, exp, func(t *testing.T, s *Session) {
		until = time.Now().Add(5*time.Second + time.Millisecond)
		emitMany(s, 1000)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		calls := exp.called()
		if calls > 25 {
			t.Errorf("%d requests in 5 s of overload", calls)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		wantResult(t, flushIn(t, s, 0), 1001, nil)
		if more := len(sizes) - calls; more > 21 {
			t.Errorf("%d requests for 1,001 spans: %v", more, sizes[calls:])
		}
	})
}

// TestAnOverloadThatLasts costs the exit one more request, or what it takes to
// find out that it is one.
func TestAnOverloadThatLasts(t *testing.T) {
	for _, tt := range []struct{ before, costs time.Duration }{
		{10 * time.Second, time.Millisecond},
		{0, 1706 * time.Millisecond},
	} {
		t.Run(fmt.Sprint(tt.before), func(t *testing.T) {
			var sizes []int
			exp := refusing(&sizes, tooManySpans(0))
			bubble(t, exp, func(t *testing.T, s *Session) {
				emitMany(s, 1000)
				time.Sleep(tt.before)
				synctest.Wait()
				calls := exp.called()
				wantResult(t, flushIn(t, s, tt.costs), 0, map[string]int{lostExhausted: 1001})
				t.Logf("%d requests before the flush, %d in it", calls, len(sizes)-calls)
			})
		})
	}
}

// TestWindow: what it asks for of a collector that takes at most max, for a while.
func TestWindow(t *testing.T) {
	for _, limit := range []int{1, 7, 1000, batchBytes / 3, batchBytes} {
		w := newWindow(batchBytes)
		sent, refused := 0, 0
		for range 200 {
			size := w.room
			if size > limit {
				refused++
				w.refused(size)
				continue
			}
			sent += size
			w.taken(size)
		}
		if refused > 45 || sent < 70*limit {
			t.Errorf("limit %d: %d of 200 refused, %d sent: %+v", limit, refused, sent, w)
		}
	}
}

// TestBackWithoutRoom: a collector that was away, and is there again in the flush but
// has no room, is not gone.
func TestBackWithoutRoom(t *testing.T) {
	exp := &fake{export: func(_ context.Context, call int, _ []sdktrace.ReadOnlySpan) error {
		switch {
		case call == 1:
			return nil
		case call < 4:
			return errAway
		}
		return &httpError{status: http.StatusTooManyRequests}
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "a"))
		synctest.Wait()
		s.Emit(span(2, "b"))
		r := flushIn(t, s, 1900*time.Millisecond)
		wantResult(t, r, 1, map[string]int{lostExhausted: 1})
		if r.GoneAt != 0 {
			t.Errorf("gone at %v", r.GoneAt)
		}
	})
}
