// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// seen is what a Watch has brought, each with the time since the stop began.
type seen struct {
	mu    sync.Mutex // guards following
	began time.Time
	lines []string
}

func (s *seen) add(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.began.IsZero() {
		what += " after " + time.Since(s.began).String()
	}
	s.lines = append(s.lines, what)
}

// watch follows a service's health to its end.
func (p *party) watch(service string) *seen {
	p.t.Helper()
	got := &seen{}
	w, err := healthv1.NewHealthClient(p.conn).Watch(p.t.Context(),
		&healthv1.HealthCheckRequest{Service: service})
	if err != nil {
		p.t.Fatal(err)
	}
	p.clients.Go(func() {
		for {
			res, err := w.Recv()
			if err != nil {
				got.add(status.Convert(err).Code().String() + " " + status.Convert(err).Message())
				return
			}
			got.add(res.GetStatus().String())
		}
	})
	synctest.Wait()
	return got
}

// stopping marks the moment from which times are counted.
func (s *seen) stopping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = time.Now()
}

func (s *seen) want(t *testing.T, lines ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(lines, s.lines); diff != "" {
		t.Errorf("the Watch (-want +got):\n%s", diff)
	}
}

const drainingStatus = "Unavailable server is draining after "

// TestHealthWatch: a Watch ends when NOT_SERVING has been sent on it, or at once
// if there is nothing to send.
func TestHealthWatch(t *testing.T) {
	for name, mk := range map[string]maker{"New": made, "Wrap": wrapped} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := health.NewServer()
				h.SetServingStatus("down", healthv1.HealthCheckResponse_NOT_SERVING)
				p := mk(t, h, server.Health(h))
				serving, down, unknown := p.watch(""), p.watch("down"), p.watch("nobody")
				for _, s := range []*seen{serving, down, unknown} {
					s.stopping()
				}
				p.wantTook(0)
				synctest.Wait()
				serving.want(t, "SERVING", "NOT_SERVING after 0s", drainingStatus+"0s")
				down.want(t, "NOT_SERVING", drainingStatus+"0s")
				unknown.want(t, "SERVICE_UNKNOWN", drainingStatus+"0s")
			})
		})
	}
}

// TestHealthCrowd: of many who watch at once each is told before its stream ends.
func TestHealthCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := health.NewServer()
		p := made(t, h, server.Health(h))
		var crowd []*seen
		for range 100 {
			crowd = append(crowd, p.watch(""))
		}
		p.wantTook(0)
		synctest.Wait()
		for _, w := range crowd {
			w.want(t, "SERVING", "NOT_SERVING", strings.TrimSuffix(drainingStatus, " after "))
		}
	})
}

// TestHealthLameDuck: clients are told at the signal, and have until the drain to
// see it.
func TestHealthLameDuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := health.NewServer()
		p := made(t, h, server.Health(h), server.LameDuck(5*time.Second))
		early := p.watch("")
		early.stopping()
		var late *seen
		p.clients.Go(func() {
			time.Sleep(2 * time.Second)
			res, err := h.Check(t.Context(), &healthv1.HealthCheckRequest{})
			if err != nil || res.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
				t.Errorf("Check during the lame duck: %v, %v", res, err)
			}
			late = p.watch("")
		})
		p.wantTook(5 * time.Second)
		synctest.Wait()
		early.want(t, "SERVING", "NOT_SERVING after 0s", drainingStatus+"5s")
		late.want(t, "NOT_SERVING", strings.TrimSuffix(drainingStatus, " after "))
		r := <-p.reports
		if r.Phases[0].Name != tracer.PhaseNotServing || r.Phases[1].Name != tracer.PhaseLameDuck {
			t.Errorf("the phases begin with %q and %q", r.Phases[0].Name, r.Phases[1].Name)
		}
	})
}

// TestHealthByOtherCalls: whoever stops the server, its clients are told first.
func TestHealthByOtherCalls(t *testing.T) {
	for name, stop := range map[string]func(*server.Server){
		"GracefulStop": (*server.Server).GracefulStop, "Stop": (*server.Server).Stop,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := health.NewServer()
				p := made(t, h, server.Health(h))
				w := p.watch("")
				stop(p.Server)
				synctest.Wait()
				res, err := h.Check(t.Context(), &healthv1.HealthCheckRequest{})
				if err != nil || res.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
					t.Errorf("Check: %v, %v", res, err)
				}
				if name == "GracefulStop" {
					w.want(t, "SERVING", "NOT_SERVING", strings.TrimSuffix(drainingStatus, " after "))
				}
			})
		})
	}
}

