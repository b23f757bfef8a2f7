// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// TestRunSaysWhereItSpools: whoever has turned a spool on sees that it is.
func TestRunSaysWhereItSpools(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		var log strings.Builder
		tr := newTracer(t, tracer.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
			tracer.WithSpool(dir))
		s := server.New(tr)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Run(ctx, servertest.Listen()); err != nil {
			t.Fatal(err)
		}
		tr.Close() // nobody logs any more
		said := strings.Contains(log.String(), " exporter=custom spool="+dir+"\n") ||
			strings.Contains(log.String(), " exporter=custom spool="+strconv.Quote(dir)+"\n")
		if said != (dir != "") {
			t.Errorf("spool %q: the log has\n%s", dir, log.String())
		}
	}
}

// TestRunSaysItsPlan: how the budget is cut is in one record at the start, and a
// warning where the parts do not fit.
func TestRunSaysItsPlan(t *testing.T) {
	for _, test := range []struct {
		name  string
		grace time.Duration
		want  []string
		not   string
	}{
		{"they fit", 25 * time.Second, []string{
			"msg=serving", `signals="SIGTERM, SIGINT"`, "grace_period_ms=25000 lame_duck_ms=5000 " +
				"drain_ms=18000 forced_stop_ms=1000 app_flush_ms=0 flush_ms=1000 exporter=custom",
		}, "does not fit"},
		{"they do not", 10 * time.Second, []string{
			"lame_duck_ms=4000", `level=WARN msg="shutdown will suffer"`,
			"a lame duck of 5s does not fit into a grace period of 10s: it is cut to 4s",
		}, "lame_duck_ms=5000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				s := server.New(newTracer(t, tracer.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))),
					server.GracePeriod(test.grace), server.LameDuck(5*time.Second))
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				if err := s.Run(ctx, servertest.Listen()); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				for _, want := range test.want {
					if !strings.Contains(log.String(), want) {
						t.Errorf("the log lacks %q:\n%s", want, log.String())
					}
				}
				if strings.Contains(log.String(), test.not) {
					t.Errorf("the log has %q:\n%s", test.not, log.String())
				}
			})
		})
	}
}
