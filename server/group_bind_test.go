// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gracetrace/gracetrace/internal/address"
	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// envHold makes the test binary listen on that address until it is killed.
const envHold = "GRACETRACE_TEST_HOLD"

func holdPort() {
	lis, err := net.Listen("tcp", os.Getenv(envHold))
	if err != nil {
		fatal(err)
	}
	_, _ = os.Stdout.WriteString(lis.Addr().String() + "\n")
	select {}
}

// holder starts a process that has a port, and returns it and the address.
func holder(t *testing.T) (*exec.Cmd, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Args = []string{"./predecessor"}
	cmd.Env = []string{envHold + "=" + address.TCP(t)}
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	b := make([]byte, 64)
	n, err := out.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSpace(string(b[:n]))
}

// names is an exporter that keeps what spans are called.
type names struct {
	mu  sync.Mutex // guards following
	all []string
}

func (n *names) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range spans {
		n.all = append(n.all, s.Name())
	}
	return nil
}

func (*names) Shutdown(context.Context) error { return nil }

func (n *names) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.all, ", ")
}

func (n *names) option() tracer.Option {
	return tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) { return n, nil })
}

// TestU50AddressInUse: bind: address already in use after a restart
// (coredns #620). The error names the address and who has it, nothing is left
// open, and nothing is closed that was not used.
func TestU50AddressInUse(t *testing.T) {
	cmd, held := holder(t)
	var sent names
	tr := newTracer(t, sent.option())
	given := servertest.Listen()
	g := server.NewGroup(tr)
	g.Add(server.Member{Name: "api", Server: server.New(tr), Addr: held})
	g.Add(server.Member{Name: "web", HTTP: &http.Server{}, Addr: address.TCP(t)})
	g.Add(server.Member{Name: "memory", HTTP: &http.Server{}, Listeners: listeners(given)})
	g.Add(server.Member{Name: "database", Close: func(context.Context) error {
		t.Error("Close was called although nothing had been served")
		return nil
	}})
	err := g.Start(t.Context())
	wantError(t, "Start", err, "member api: listen tcp "+held, "address already in use")
	if runtime.GOOS == "linux" {
		wantError(t, "Start", err, "pid "+strconv.Itoa(cmd.Process.Pid)+" (./predecessor) listens on "+held)
	}
	if runtime.GOOS != "windows" && !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Start: %v, want EADDRINUSE", err)
	}
	if got := sent.String(); got != "bind, listen" {
		t.Errorf("sent: %s", got)
	}
	if c, err := net.Dial("tcp", g.Addrs("web")[0].String()); err == nil {
		_ = c.Close()
		t.Error("an address that could be had is still open")
	}
	if _, err := given.Dial(t.Context()); err == nil {
		t.Error("a listener that was given is still open")
	}
	if err := g.Stop(t.Context()); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// TestBindRetry: the predecessor's end is waited for, which the log says once.