// TestHealthBeforeCancelStreams: CancelStreams does not end a Watch before its
// client has been told.
func TestHealthBeforeCancelStreams(t *testing.T) {
	for name, mk := range map[string]maker{"New": made, "Wrap": wrapped} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := health.NewServer()
				later := flip(func() { time.AfterFunc(300*time.Millisecond, h.Shutdown) })
				p := mk(t, h, server.Health(later), server.CancelStreams(0))
				w := p.watch("")
				w.stopping()
				p.wantTook(300 * time.Millisecond)
				synctest.Wait()
				w.want(t, "SERVING", "NOT_SERVING after 300ms", drainingStatus+"300ms")
			})
		})
	}
}

// flip is a health server of somebody's own.
type flip func()

func (f flip) Shutdown() { f() }

// TestHealthOfOthers: a health server that does not do what it should keeps the
// stop for a second, at most twice.
func TestHealthOfOthers(t *testing.T) {
	for _, tt := range []struct {
		name string
		flip func(release <-chan struct{})
		took time.Duration
		log  string
	}{
		{"does nothing", func(<-chan struct{}) {}, time.Second, ""},
		{"panics", func(<-chan struct{}) { panic("oops") }, time.Second, "panic: oops"},
		{"hangs", func(release <-chan struct{}) { <-release }, 2 * time.Second, "not done after 1s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				var log logs
				p := partyOf(t, health.NewServer(), func(*tracer.Tracer) *server.Server {
					logger := slog.New(slog.NewTextHandler(&log, nil))
					return server.New(newTracer(t, tracer.WithLogger(logger)),
						server.Health(flip(func() { tt.flip(release) })))
				})
				w := p.watch("")
				w.stopping()
				p.wantTook(tt.took)
				synctest.Wait()
				w.want(t, "SERVING", drainingStatus+tt.took.String())
				got := log.String()
				if told := strings.Contains(got, "health server not shut down"); told != (tt.log != "") ||
					!strings.Contains(got, tt.log) {
					t.Errorf("the log does not say %q:\n%s", tt.log, got)
				}
			})
		})
	}
}

// logs is a log's text.
type logs struct {
	mu sync.Mutex // guards following
	b  strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// ownHealth is a health service whose Watch ends with the error it is given.
type ownHealth struct {
	healthv1.UnimplementedHealthServer
	end error
}

func (o *ownHealth) Watch(_ *healthv1.HealthCheckRequest, s healthv1.Health_WatchServer) error {
	if err := s.Send(&healthv1.HealthCheckResponse{}); err != nil {
		return err
	}
	<-s.Context().Done()
	return o.end
}

// TestHealthServiceOfOthers: a Watch that ends well when its context is cancelled
// has ended well.
func TestHealthServiceOfOthers(t *testing.T) {
	for _, end := range []error{nil, context.Canceled, errors.New("the wires are cut")} {
		synctest.Test(t, func(t *testing.T) {
			s := server.New(newTracer(t), server.Health(flip(func() {})))
			healthv1.RegisterHealthServer(s, &ownHealth{end: end})
			lis := servertest.Listen()
			go func() { _ = s.Serve(lis) }()
			c, err := servertest.Connect(t.Context(), lis.Dial, servertest.Obedient())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			w, err := c.Open(servertest.Call{Method: healthv1.Health_Watch_FullMethodName})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if err := s.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
			if st := w.Status(); end == nil && st.Code() != codes.OK {
				t.Errorf("%v, want OK", st)
			} else if end != nil {
				wantDraining(t, end.Error(), st.Err())
			}
		})
	}
}

// TestHealthKeepsTime: a health server that hangs does not make Shutdown late.
func TestHealthKeepsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		s := server.New(newTracer(t), server.GracePeriod(100*time.Millisecond),
			server.Health(flip(func() { <-release })))
		began := time.Now()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("it took %s of 100 ms", took)
		}
	})
}

func TestHealthNil(t *testing.T) {
	var none *health.Server
	wantError(t, "a nil *health.Server", server.New(newTracer(t), server.Health(none)).
		Serve(servertest.Listen()), "Health(nil)")
	wantError(t, "nil", server.New(newTracer(t), server.Health(nil)).Serve(servertest.Listen()), "Health(nil)")
}
