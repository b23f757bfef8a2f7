// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/xds"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/hermetic"
	"github.com/gracetrace/gracetrace/internal/selfsigned"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// setup is how a scene's server is made.
type setup struct {
	creds bool // package xds's, which fall back to none at all
	mTLS  bool // the control plane wants it
	watch bool // interceptors.Credentials around them, on the side that is traced
	opts  []grpc.ServerOption
	wrap  []grpc.ServerOption // of server.Wrap
	stuck bool                // there is no certificate
	keep  bool                // the listener keeps its connections
	// mode is called in the serving mode's callback.
	mode func(connectivity.ServingMode)
}

// scene is a server, its control plane and its clients.
type scene struct {
	*testing.T
	traced bool
	setup
	plane *plane
	lis   net.Listener
	addr  net.Addr // its own, or a program's
	dir   string   // of certificates
	inner *xds.GRPCServer
	srv   server.GRPC // what the application has
	modes chan connectivity.ServingMode
	began chan string      // by each handler: how its client is known
	conn  *grpc.ClientConn // of the client that came last

	reports chan *tracer.Report
	served  chan error

	mu      sync.Mutex // guards following
	results []string   // of RPCs, as they end
	pending sync.WaitGroup
	stopped time.Duration // what the stop took
	first   time.Time     // when the first RPC that holds it began
	whole   time.Duration // from then to the end of the stop
}

// newScene returns when the server serves.
func newScene(t *testing.T, traced bool, with setup) *scene {
	t.Helper()
	s := &scene{
		T: t, traced: traced, setup: with, plane: startPlane(t),
		modes: make(chan connectivity.ServingMode, 16), began: make(chan string, 16),
		reports: make(chan *tracer.Report, 4), served: make(chan error, 1),
	}
	var err error
	if s.lis, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if tcp, ok := s.lis.(*net.TCPListener); ok && with.keep {
		s.lis = keeping{tcp, make(chan *net.TCPConn, 1)}
	}
	s.addr = s.lis.Addr()
	s.certify()
	s.configure("first", with.mTLS)
	s.make()
	greeterv1.RegisterGreeterServer(s.srv, &telling{began: s.began})
	go func() { s.served <- s.srv.Serve(s.lis) }()
	s.await(connectivity.ServingModeServing)
	return s
}

// certify makes the certificates that are needed.
func (s *scene) certify() {
	s.Helper()
	if !s.mTLS {
		return
	}
	s.dir = s.TempDir()
	for _, name := range []string{"server", "client"} {
		if _, _, err := selfsigned.Files(s.dir, name); err != nil {
			s.Fatal(err)
		}
	}
}

// make makes the server, as an application does.
func (s *scene) make() {
	s.Helper()
	var t *tracer.Tracer
	if s.traced {
		var err error
		t, err = tracer.New(hermetic.Context(context.Background()),
			tracer.WithLogger(slog.New(slog.DiscardHandler)),
			tracer.WithReport(func(r *tracer.Report) { s.reports <- r }))
		if err != nil {
			s.Fatal(err)
		}
		s.Cleanup(t.Close)
	}
	plugin, config := s.files()
	opts := slices.Concat(s.opts, []grpc.ServerOption{
		xds.BootstrapContentsForTesting(s.plane.bootstrap(s.T, plugin, config)),
		xds.ServingModeCallback(func(_ net.Addr, args xds.ServingModeChangeArgs) {
			s.modes <- args.Mode
			if s.mode != nil {
				s.mode(args.Mode)
			}
		}),
	})
	if s.creds {
		creds, err := xdscreds.NewServerCredentials(xdscreds.ServerOptions{
			FallbackCreds: insecure.NewCredentials(),
		})
		if err != nil {
			s.Fatal(err)
		}
		if s.traced && s.watch {
			creds = interceptors.Credentials(t, creds)
		}
		opts = append(opts, grpc.Creds(creds))
	}
	var err error
	if s.inner, err = xds.NewGRPCServer(opts...); err != nil {
		s.Fatal(err)
	}
	s.srv = s.inner
	if s.traced {
		s.srv = server.Wrap(s.inner, t, s.wrap...)
	}
}

