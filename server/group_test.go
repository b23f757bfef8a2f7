// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// diary notes what happens, and when.
type diary struct {
	mu    sync.Mutex // guards following
	begin time.Time
	lines []string
}

func newDiary() *diary { return &diary{begin: time.Now()} }

func (d *diary) note(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, time.Since(d.begin).Round(10*time.Millisecond).String()+" "+what)
}

// want compares in the order of time; what happens at one instant has no order.
func (d *diary) want(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	got := slices.Clone(d.lines)
	slices.SortStableFunc(got, func(a, b string) int {
		at, _, _ := strings.Cut(a, " ")
		bt, _, _ := strings.Cut(b, " ")
		if at != bt {
			return 0
		}
		return strings.Compare(a, b)
	})
	if !slices.Equal(got, want) {
		t.Errorf("it went\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// closes is a member's Close that takes d, or ends with its context.
func (d *diary) closes(name string, takes time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		d.note(name + " begins")
		defer d.note(name + " ends")
		select {
		case <-time.After(takes):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// group makes a group of a grpc server and what else there is.
func group(
	t *testing.T, grace time.Duration, members ...server.Member,
) (*server.Group, *servertest.Listener) {
	t.Helper()
	tr := newTracer(t)
	lis := servertest.Listen()
	srv := server.New(tr)
	greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
	g := server.NewGroup(tr, server.GracePeriod(grace))
	g.Add(server.Member{Name: "api", Server: srv, Listeners: listeners(lis)})
	for _, m := range members {
		g.Add(m)
	}
	return g, lis
}

func listeners(l ...net.Listener) []net.Listener { return l }

func start(t *testing.T, g *server.Group) {
	t.Helper()
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestGroupOrder: who names nobody stops at once, the others in their turn.
func TestGroupOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d *diary
		closes := func(name string, takes time.Duration) func(context.Context) error {
			return func(ctx context.Context) error { return d.closes(name, takes)(ctx) }
		}
		g, lis := group(t, 20*time.Second,
			server.Member{Name: "cache", Close: closes("cache", time.Second)},
			server.Member{Name: "database", Close: closes("database", 2*time.Second), After: []string{"api", "cache"}},
			server.Member{Name: "telemetry", Close: closes("telemetry", 0), After: []string{"database"}},
		)
		start(t, g)
		call := hello(t, lis, 5*time.Second)
		synctest.Wait()
		d = newDiary()
		if err := g.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
		if err := <-call; err != nil {
			t.Errorf("the RPC was cut: %v", err)
		}
		d.note("Stop returned")
		d.want(t, "0s cache begins", "1s cache ends", "5s database begins", "7s Stop returned",
			"7s database ends", "7s telemetry begins", "7s telemetry ends")
	})
}

// TestGroupDeadline: nothing makes a group late. A closer that ignores its context
// is left behind, and those after it still have their turn (U35).
func TestGroupDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d *diary
		forever := make(chan struct{})
		defer close(forever)
		deaf := func(context.Context) error {
			d.note("deaf begins")
			<-forever
			return nil
		}
		g, lis := group(t, 10*time.Second,
			server.Member{Name: "deaf", Close: deaf, After: []string{"api"}},
			server.Member{
				Name: "last", After: []string{"deaf"},
				Close: func(ctx context.Context) error { return d.closes("last", time.Hour)(ctx) },
			},
		)
		start(t, g)
		call := hello(t, lis, time.Hour)
		synctest.Wait()
		d = newDiary()
		err := g.Stop(t.Context())
		d.note("Stop returned")
		<-call
		// Without the flush 9 s are left. api has them less a fifth, twice: 5.76 s, of
		// which it needs no more than its drain, nine tenths. deaf has 3.82 s less a
		// fifth, and 100 ms more.
		d.want(t, "5.18s deaf begins", "8.34s last begins", "9s Stop returned", "9s last ends")
		var forced *server.DeadlineError
		if !errors.As(err, &forced) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop: %v, want a *DeadlineError in it", err)
		}
		wantError(t, "Stop", err, "member api: shutdown forced", "member deaf: its stop has not returned",
			"left behind", "member last: context deadline exceeded")
	})
}

