// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/internal/spanjson"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// drawn is what of a text's timeline depends on some microseconds.
var drawn = regexp.MustCompile(`[▏▎▍▌▋▊▉█]+|\d+(\.\d+)?(µs|ms)|  +`)

// TestGroupReadBack: a group with one of everything prints the same from its trace
// as from its process.
func TestGroupReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var report *tracer.Report
		var spans exported
		tr := newTracer(t, tracer.WithReport(func(r *tracer.Report) { report = r }),
			tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) { return &spans, nil }))
		api, behind := server.New(tr), server.New(tr)
		greeterv1.RegisterGreeterServer(api, &greeter.Server{})
		greeterv1.RegisterGreeterServer(behind, &greeter.Server{})
		var h2c http.Protocols
		h2c.SetUnencryptedHTTP2(true)
		apiLis, webLis := servertest.Listen(), servertest.Listen()
		g := server.NewGroup(tr, server.GracePeriod(20*time.Second))
		g.Add(server.Member{Name: "api", Server: api, Listeners: listeners(apiLis)})
		g.Add(server.Member{
			Name: "web", HTTP: &http.Server{Handler: behind, Protocols: &h2c}, Listeners: listeners(webLis),
		})
		fails := func(context.Context) error {
			time.Sleep(1200 * time.Millisecond) // of the bubble's
			return errors.New("disk full")
		}
		g.Add(server.Member{Name: "database", After: []string{"api", "web"}, Close: fails})
		start(t, g)
		calls := []<-chan error{hello(t, apiLis, 7*time.Second), hello(t, webLis, 4*time.Second)}
		synctest.Wait()
		wantError(t, "Stop", g.Stop(t.Context()), "member database: disk full")
		for _, call := range calls {
			if err := <-call; err != nil {
				t.Error(err)
			}
		}
		read, err := tracer.ReadReports(bytes.NewReader(spanjson.Jaeger(report.Service, spans.spans)))
		if err != nil || len(read) != 1 {
			t.Fatalf("%d reports, want the group's: %v", len(read), err)
		}
		text := func(r *tracer.Report) string {
			var b bytes.Buffer
			if err := r.WriteText(&b); err != nil {
				t.Fatal(err)
			}
			return b.String()
		}
		for _, m := range report.Members {
			if m.Outcome != tracer.OutcomeGraceful {
				t.Errorf("%s (%s) is %s, nothing forced it", m.Member.Name, m.Member.Kind, m.Outcome)
			}
		}
		if diff := cmp.Diff(drawn.ReplaceAllString(text(report), " "),
			drawn.ReplaceAllString(text(read[0]), " ")); diff != "" {
			t.Errorf("the text (-process +trace):\n%s", diff)
		}
	})
}