// files is what the server's certificates come from.
func (s *scene) files() (plugin string, config map[string]string) {
	switch {
	case s.stuck:
		return noCertificates.Name(), map[string]string{"server": s.addr.String()}
	case !s.mTLS:
		return "", nil
	}
	return "file_watcher", map[string]string{
		"certificate_file":    filepath.Join(s.dir, "server.crt"),
		"private_key_file":    filepath.Join(s.dir, "server.key"),
		"ca_certificate_file": filepath.Join(s.dir, "client.crt"),
	}
}

// keeping is a listener that keeps what it has accepted.
type keeping struct {
	*net.TCPListener
	conns chan *net.TCPConn
}

func (k keeping) Accept() (net.Conn, error) {
	c, err := k.AcceptTCP()
	if err == nil {
		k.conns <- c
	}
	return c, err
}

// telling is the demo service, and says when a handler begins.
type telling struct {
	greeter.Server
	began chan<- string
}

func (s *telling) SayHello(ctx context.Context, req *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	s.began <- security(ctx)
	return s.Server.SayHello(ctx, req)
}

// security says by what a client is known.
func security(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p.AuthInfo == nil {
		return "nothing"
	}
	if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(info.State.PeerCertificates) == 1 {
		return "a certificate"
	}
	return p.AuthInfo.AuthType()
}

// configure has the control plane send a listener, and the routes to all methods.
func (s *scene) configure(chain string, mTLS bool) {
	s.Helper()
	s.plane.set(s.T, listeners(listenerOf(s.T, s.addr, chain, mTLS)), routes("/"))
}

// await waits for the server to be in a mode.
func (s *scene) await(want connectivity.ServingMode) {
	s.Helper()
	late := time.After(patience)
	for {
		select {
		case got := <-s.modes:
			if got == want {
				return
			}
		case <-late:
			s.Fatalf("the server is not %v", want)
		}
	}
}

// clientTLS is the configuration of a client that has a certificate.
func (s *scene) clientTLS() *tls.Config {
	s.Helper()
	own, err := tls.LoadX509KeyPair(filepath.Join(s.dir, "client.crt"), filepath.Join(s.dir, "client.key"))
	if err != nil {
		s.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "server.crt"))
	if err != nil {
		s.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &tls.Config{
		Certificates: []tls.Certificate{own}, RootCAs: pool, ServerName: "greeter",
		NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12,
	}
}

// dial makes a client, as secure as the control plane wants it.
func (s *scene) dial() greeterv1.GreeterClient {
	s.Helper()
	creds := insecure.NewCredentials()
	if s.mTLS {
		creds = credentials.NewTLS(s.clientTLS())
	}
	return s.dialWith(creds)
}

func (s *scene) dialWith(creds credentials.TransportCredentials) greeterv1.GreeterClient {
	s.Helper()
	conn, err := grpc.NewClient(s.addr.String(), grpc.WithTransportCredentials(creds))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = conn.Close() })
	s.conn = conn
	return greeterv1.NewGreeterClient(conn)
}

// call makes an RPC that takes d, and notes how it ends.
func (s *scene) call(name string, c greeterv1.GreeterClient, d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := c.SayHello(ctx, &greeterv1.SayHelloRequest{Name: name, Duration: durationpb.New(d)})
	s.note(name + " " + status.Code(err).String())
}

func (s *scene) note(result string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results = append(s.results, result)
}

// hold makes such an RPC, and returns when its handler runs.
func (s *scene) hold(name string, c greeterv1.GreeterClient, d time.Duration) {
	s.Helper()
	if s.first.IsZero() {
		s.first = time.Now()
	}
	s.pending.Go(func() { s.call(name, c, d) })
	select {
	case who := <-s.began:
		s.note(name + " is known by " + who)
	case <-time.After(patience):
		s.Fatal("no handler has begun")
	}
}