func TestBindRetry(t *testing.T) {
	cmd, address := holder(t)
	var sent names
	var log lines
	log.on = func(line string) {
		if strings.Contains(line, "waiting for an address in use") {
			_ = cmd.Process.Kill()
		}
	}
	tr := newTracer(t, sent.option(), tracer.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	g := server.NewGroup(tr, server.BindRetry(30*time.Second))
	g.Add(server.Member{Name: "api", Server: server.New(tr), Addr: address})
	start(t, g)
	if err := g.Stop(t.Context()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	want := "member=api address=" + address
	if n := strings.Count(log.String(), "waiting for an address in use"); n != 1 ||
		!strings.Contains(log.String(), want) {
		t.Errorf("said %d times, want once, with %s:\n%s", n, want, log.String())
	}
	if got := sent.String(); !strings.Contains(got, "bind, listen") {
		t.Errorf("sent: %s", got)
	}
}

// lines is a log that somebody listens to.
type lines struct {
	on func(line string)

	mu   sync.Mutex // guards following
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.on(string(p))
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestBindRetryInterrupted: a signal while it waits is no failure of Run.
func TestBindRetryInterrupted(t *testing.T) {
	_, address := holder(t)
	ctx, cancel := context.WithCancel(t.Context())
	var log lines
	log.on = func(line string) {
		if strings.Contains(line, "waiting for an address in use") {
			cancel()
		}
	}
	tr := newTracer(t, tracer.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	g := server.NewGroup(tr, server.BindRetry(time.Hour))
	g.Add(server.Member{Name: "api", Server: server.New(tr), Addr: address})
	if err := g.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestGroupBadMembers: each mistake is named with its member.
func TestGroupBadMembers(t *testing.T) {
	tr := newTracer(t)
	srv, site, lis := server.New(tr), &http.Server{}, servertest.Listen()
	nothing := func(context.Context) error { return nil }
	stopped := server.New(tr)
	stopped.Stop()
	for _, tt := range []struct {
		name    string
		members []server.Member
		want    []string
	}{
		{"none", nil, []string{"there is no member"}},
		{"no name", []server.Member{{Close: nothing}}, []string{"has no Name"}},
		{
			"same name", []server.Member{{Name: "a", Close: nothing}, {Name: "a", Close: nothing}},
			[]string{"member a: there are two of that name"},
		},
		{"nothing", []server.Member{{Name: "a"}}, []string{"member a: has neither Server nor HTTP nor Close"}},
		{
			"two", []server.Member{{Name: "a", Server: srv, HTTP: site, Addr: ":0"}},
			[]string{"member a: has Server and HTTP, want one of them"},
		},
		{"no address", []server.Member{{Name: "a", Server: srv}}, []string{"member a: has neither Addr nor Listeners"}},
		{
			"nil listener", []server.Member{{Name: "a", HTTP: site, Listeners: listeners(nil)}},
			[]string{"member a: one of its Listeners is nil"},
		},
		{
			"address of a Close", []server.Member{{Name: "a", Close: nothing, Addr: ":1"}},
			[]string{"member a: ", `an address (":1")`},
		},
		{
			"the same twice",
			[]server.Member{{Name: "a", HTTP: site, Addr: ":1"}, {Name: "b", HTTP: site, Addr: ":2"}},
			[]string{"member b: its HTTP is member a's, too"},
		},
		{
			"the same listener twice",
			[]server.Member{
				{Name: "a", HTTP: site, Listeners: listeners(lis)},
				{Name: "b", Server: srv, Listeners: listeners(servertest.Listen(), lis)},
			},
			[]string{"member b: its listener on 10.0.0.100:50051 is member a's, too"},
		},
		{
			"stopped", []server.Member{{Name: "a", Server: stopped, Addr: ":0"}},
			[]string{"member a: its Server was stopped before"},
		},
		{
			"broken", []server.Member{{Name: "a", Server: server.New(tr, server.GracePeriod(-1)), Addr: ":0"}},
			[]string{"member a: ", "GracePeriod(-1ns)"},
		},
		{
			"unknown", []server.Member{{Name: "a", Close: nothing, After: []string{"b"}}},
			[]string{`member a: names "b" in After, there is no such member`},
		},
		{
			"itself", []server.Member{{Name: "a", Close: nothing, After: []string{"a"}}},
			[]string{"a after a"},
		},
		{
			"circle", []server.Member{
				{Name: "a", Close: nothing, After: []string{"b"}},
				{Name: "b", Close: nothing, After: []string{"c"}},
				{Name: "c", Close: nothing, After: []string{"b"}},
			},
			[]string{"After is a circle: b after c after b"},
		},
		{
			"all at once", []server.Member{{Name: "a"}, {Name: "b"}}, []string{"member a: ", "member b: "},
		},
		{
			"address", []server.Member{{Name: "a", HTTP: site, Addr: "9090"}},
			[]string{"member a: listen tcp: address 9090: missing port in address"},
		},
	} {
		g := server.NewGroup(tr)
		for _, m := range tt.members {
			g.Add(m)
		}
		wantError(t, tt.name, g.Start(t.Context()), tt.want...)
	}
}

// TestGroupBadOptions: they are Start's error.
func TestGroupBadOptions(t *testing.T) {
	tr := newTracer(t)
	for want, g := range map[string]*server.Group{
		"GracePeriod(-1ns)":                      server.NewGroup(tr, server.GracePeriod(-1)),
		"BindRetry(-1ns)":                        server.NewGroup(tr, server.BindRetry(-1)),
		"its options are GracePeriod":            server.NewGroup(tr, server.LameDuck(time.Second)),
		"*tracer.Tracer is nil: make one with t": server.NewGroup(nil),
	} {
		g.Add(server.Member{Name: "a", Close: func(context.Context) error { return nil }})
		wantError(t, want, g.Start(t.Context()), want)
	}
	wantError(t, "BindRetry of a server",
		server.New(tr, server.BindRetry(time.Second)).Serve(servertest.Listen()), "BindRetry", "NewGroup")
	t.Setenv("GRACETRACE_GRACE_PERIOD", "soon")
	g := server.NewGroup(tr)
	wantError(t, "environment", g.Start(t.Context()), "GRACETRACE_GRACE_PERIOD", "soon")
}
