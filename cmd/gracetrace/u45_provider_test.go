// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// TestU45ProviderOfAProcess: processes whose global provider is shut down before,
// at, during or after their stop, or never, or that have none (go-zero #5531). With
// the default exporter each stop sends the same spans and logs the same.
func TestU45ProviderOfAProcess(t *testing.T) {
	t.Parallel()
	stops := make(map[string][]string)
	procs, sinks := make(map[string]*stopping), make(map[string]*sink)
	for _, when := range []string{"", "before", "at the signal", "during", "after", "never"} {
		c := newSink(t, nil)
		s := stoppable(t, []string{
			"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + c.addr, envProvider + "=" + when,
			"GRACETRACE_GRACE_PERIOD=3s",
		}, nil)
		crowd{conns: 1, streams: 1}.drive(t, <-s.serving)
		<-s.probed
		s.terminate(t)
		procs[when], sinks[when] = s, c
	}
	for _, s := range procs {
		<-s.ended
	}
	for when, s := range procs {
		if code := s.cmd.ProcessState.ExitCode(); code != exitFailure {
			t.Errorf("%q: exit code %d\n%s", when, code, s.stderr.String())
		}
		stops[when] = append(pathsOf(sinks[when].taken()), s.logLines()...)
		if app := sinks[when].first("start"); app.IsZero() != (when == "" || when == "never") {
			t.Errorf("%q: the application's own span came %v", when, app)
		}
		if s.took > 3*time.Second+procs[""].took {
			t.Errorf("%q: the exit took %v", when, s.took)
		}
	}
	if len(stops[""]) < 15 || len(procs[""].records("shutdown finished")) != 1 {
		t.Fatalf("only %q", stops[""])
	}
	for when, stop := range stops {
		if diff := cmp.Diff(stops[""], stop); diff != "" {
			t.Errorf("%q (-without a provider +with it):\n%s", when, diff)
		}
	}
}

// pathsOf are the places of a stop's spans in its tree. Bars that there are only if
// something took a microsecond are left out.
func pathsOf(spans map[string]*tracepb.Span) (paths []string) {
	for _, s := range spans {
		path := s.GetName()
		for p := spans[string(s.GetParentSpanId())]; p != nil; p = spans[string(p.GetParentSpanId())] {
			path = p.GetName() + " / " + path
		}
		switch s.GetName() {
		case "start", "listener", "connection", "GOAWAY ack", "linger", "handler Greeter/Chat":
		default:
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// logLines is the log of a stop: messages, levels, keys, and what is no time.
func (s *stopping) logLines() (lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.log {
		if strings.HasPrefix(l.text("msg"), "shutdown ") {
			lines = append(lines, fmt.Sprint(l["msg"], l["level"], l["outcome"], l["phase"], l["holder.kind"],
				l["rpc.method"], slices.Sorted(maps.Keys(l))))
		}
	}
	return lines
}