// TestGroupDeadlinePassed: everything is told once, and nothing is waited for.
func TestGroupDeadlinePassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d *diary
		g, lis := group(t, 10*time.Second, server.Member{
			Name: "database", After: []string{"api"},
			Close: func(ctx context.Context) error { return d.closes("database", time.Hour)(ctx) },
		})
		start(t, g)
		call := hello(t, lis, time.Hour)
		synctest.Wait()
		d = newDiary()
		ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
		defer cancel()
		err := g.Stop(ctx)
		if took := time.Since(d.begin); took > 150*time.Millisecond {
			t.Errorf("Stop returned after %s", took)
		}
		wantError(t, "Stop", err, "member api: ", "member database: ")
		<-call
	})
}

// TestGroupCancelled: when Stop's context is cancelled the rest is forced.
func TestGroupCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d *diary
		g, lis := group(t, 20*time.Second, server.Member{
			Name: "database", After: []string{"api"},
			Close: func(ctx context.Context) error { return d.closes("database", time.Hour)(ctx) },
		})
		start(t, g)
		call := hello(t, lis, time.Hour)
		synctest.Wait()
		d = newDiary()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		err := g.Stop(ctx)
		d.want(t, "2s database begins", "2s database ends")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Stop: %v, want it cancelled", err)
		}
		<-call
	})
}

// TestGroupMemberFails: the others are stopped, and it is named first.
func TestGroupMemberFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d *diary
		bad := &failing{Listener: servertest.Listen(), fail: make(chan struct{})}
		g, lis := group(t, 20*time.Second,
			server.Member{Name: "web", HTTP: &http.Server{}, Listeners: listeners(bad)},
			server.Member{
				Name: "database", After: []string{"api"},
				Close: func(context.Context) error {
					d.note("database")
					return errors.New("disk full")
				},
			},
		)
		ran := make(chan error, 1)
		go func() { ran <- g.Run(t.Context()) }()
		call := hello(t, lis, 3*time.Second)
		synctest.Wait()
		d = newDiary()
		close(bad.fail)
		<-g.Draining()
		err := <-ran
		d.want(t, "3s database")
		if e := <-call; e != nil {
			t.Errorf("the RPC of another member was cut: %v", e)
		}
		if want := "member web: the cable is cut\nmember database: disk full"; !errors.Is(err, errBroken) ||
			err.Error() != want {
			t.Errorf("Run: %q, want %q", err, want)
		}
	})
}

// failing is a listener whose Accept fails on demand.
type failing struct {
	*servertest.Listener
	fail chan struct{}
}

func (l *failing) Accept() (net.Conn, error) {
	<-l.fail
	return nil, errBroken
}

// TestGroupPanics: in a Close it is that member's error, and the rest is stopped.
func TestGroupPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last := false
		g, _ := group(t, 20*time.Second,
			server.Member{Name: "bad", Close: func(context.Context) error { panic(io.ErrUnexpectedEOF) }},
			server.Member{Name: "gone", Close: func(context.Context) error { runtime.Goexit(); return nil }},
			server.Member{
				Name: "last", After: []string{"bad", "gone"},
				Close: func(context.Context) error { last = true; return nil },
			},
		)
		start(t, g)
		err := g.Stop(t.Context())
		wantError(t, "Stop", err, "member bad: panic: unexpected EOF", "member gone: it has called runtime.Goexit")
		if !errors.Is(err, io.ErrUnexpectedEOF) || !last {
			t.Errorf("Stop: %v; the last member was closed: %t", err, last)
		}
	})
}

// TestGroupStoppedFromOutside: a server that somebody else stops takes the group
// with it, which says so.
func TestGroupStoppedFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := &http.Server{}
		g, _ := group(t, 20*time.Second,
			server.Member{Name: "web", HTTP: web, Listeners: listeners(servertest.Listen())})
		start(t, g)
		_ = web.Close()
		<-g.Draining()
		wantError(t, "Stop", g.Stop(t.Context()), "member web: it was stopped, but not by the group")
	})
}

