// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sluggish is a Jaeger that takes its time for each trace that it answers, in a bubble:
// without sockets.
type sluggish struct {
	*fake
	each  time.Duration
	busy  int  // so many answers take an hour more
	probe bool // the first question for one trace takes an hour more
	limit int  // longer answers are an error of a proxy's; 0: no proxy is there
}

func (s *sluggish) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	traces := bytes.Count(rec.Body.Bytes(), []byte(`"grpc.server.shutdown started"`))
	takes := time.Duration(traces) * s.each
	if s.asked() <= s.busy {
		takes += time.Hour
	}
	if s.probe && r.URL.Query().Get("query.num_traces") == "1" {
		s.probe = false
		takes += time.Hour
	}
	if most := time.Duration(s.limit) * s.each; s.limit > 0 && takes > most {
		takes = most
		rec = httptest.NewRecorder()
		http.Error(rec, "upstream request timeout", http.StatusGatewayTimeout)
	}
	t := time.NewTimer(takes)
	defer t.Stop()
	select {
	case <-t.C:
		return rec.Result(), nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// TestSlow: a Jaeger that is too slow for a question is asked for less, until it answers
// in time; all that it has is counted, and what it cannot answer is said.
func TestSlow(t *testing.T) {
	const second = time.Second
	together := func(n int) []*run { return many(n, 0) }
	for _, tt := range []struct {
		name string
		s    sluggish
		runs []*run
		want int // complete; negative: not complete, and so many at least
		most time.Duration
		asks int
	}{
		{"100 take 100 s", sluggish{each: second}, many(300, 3*second), 300, 45 * time.Minute, 150},
		{"3 are answered in time", sluggish{each: 9 * second}, many(40, 30*second), 40, time.Hour, 150},
		{
			"a proxy has less patience", sluggish{each: second, limit: 10}, many(100, 3*second),
			100, 20 * time.Minute, 120,
		},
		{"all at once", sluggish{each: second, busy: 1}, together(28), 28, 30 * time.Minute, 100},
		{"too many at once", sluggish{each: second}, together(120), -20, 30 * time.Minute, 100},
		{"busy at first", sluggish{busy: 2}, many(1000, second), 1000, 5 * time.Minute, 80},
		{"busy when probed", sluggish{probe: true}, many(300, second), 300, 5 * time.Minute, 80},
	} {
		synctest.Test(t, func(t *testing.T) {
			tt.s.fake = &fake{runs: tt.runs}
			c, err := NewClient(Config{URL: "http://jaeger:16686", Timeout: 30 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			c.http.Transport = &tt.s
			q := tt.s.queryOf(c)
			began := time.Now()
			r, err := Collect(t.Context(), q)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			all := r.Counts.All
			if r.Complete != (tt.want >= 0) || all != tt.want && (r.Complete || all < -tt.want) {
				t.Errorf("%s: %d shutdowns, %q", tt.name, all, r.Incomplete)
			}
			n, took, slow := tt.s.asked(), time.Since(began), r.Search.Slow
			t.Logf("%s: %d questions, %d too late, %s", tt.name, n, slow, took)
			if n > tt.asks || took > tt.most || slow == 0 {
				t.Errorf("%s: want %d questions and %s at most, and some too late", tt.name, tt.asks, tt.most)
			}
		})
	}
}

// TestTooSlow: of a Jaeger that does not answer even for a moment's shutdowns this is
// said, after no more patience than for one that is restarted.
func TestTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sluggish{fake: &fake{}, busy: 1000}
		c, err := NewClient(Config{URL: "http://jaeger:16686", Timeout: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		c.http.Transport = s
		began := time.Now()
		_, err = Collect(t.Context(), s.queryOf(c))
		if err == nil || !strings.Contains(err.Error(), "no whole answer within 30s") {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); s.asked() != maxLate || took > 3*time.Minute {
			t.Errorf("%d questions in %s", s.asked(), took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = Collect(ctx, s.queryOf(c))
		if err == nil || !strings.HasPrefix(err.Error(), "ended after 0 ") {
			t.Errorf("interrupted: %v", err)
		}
	})
}

// TestCrowdedWhenSlow: an instant is asked for as much as Jaeger may give, however little
// it was asked for before.
func TestCrowdedWhenSlow(t *testing.T) {
	f := newFake(t, many(3000, 0)...)
	q := f.query(t)
	w := &windows{collector: newCollector(q), operation: operationServer, limit: leastLimit}
	at := f.runs[0].start.Add(time.Microsecond)
	if err := w.crowded(t.Context(), at, at.Add(instant)); err != nil {
		t.Fatal(err)
	}
	if n := w.tally.all(); n != 3000 || len(w.incomplete) > 0 {
		t.Errorf("%d shutdowns, %q", n, w.incomplete)
	}
}
