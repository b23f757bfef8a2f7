// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/hermetic"
	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/internal/woven"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/tracer"
)

// byHand is a sink whose points are called around grpc's exported functions, as an
// instrumented grpc does: those inside of its stop are missing.
type byHand struct {
	*sink
	made    int // Tracers that the sink has made
	mu      sync.Mutex
	reports []*tracer.Report
}

func newByHand(t *testing.T, p points) *byHand {
	t.Helper()
	if len(woven.Points()) > 0 {
		t.Skip("the points are called already")
	}
	h := &byHand{sink: newSink(p)}
	own := h.tracer(t)
	h.base = func() *tracer.Tracer { h.made++; return own }
	return h
}

// tracer makes one whose reports are kept.
func (h *byHand) tracer(t *testing.T) *tracer.Tracer {
	t.Helper()
	own, err := tracer.New(hermetic.Context(context.Background()),
		tracer.WithLogger(slog.New(slog.DiscardHandler)),
		tracer.WithReport(func(r *tracer.Report) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.reports = append(h.reports, r)
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Close)
	return own
}

func (h *byHand) newServer() *grpc.Server {
	use, made := h.NewServer(nil)
	s := grpc.NewServer(use...)
	made(s)
	return s
}

// registrar is a server whose methods are points, but for those that are missing.
type registrar struct {
	*grpc.Server
	h *byHand
}

func (r registrar) RegisterService(sd *grpc.ServiceDesc, impl any) {
	if !r.h.points.has(pointRegister) {
		r.Server.RegisterService(sd, impl)
		return
	}
	r.Server.RegisterService(r.h.RegisterService(r.Server, sd), impl)
}

func (r registrar) Serve(lis net.Listener) error {
	r.h.Begin(pointAddConn, r.Server, nil)
	if !r.h.points.has(pointServe) {
		return r.Server.Serve(lis)
	}
	use, returning := r.h.Serve(r.Server, lis)
	defer returning()
	return r.Server.Serve(use)
}

func (r registrar) GracefulStop() {
	defer r.h.Stop(r.Server, true)()
	r.Server.GracefulStop()
}

func (r registrar) Stop() {
	defer r.h.Stop(r.Server, false)()
	r.Server.Stop()
}

// run serves the greeter and returns a client of it, and what waits for Serve.
func (h *byHand) run(t *testing.T, s interface {
	grpc.ServiceRegistrar
	Serve(net.Listener) error
}) (c greeterv1.GreeterClient, served func()) {
	t.Helper()
	greeterv1.RegisterGreeterServer(s, &greeter.Server{})
	lis := servertest.Listen()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(lis); err != nil {
			t.Error(err)
		}
	}()
	conn, err := grpc.NewClient("passthrough:///greeter",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return lis.Dial(ctx)
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return greeterv1.NewGreeterClient(conn), func() { <-done }
}

// hello makes an RPC that takes d.
func hello(c greeterv1.GreeterClient, d time.Duration) {
	_, _ = c.SayHello(context.Background(), &greeterv1.SayHelloRequest{Duration: durationpb.New(d)})
}

// told are the reports by now.
func (h *byHand) told() []*tracer.Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reports
}
