// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func TestProbeOfAUsersExporter(t *testing.T) {
	for _, tt := range []struct {
		name    string
		factory func(context.Context) (sdktrace.SpanExporter, error)
		after   time.Duration
		want    string
	}{
		{"fine", (&fake{}).factory, 0, `INFO msg="trace export ready"`},
		{"error", func(context.Context) (sdktrace.SpanExporter, error) {
			return nil, errors.New("no token")
		}, 0, `WARN msg="trace export not reachable" endpoint="custom exporter" err="no token"`},
		{"panic", func(context.Context) (sdktrace.SpanExporter, error) {
			panic("boom")
		}, 0, `err="exporter panicked: boom"`},
		{"nothing", func(context.Context) (sdktrace.SpanExporter, error) {
			return nil, nil
		}, 0, `err="factory returned no exporter"`},
		{"mute", func(ctx context.Context) (sdktrace.SpanExporter, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, probeLimit, `err="context deadline exceeded"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t, "OTEL_SERVICE_NAME", "s", "OTEL_TRACES_EXPORTER", "console")
			synctest.Test(t, func(t *testing.T) {
				var l logs
				start := time.Now()
				e := mustNew(t, Config{Logger: l.logger(), Factory: tt.factory})
				<-e.probed
				if took := time.Since(start); took != tt.after {
					t.Errorf("took %v, want %v", took, tt.after)
				}
				if l.count(tt.want) != 1 || l.count("\n") != 1 {
					t.Errorf("log:\n%swant one line with %s", l.String(), tt.want)
				}
				if e.answered.Load() {
					t.Error("an exporter that does not tell was taken for a collector that answered")
				}
			})
		})
	}
}

func TestProbeLeavesNothingBehind(t *testing.T) {
	clean(t)
	exp := &fake{}
	e := mustNew(t, Config{Factory: exp.factory})
	<-e.probed
	if exp.shut != 1 || len(exp.names()) != 0 {
		t.Errorf("shut down %d times, %d spans", exp.shut, len(exp.names()))
	}
}

func TestCloseDoesNotWaitForEverForAFactory(t *testing.T) {
	clean(t)
	synctest.Test(t, func(t *testing.T) {
		var l logs
		e, err := New(t.Context(), Config{
			Logger: l.logger(),
			Factory: func(context.Context) (sdktrace.SpanExporter, error) {
				time.Sleep(time.Hour)
				return &fake{}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		e.Close()
		if took := time.Since(start); took != closeWait {
			t.Errorf("Close took %v, want %v", took, closeWait)
		}
		<-e.probed
	})
}
