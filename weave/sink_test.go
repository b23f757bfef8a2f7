// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/watch"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// want checks that there was one shutdown, of 3 s, held by SayHello.
func want(t *testing.T, h *byHand, outcome tracer.Outcome) *tracer.Report {
	t.Helper()
	all := h.told()
	if len(all) != 1 {
		t.Fatalf("%d reports, want one", len(all))
	}
	r := all[0]
	if r.Outcome != outcome || time.Duration(r.Duration).Round(time.Second) != 3*time.Second {
		t.Errorf("%s in %s, want %s in 3s", r.Outcome, r.Duration, outcome)
	}
	if !strings.Contains(r.Verdict, "greeter.v1.Greeter/SayHello") {
		t.Errorf("the verdict does not name the RPC: %s", r.Verdict)
	}
	return r
}

// TestMissingPointsFallBack has each point missing: what it told is then seen from
// outside, or the RPCs are all there is.
func TestMissingPointsFallBack(t *testing.T) {
	for _, missing := range append([]string{""}, expected...) {
		if missing == pointStop {
			continue // TestMissingStop
		}
		t.Run("without "+missing, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newByHand(t, without(append([]string{missing}, inside...)...))
				s := registrar{h.make(missing), h}
				c, served := h.run(t, s)
				go hello(c, 3*time.Second)
				synctest.Wait()
				s.GracefulStop()
				served()
				want(t, h, tracer.OutcomeGraceful)
			})
		})
	}
}

// inside are the points inside of stop, which are not called by hand.
var inside = []string{pointListeners, pointServeWait, pointDrain, pointConnWait, pointHandlerWait}

// make makes a server, as a grpc does that lacks a point.
func (h *byHand) make(missing string) *grpc.Server {
	if missing == pointNewServer {
		return grpc.NewServer()
	}
	return h.newServer()
}

// TestMissingStop leaves the listener's Close, as without any point.
func TestMissingStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newByHand(t, without(append(inside, pointStop)...))
		s := registrar{h.newServer(), h}
		c, served := h.run(t, s)
		go hello(c, 3*time.Second)
		synctest.Wait()
		s.Server.GracefulStop()
		served()
		synctest.Wait()
		time.Sleep(time.Second) // nobody waits for the report
		if r := want(t, h, tracer.OutcomeGraceful); r.Call != "" {
			t.Errorf("the call is %q, nobody announced one", r.Call)
		}
	})
}

// TestStopOnTop forces: the GracefulStop's report says so, and there is one.
func TestStopOnTop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newByHand(t, without(inside...))
		s := registrar{h.newServer(), h}
		c, served := h.run(t, s)
		go hello(c, time.Hour)
		synctest.Wait()
		time.AfterFunc(3*time.Second, s.Stop)
		s.GracefulStop()
		served()
		synctest.Wait() // either call may be the one that hands out the report
		if r := want(t, h, tracer.OutcomeForced); r.RPCsCut["greeter.v1.Greeter/SayHello"] != 1 {
			t.Errorf("cut: %v, want SayHello once", r.RPCsCut)
		}
		s.Stop() // programs defer it
		want(t, h, tracer.OutcomeForced)
	})
}

// TestServeWaitsForFlush: main returns after Serve.
func TestServeWaitsForFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newByHand(t, without(inside...))
		s := registrar{h.newServer(), h}
		_, served := h.run(t, s)
		synctest.Wait()
		ended := h.Stop(s.Server, true)
		s.Server.GracefulStop() // Serve is through with grpc
		synctest.Wait()
		done := make(chan struct{})
		go func() { served(); close(done) }()
		synctest.Wait()
		select {
		case <-done:
			t.Error("Serve returned before the flush")
		default:
		}
		ended()
		<-done
		if n := len(h.told()); n != 1 {
			t.Errorf("%d reports, want one", n)
		}
	})
}

// TestUnusedServer is of no interest: programs stop such ones as a matter of form.
func TestUnusedServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newByHand(t, without(inside...))
		s := registrar{h.newServer(), h}
		s.GracefulStop()
		s.Stop()
		if n := len(h.told()); n != 0 {
			t.Errorf("%d reports, want none", n)
		}
	})
}

// TestBothModes has one trace, of the Tracer that the application made.
func TestBothModes(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(h *byHand, own *tracer.Tracer) (s *server.Server, tracers int)
	}{
		{"server.New", func(h *byHand, own *tracer.Tracer) (*server.Server, int) {
			opts, made := h.NewServer(interceptors.Install(own, nil))
			s := server.New(own, opts...)
			g := s.Unwrap().(*grpc.Server)
			made(g)
			h.Claim(g, own)
			return s, 0
		}},
		{"server.Wrap", func(h *byHand, own *tracer.Tracer) (*server.Server, int) {
			g := h.newServer()
			s := server.Wrap(g, own)
			h.Claim(g, own)
			return s, 1
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newByHand(t, without(inside...))
				own := h.tracer(t)
				s, tracers := tt.make(h, own)
				g := s.Unwrap().(*grpc.Server)
				c, served := h.run(t, s)
				go hello(c, 3*time.Second)
				synctest.Wait()
				time.AfterFunc(time.Second, func() { h.Stop(g, true)() }) // as grpc's own is called
				if err := s.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
				served()
				want(t, h, tracer.OutcomeGraceful)
				if h.made != tracers {
					t.Errorf("%d Tracers of our own, want %d", h.made, tracers)
				}
			})
		})
	}
}

// TestBoundariesWin: what grpc's source tells is taken, and nothing else.
func TestBoundariesWin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newByHand(t, expected)
		s := registrar{h.newServer(), h}
		_, served := h.run(t, s)
		synctest.Wait()
		ended := h.Stop(s.Server, true)
		after := func(d time.Duration, f func(string, any, any), point string) {
			time.Sleep(d)
			f(point, s.Server, nil)
		}
		after(time.Millisecond, h.Begin, pointListeners)
		after(2*time.Millisecond, h.End, pointListeners)
		s.Server.Stop()
		after(3*time.Millisecond, h.End, pointServeWait)
		after(4*time.Millisecond, h.End, pointDrain)
		after(5*time.Millisecond, h.Begin, pointHandlerWait)
		time.Sleep(6 * time.Millisecond)
		ended()
		served()
		for i, p := range h.told()[0].Phases {
			if d := time.Duration(i+1) * time.Millisecond; time.Duration(p.Duration) != d {
				t.Errorf("%s took %s, want %s", p.Name, p.Duration, d)
			}
		}
	})
}

// TestServersAreForgotten: what is known of a server does not keep it alive, nor
// outlive it.
func TestServersAreForgotten(t *testing.T) {
	h := newByHand(t, expected)
	func() {
		s := h.newServer()
		h.RegisterService(s, &grpc.ServiceDesc{ServiceName: "s"})
		s.Stop() // channelz keeps it until then
	}()
	for range 100 {
		runtime.GC()
		n := 0
		h.servers.Range(func(any, any) bool { n++; return true })
		if n == 0 {
			return
		}
		runtime.Gosched()
	}
	t.Error("a server that is gone is still known")
}

// TestEveryBoundaryNeedsPoints: one that none tells would be waited for.
func TestEveryBoundaryNeedsPoints(t *testing.T) {
	for b := watch.ListenersClosing; b <= watch.ConnsGone; b++ {
		if len(needs[b]) == 0 {
			t.Errorf("boundary %d needs no point", b)
		}
	}
}