// TestGroupContext: the context given to Start stops the group, and Stop tells how
// that went.
func TestGroupContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		g, lis := group(t, 20*time.Second)
		if err := g.Start(ctx); err != nil {
			t.Fatal(err)
		}
		call := hello(t, lis, 4*time.Second)
		synctest.Wait()
		begin := time.Now()
		cancel()
		<-g.Draining()
		short, cancelShort := context.WithTimeout(t.Context(), time.Second)
		defer cancelShort()
		wantError(t, "a short Stop", g.Stop(short), "waiting for an earlier stop", "deadline exceeded")
		if err := errors.Join(g.Stop(t.Context()), <-call); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != 4*time.Second {
			t.Errorf("it took %s, want the RPC's 4s", took)
		}
		if err := g.Stop(ctx); err != nil {
			t.Errorf("a Stop after the end, whose context is done: %v", err)
		}
	})
}

// TestGroupRunCancelledAtOnce: a signal before everything is served is no failure.
func TestGroupRunCancelledAtOnce(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			g, lis := group(t, 20*time.Second)
			if err := g.Run(ctx); err != nil {
				t.Errorf("Run: %v, want nil", err)
			}
			if _, err := lis.Dial(t.Context()); err == nil {
				t.Error("the listener is still open")
			}
		})
	}
}

// TestGroupOnce: what comes too early, too late or twice does no harm.
func TestGroupOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := 0
		g, _ := group(t, 20*time.Second, server.Member{
			Name: "database", Close: func(context.Context) error { closed++; return nil },
		})
		if err := g.Stop(t.Context()); err != nil {
			t.Errorf("a Stop before Start: %v", err)
		}
		start(t, g)
		wantError(t, "a second Start", g.Start(t.Context()), "called before")
		g.Add(server.Member{Name: "late", Close: func(context.Context) error { closed++; return nil }})
		var stops sync.WaitGroup
		for range 3 {
			stops.Go(func() { wantError(t, "Stop", g.Stop(t.Context()), "member late: added after Start") })
		}
		stops.Wait()
		if closed != 1 {
			t.Errorf("%d calls of Close, want 1", closed)
		}
	})
}

// TestGroupGracePeriods: a server's own grace period counts if it has that option.
func TestGroupGracePeriods(t *testing.T) {
	for _, tt := range []struct {
		opts []grpc.ServerOption
		want time.Duration
	}{
		{[]grpc.ServerOption{server.GracePeriod(5 * time.Second)}, 4 * time.Second},
		{nil, 57500 * time.Millisecond}, // not the 25 s that a server has alone
	} {
		synctest.Test(t, func(t *testing.T) {
			tr := newTracer(t)
			lis := servertest.Listen()
			srv := server.New(tr, tt.opts...)
			greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
			g := server.NewGroup(tr, server.GracePeriod(time.Minute))
			g.Add(server.Member{Name: "api", Server: srv, Listeners: listeners(lis)})
			start(t, g)
			call := hello(t, lis, time.Hour)
			synctest.Wait()
			begin := time.Now()
			err := g.Stop(t.Context())
			if took := time.Since(begin); took < tt.want || took > tt.want+time.Second {
				t.Errorf("Stop returned after %s, want about %s", took, tt.want)
			}
			wantError(t, "Stop", err, "member api: shutdown forced")
			<-call
		})
	}
}

// TestGroupReportHangs: nor does who gets the report make a stop late.
func TestGroupReportHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		tr := newTracer(t, tracer.WithReport(func(*tracer.Report) { <-release }))
		g := server.NewGroup(tr, server.GracePeriod(2*time.Second))
		g.Add(server.Member{Name: "deaf", Close: func(context.Context) error { <-release; return nil }})
		start(t, g)
		begin := time.Now()
		wantError(t, "Stop", g.Stop(t.Context()), "member deaf: ")
		if took := time.Since(begin); took > 2200*time.Millisecond {
			t.Errorf("Stop took %s", took)
		}
		close(release)
	})
}
