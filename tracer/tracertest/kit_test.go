// SPDX-License-Identifier: Apache-2.0

package tracertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
	"github.com/gracetrace/gracetrace/tracer/tracertest"
)

// serve starts a Greeter with a call that takes hold; zero: none. It ends
// with the test.
func serve(tb tracertest.TB, kit *tracertest.Kit, hold, grace time.Duration) *server.Server {
	srv := server.New(kit.Tracer(), server.GracePeriod(grace))
	greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
	lis := servertest.Listen()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	tb.Cleanup(func() {
		srv.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			tb.Errorf("Serve: %v", err)
		}
	})
	if hold == 0 {
		synctest.Wait()
		return srv
	}
	conn, err := grpc.NewClient("passthrough:///greeter", grpc.WithContextDialer(lis.DialTarget),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		tb.Fatalf("%v", err)
	}
	called := make(chan struct{})
	go func() {
		defer close(called)
		_, _ = greeterv1.NewGreeterClient(conn).SayHello(context.Background(),
			&greeterv1.SayHelloRequest{Duration: durationpb.New(hold)})
	}()
	tb.Cleanup(func() {
		<-called
		_ = conn.Close()
	})
	synctest.Wait()
	return srv
}

// TestBudgets: each expectation is met to the nanosecond, and not met by one.
func TestBudgets(t *testing.T) {
	const (
		hold  = 3 * time.Second
		grace = 20 * time.Second
	)
	for _, tt := range []struct {
		name string
		hold time.Duration
		want []tracertest.Expectation
		says []string // none: the test passes
	}{
		{"nothing wanted", hold, nil, nil},
		{"all at once", hold, []tracertest.Expectation{
			tracertest.Within(hold), tracertest.PhaseWithin(tracer.PhaseConnWait, hold),
			tracertest.PhaseWithin(tracer.PhaseForcedStop, 1), tracertest.Graceful(), tracertest.NoneCut(),
		}, nil},
		{"too slow", hold, []tracertest.Expectation{tracertest.Within(hold - 1)}, []string{
			"shutdown: want it within 2.999999999s, it took 3s\n",
			"\n\ngrpc.server.shutdown", "\nverdict: conn wait took 3.0s of 3.0s: rpc",
		}},
		{"a phase too slow", hold,
			[]tracertest.Expectation{tracertest.PhaseWithin(tracer.PhaseConnWait, hold-1)},
			[]string{"shutdown: want conn wait within 2.999999999s, it took 3s\n"}},
		{"forced", time.Hour, []tracertest.Expectation{
			tracertest.Graceful(), tracertest.Within(time.Second), tracertest.NoneCut(),
		}, []string{
			"shutdown: want it graceful, it was forced\n  and want it within 1s, it took 18s\n" +
				"  and want no RPC cut, 1 were: 1 of greeter.v1.Greeter/SayHello\n",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := try(func(f *fake) {
					kit := tracertest.New(f)
					r := kit.Shutdown(serve(f, kit, tt.hold, grace), tt.want...)
					if r == nil || r.Verdict == "" {
						t.Errorf("the report is %v", r)
					}
				})
				f.wantFailures(t, tt.says...)
			})
		})
	}
}

// TestEachServerIsHeldToIt, and the report is that of the slowest.
func TestEachServerIsHeldToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := try(func(f *fake) {
			kit := tracertest.New(f)
			fast := serve(f, kit, time.Second, time.Minute)
			slow := serve(f, kit, 5*time.Second, time.Minute)
			r := kit.Stop(func() {
				slow.GracefulStop()
				fast.GracefulStop()
			}, tracertest.Within(2*time.Second))
			if r == nil || time.Duration(r.Duration) != 5*time.Second {
				t.Errorf("the report is %v, want that of 5s", r)
			}
		})
		f.wantFailures(t, "want it within 2s, it took 5s")
	})
}

// TestAStopThatHangs says what it hangs at, long after its budget.
func TestAStopThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := try(func(f *fake) {
			kit := tracertest.New(f)
			srv := serve(f, kit, 2*time.Hour, time.Hour)
			kit.Stop(srv.GracefulStop, tracertest.Within(5*time.Second))
			t.Error("the test goes on")
		})
		f.wantFatal(t, "the stop hangs", "conn wait for 1m05s so far: rpc greeter.v1.Greeter/SayHello")
	})
}

// hurried is a test that go test ends soon.
type hurried struct {
	*fake
	end time.Time
}

func (h hurried) Deadline() (time.Time, bool) { return h.end, true }

