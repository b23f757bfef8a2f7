// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/address"
)

// TestConnectsAtTheTwoMoments: after the probe no connection to the collector is open, until
// the signal: then there is one, to the collector that is there now.
func TestConnectsAtTheTwoMoments(t *testing.T) {
	t.Parallel()
	c := newSink(t, nil)
	s := stoppable(t, []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + c.addr, "GRACETRACE_GRACE_PERIOD=1s",
	}, nil)
	few.drive(t, <-s.serving)
	<-s.probed
	for tick := time.NewTicker(time.Millisecond); c.open.Load() > 0; <-tick.C {
		if t.Context().Err() != nil {
			t.Fatal("the probe's connection stays open")
		}
	}
	if n := c.seen.Load(); n != 1 {
		t.Errorf("%d connections before the signal, want the probe's", n)
	}
	s.terminate(t)
	<-s.ended
	if n := c.seen.Load(); n != 2 {
		t.Errorf("%d connections, want the probe's and that of the stop", n)
	}
	if c.first("grpc.server.shutdown").IsZero() {
		t.Error("the stop was not sent")
	}
}

// TestStartSays: what is wrong with the environment, once and before a stop needs
// it, or nothing.
func TestStartSays(t *testing.T) {
	t.Parallel()
	c := newSink(t, nil)
	there, nowhere := "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+c.addr, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+address.TCP(t)
	cert, _ := certified(t, t.TempDir(), "collector")
	for name, test := range map[string]struct {
		env  []string
		off  bool     // nothing is probed
		want []string // messages at WARN
		text string   // in the log
	}{
		"all is well":  {env: []string{there}, text: "trace export ready"},
		"no collector": {env: []string{nowhere}, want: []string{"trace export not reachable"}, text: "refused"},
		"no name": {
			env: []string{there, "OTEL_SERVICE_NAME="}, want: []string{"service name not set"},
			text: "OTEL_SERVICE_NAME",
		},
		"contradiction": {
			env:  []string{there, "OTEL_EXPORTER_OTLP_CERTIFICATE=" + cert},
			want: []string{"trace export settings", "trace export not reachable"}, text: "TLS",
		},
		"turned off":        {env: []string{nowhere, "OTEL_SDK_DISABLED=true"}, off: true},
		"another way of it": {env: []string{nowhere, "OTEL_TRACES_EXPORTER=none"}, off: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := stoppable(t, test.env, nil)
			<-s.serving
			if !test.off {
				<-s.probed
			}
			s.terminate(t)
			<-s.ended
			var got []string
			for _, l := range s.log {
				if msg := l.text("msg"); l.text("level") == "WARN" && !strings.HasPrefix(msg, "shutdown ") {
					got = append(got, msg)
				}
			}
			if !slices.Equal(got, test.want) || !strings.Contains(s.output(), test.text) {
				t.Errorf("said %q, want %q with %q:\n%s", got, test.want, test.text, s.output())
			}
		})
	}
}

// TestStartFails: a value that is malformed ends New with an error that names the
// variable and the value, but not a header's.
func TestStartFails(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=10.0.0.1:4317",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://:",
		"OTEL_EXPORTER_OTLP_PROTOCOL=pigeon",
		"OTEL_EXPORTER_OTLP_TIMEOUT=soon",
		"OTEL_EXPORTER_OTLP_COMPRESSION=zip",
		"OTEL_EXPORTER_OTLP_CERTIFICATE=/not/there",
		"OTEL_EXPORTER_OTLP_CLIENT_KEY=/not/there",
		"OTEL_TRACES_EXPORTER=console",
		"OTEL_RESOURCE_ATTRIBUTES=nonsense",
		"GRACETRACE_SPOOL=stdout",
		"OTEL_EXPORTER_OTLP_HEADERS=s3cr3t",
	} {
		name, value, _ := strings.Cut(bad, "=")
		t.Run(name, func(t *testing.T) {
			s := stoppable(t, []string{bad}, nil)
			<-s.ended
			said := ""
			for _, l := range s.records(msgNew) {
				said = l.text("err")
			}
			if code := s.cmd.ProcessState.ExitCode(); code != exitUsage || !strings.Contains(said, name) {
				t.Errorf("exit code %d, error %q\n%s\n%s", code, said, s.output(), s.stderr.String())
			}
			if shown := strings.Contains(s.output()+s.stderr.String(), value); shown == (value == "s3cr3t") {
				t.Errorf("the value is in it: %t: %q", shown, said)
			}
		})
	}
}