// told waits until the client that came last, which has an RPC, is told to go.
func (s *scene) told() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	if !s.conn.WaitForStateChange(ctx, connectivity.Ready) {
		s.Fatal("the client is not told to go")
	}
}

// dialer connects peers that do one thing wrong.
func (s *scene) dialer() servertest.DialFunc {
	dial := servertest.DialTCP(s.addr.String())
	if s.mTLS {
		return servertest.DialTLS(dial, s.clientTLS())
	}
	return dial
}

// ready waits for a peer, and closes it in the end.
func (s *scene) ready(p servertest.Peer, err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = p.Close() })
	s.within(p.Ready(), "a peer is ready")
}

func (s *scene) within(done <-chan struct{}, what string) {
	s.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		s.Fatalf("it has not come to pass that %s", what)
	}
}

// stop begins a graceful stop, and returns what waits for its end.
func (s *scene) stop() (wait func()) {
	done, begin := make(chan struct{}), time.Now()
	go func() {
		defer close(done)
		s.srv.GracefulStop()
		s.stopped = time.Since(begin)
		if !s.first.IsZero() {
			s.whole = time.Since(s.first)
		}
	}()
	return func() {
		s.Helper()
		s.within(done, "GracefulStop returns")
		if err := <-s.served; err != nil {
			s.Errorf("Serve returned %v", err)
		}
	}
}

// outcome is how all RPCs have ended.
func (s *scene) outcome() string {
	s.pending.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.results)
	return strings.Join(s.results, "\n")
}

// report is the only one there is.
func (s *scene) report() *tracer.Report {
	s.Helper()
	if len(s.reports) != 1 {
		s.Fatalf("there are %d reports, want one", len(s.reports))
	}
	return <-s.reports
}

// compare has f happen with gracetrace and without, at once, and returns what the
// former reports.
func compare(t *testing.T, with setup, f func(*scene)) *tracer.Report {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	lateness := servertest.Lateness(ctx)
	var sides [2]*scene
	t.Run("of", func(t *testing.T) {
		for i, name := range []string{"bare", "traced"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newScene(t, i == 1, with)
				sides[i] = s
				f(s)
				s.outcome()
			})
		}
	})
	cancel()
	late := <-lateness
	if t.Failed() || sides[0] == nil { // or -failfast has kept them from running
		t.FailNow()
	}
	bare, traced := sides[0], sides[1]
	if want, got := bare.outcome(), traced.outcome(); got != want {
		t.Errorf("RPCs end otherwise with gracetrace:\n%s\nwant:\n%s", got, want)
	}
	// What an RPC holds ends with it, however long the control plane took before.
	d := min((traced.stopped - bare.stopped).Abs(), (traced.whole - bare.whole).Abs())
	if traced.whole == 0 || bare.whole == 0 {
		d = (traced.stopped - bare.stopped).Abs()
	}
	if d > 300*time.Millisecond+4*late {
		t.Errorf("GracefulStop took %s, and %s without gracetrace; timers were late by %s",
			traced.stopped, bare.stopped, late)
	}
	t.Logf("GracefulStop took %s, and %s without gracetrace", traced.stopped, bare.stopped)
	r := traced.report()
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Error(err)
	}
	t.Log(text.String())
	return r
}

// refused calls until there is no route for it.
func (s *scene) refused(c greeterv1.GreeterClient) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		stream, err := c.Watch(ctx, &greeterv1.WatchRequest{Count: 1})
		if err == nil {
			_, err = stream.Recv()
		}
		switch {
		case ctx.Err() != nil:
			s.Fatal("it is served although there is no route")
		case err != nil:
			s.note("refused: " + status.Convert(err).Message())
			return
		}
		_, _ = stream.Recv() // its end
	}
}
