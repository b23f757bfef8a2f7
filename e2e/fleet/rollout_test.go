// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/gracetrace/gracetrace/e2e/internal/program"
)

const (
	// defaultRollout shutdowns are enough to see that none is lost. ROLLOUT=10000
	// makes the figures of docs/scale.md.
	defaultRollout = 1000
	rolloutConns   = 8
)

// A rollout's shutdowns, each the requests of a real process with an id of its
// own, as fast as the collector takes them.
func TestRollout(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.jaeger.start(t)
	s.collector.start(t)
	shutdown := recorded(t)
	n := defaultRollout
	if text := os.Getenv("ROLLOUT"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}

	begin := time.Now()
	replay(t, strings.TrimPrefix(s.endpoint, "http://"), shutdown, n)
	taken := time.Since(begin)
	s.awaitDelivery(t)
	delivered := time.Since(begin)
	want := fmt.Sprintf("} %d", n)
	for _, span := range []string{"grpc.server.shutdown started", "grpc.server.shutdown"} {
		await(t, span+" is counted", func() bool {
			for _, line := range lines(t, s.metrics, "traces_span_metrics_calls_total{") {
				if strings.Contains(line, `span_name="`+span+`"`) && strings.HasSuffix(line, want) {
					return true
				}
			}
			return false
		})
	}
	w := weigh(shutdown)
	t.Logf("%d shutdowns of %d requests, %d spans and %d bytes: taken in %v, in Jaeger after %v",
		n, w.requests, w.spans, w.bytes, taken, delivered)
	t.Logf("collector: %s of memory, %s of processor; jaeger: %s, %s",
		peak(t, &s.collector), busy(t, &s.collector), peak(t, &s.jaeger), busy(t, &s.jaeger))
	t.Logf("%d series of counts, %d of durations", len(lines(t, s.metrics, "traces_span_metrics_calls_total{")),
		len(lines(t, s.metrics, "traces_span_metrics_duration_milliseconds_")))
	if got := len(s.shutdowns(t, "rollout")); got != n {
		t.Errorf("Jaeger has %d of %d shutdowns", got, n)
	}
}

// recorded is what a real process sends of a shutdown that is forced after two
// seconds.
func recorded(t *testing.T) []*collectorpb.ExportTraceServiceRequest {
	t.Helper()
	s := newSink(t)
	program.Build(t).As("rollout").To(s.endpoint).Demo(t, "--scenario", "recv", "--grace", "4s")
	return s.requests
}

// replay sends a recorded shutdown n times.
func replay(t *testing.T, target string, shutdown []*collectorpb.ExportTraceServiceRequest, n int) {
	t.Helper()
	var group sync.WaitGroup
	errs := make(chan error, rolloutConns)
	for i := range rolloutConns {
		group.Go(func() {
			conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				errs <- err
				return
			}
			defer conn.Close()
			client := collectorpb.NewTraceServiceClient(conn)
			for range n/rolloutConns + max(0, min(1, n%rolloutConns-i)) {
				id := newTraceID()
				for _, req := range shutdown {
					req := proto.CloneOf(req)
					for span := range spansOf(req) {
						span.TraceId = id[:]
					}
					if _, err := client.Export(t.Context(), req); err != nil {
						errs <- err
						return
					}
				}
			}
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
}

// peak is the most memory that a process has had, in words.
func peak(t *testing.T, d *daemon) string {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(d.cmd.Process.Pid), "status"))
	if err != nil {
		return err.Error() // not Linux
	}
	for line := range bytes.Lines(status) {
		if size, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			return string(bytes.TrimSpace(size))
		}
	}
	return "unknown"
}

// ticksPerSecond is what /proc counts processor time in (proc_pid_stat(5)).
const ticksPerSecond = 100

// busy is the processor time that a process has used, in words.
func busy(t *testing.T, d *daemon) string {
	t.Helper()
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(d.cmd.Process.Pid), "stat"))
	if err != nil {
		return err.Error() // not Linux
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const user, system = 11, 12 // the 14th and the 15th, of which two are before the bracket
	var ticks int
	for _, i := range []int{user, system} {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return (time.Duration(ticks) * time.Second / ticksPerSecond).String()
}
