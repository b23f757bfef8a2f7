// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// lines are log records, as text; hang keeps those that are about handlers.
type lines struct {
	slog.Handler
	mu    sync.Mutex // guards following
	begun time.Time
	all   []string
	hang  <-chan struct{}
}

func (*lines) Enabled(context.Context, slog.Level) bool { return true }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	if !strings.Contains(r.Message, "outlived") {
		return nil
	}
	if l.hang != nil {
		<-l.hang
	}
	line := fmt.Sprintf("%s %s", time.Since(l.begun), r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "handlers" || a.Key == "held_ms" {
			line += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
	return nil
}

// outlive stops a server of which three handlers run on.
func outlive(t *testing.T, l *lines) (*Tracer, []*watch.RPC) {
	t.Helper()
	l.begun = time.Now()
	tr, err := New(context.Background(), WithLogger(slog.New(l)), WithExporter((&sink{}).factory))
	if err != nil {
		t.Fatal(err)
	}
	m := &watch.Method{Name: "pkg.Service/Method", Short: "Service/Method", Registered: true}
	rpcs := make([]*watch.RPC, 3)
	for i := range rpcs {
		rpcs[i] = tr.Table().Begin(context.Background(), m)
	}
	s, _ := tr.BeginShutdown(Call{})
	s.Returned()
	s.Finish(context.Background())
	return tr, rpcs
}

// TestOutlived: handlers are followed until they end; one that ends with the stop
// is not told, and nobody is left.
func TestOutlived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{}
		tr, rpcs := outlive(t, l)
		tr.Table().End(rpcs[0]) // at once
		time.Sleep(3500 * time.Millisecond)
		tr.Table().End(rpcs[1])
		time.Sleep(4 * time.Second)
		tr.Table().End(rpcs[2])
		synctest.Wait()
		time.Sleep(time.Hour)
		if diff := cmp.Diff([]string{
			"1s handler outlived shutdown handlers=2 held_ms=1000",
			"3s handler outlived shutdown handlers=2 held_ms=3000",
			"3.5s outlived handler ended handlers=1 held_ms=3500",
			"6s handler outlived shutdown handlers=1 held_ms=6000",
			"7.5s outlived handler ended handlers=0 held_ms=7500",
		}, l.all); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
		if n := len(tr.outlive.all); n != 0 {
			t.Errorf("%d are kept", n)
		}
		tr.Close()
	})
}

// TestOutlivedClosed: Close ends it, and waits for a logger that hangs, but not
// for ever; the handlers are not held up.
func TestOutlivedClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		l := &lines{hang: hang}
		tr, rpcs := outlive(t, l)
		time.Sleep(2 * time.Second) // the first record hangs
		begin := time.Now()
		tr.Table().End(rpcs[0])
		if took := time.Since(begin); took > 0 {
			t.Errorf("a handler was held up for %s", took)
		}
		tr.Close()
		if took := time.Since(begin); took != outlivedClose {
			t.Errorf("Close took %s, want %s", took, outlivedClose)
		}
		close(hang)
		synctest.Wait()
		for _, r := range rpcs[1:] {
			tr.Table().End(r)
		}
		time.Sleep(time.Hour)
		if len(l.all) != 1 {
			t.Errorf("after Close there are records: %v", l.all)
		}
	})
}