// TestAStopThatHangsForEver has no budget but go test's own time.
func TestAStopThatHangsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := try(func(f *fake) {
			kit := tracertest.New(hurried{f, time.Now().Add(time.Minute)})
			srv := serve(f, kit, 2*time.Hour, time.Hour)
			kit.Stop(srv.GracefulStop, tracertest.Graceful())
		})
		f.wantFatal(t, "the stop hangs", "conn wait for 55.0s so far: rpc greeter.v1.Greeter/SayHello")
	})
}

// keeper is a test with a place for its artifacts.
type keeper struct {
	*fake
	dir string
}

func (k keeper) ArtifactDir() string { return k.dir }

// TestArtifacts: a failure leaves the report behind where go test is asked to
// keep such things.
func TestArtifacts(t *testing.T) {
	if flag.Lookup("test.artifacts") == nil {
		t.Skip("go test has no -artifacts before Go 1.26")
	}
	for _, on := range []string{"true", "false"} {
		before := flag.Lookup("test.artifacts").Value.String()
		if err := flag.Set("test.artifacts", on); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			f := try(func(f *fake) {
				kit := tracertest.New(keeper{f, dir})
				kit.Shutdown(serve(f, kit, time.Second, time.Minute), tracertest.Within(1))
			})
			f.wantFailures(t, "want it within 1ns")
			files, err := filepath.Glob(filepath.Join(dir, "shutdown-*.json"))
			if err != nil || (len(files) == 1) != (on == "true") {
				t.Fatalf("-artifacts=%s: files %v, %v", on, files, err)
			}
			if on != "true" {
				return
			}
			page := regexp.MustCompile(`(?m)^.*shutdown-.*\.html$`).FindString(f.errors[0])
			f.wantFailures(t, files[0], page)
			if b, err := os.ReadFile(page); err != nil || !bytes.HasPrefix(b, []byte("<!DOCTYPE html>")) {
				t.Errorf("the page is not in it: %v", err)
			}
			var r tracer.Report
			b, err := os.ReadFile(files[0])
			if err != nil || json.Unmarshal(b, &r) != nil || r.Verdict == "" {
				t.Errorf("the report is not in it: %v\n%s", err, b)
			}
		})
		if err := flag.Set("test.artifacts", before); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoStop: a kit that has nothing to look at must not be content.
func TestNoStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := try(func(f *fake) {
			if r := tracertest.New(f).Stop(func() {}); r != nil {
				t.Errorf("there is a report: %v", r)
			}
		})
		f.wantFailures(t, "no stop was seen")

		f = try(func(f *fake) { // somebody else's Tracer
			kit, other := tracertest.New(f), tracertest.New(f)
			kit.Shutdown(serve(f, other, 0, time.Minute), tracertest.Graceful())
		})
		if len(f.errors) != 2 || !strings.Contains(f.errors[1], "Shutdown returned <nil>") {
			t.Errorf("the failures are %q", f.errors)
		}
	})
}

func TestBadExpectations(t *testing.T) {
	for says, want := range map[string]tracertest.Expectation{
		"Within(0s): must be positive":           tracertest.Within(0),
		"PhaseWithin(-1ns): must be positive":    tracertest.PhaseWithin(tracer.PhaseQuit, -1),
		`PhaseWithin: there is no phase "drain"`: tracertest.PhaseWithin("drain", time.Second),
		"a nil Expectation":                      nil,
	} {
		f := try(func(f *fake) {
			tracertest.New(f).Stop(func() { t.Error("it was stopped") }, tracertest.Graceful(), want)
		})
		f.wantFatal(t, "tracertest: "+says)
	}
	try(func(f *fake) { tracertest.New(f, nil) }).wantFatal(t, "tracertest: tracer: a nil Option")
}

// TestEnvironment: what is wrong with it is not the test's concern.
func TestEnvironment(t *testing.T) {
	for _, name := range []string{
		"GRACETRACE_UI_URL", "TRACEPARENT", "OTEL_TRACES_EXPORTER", "OTEL_RESOURCE_ATTRIBUTES",
		"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS",
	} {
		t.Setenv(name, ":nonsense:")
	}
	synctest.Test(t, func(t *testing.T) {
		kit := tracertest.New(t)
		r := kit.Shutdown(serve(t, kit, time.Second, time.Minute), tracertest.Graceful())
		if r.JaegerURL != "" || r.Spans.Sent != 0 {
			t.Errorf("%d spans were sent, the trace is at %q", r.Spans.Sent, r.JaegerURL)
		}
	})
}
