// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"crypto/tls"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/gracetrace/gracetrace/internal/otlptest"
	"github.com/gracetrace/gracetrace/internal/story"
	"github.com/gracetrace/gracetrace/internal/woven"
	"github.com/gracetrace/gracetrace/tracer"
)

// TestStories runs the stories of which an instrumented grpc tells more than
// package server's, which run in this mode, too; -rewrite writes what they print.
func TestStories(t *testing.T) {
	requireWoven(t)
	story.Run(t, "testdata/stories")
}

// asMade leaves credentials as they are, as where they were made before the sink
// was installed: no frame is seen under TLS.
type asMade struct{ woven.Sink }

func (asMade) Creds(c credentials.TransportCredentials) credentials.TransportCredentials { return c }

// TestUnwrapped runs stories of connections of whose GOAWAYs only grpc's own source
// tells.
func TestUnwrapped(t *testing.T) {
	requireWoven(t)
	woven.Install(asMade{newSink(woven.Points())})
	defer woven.Install(newSink(woven.Points()))
	story.Run(t, "testdata/unwrapped")
}

// anyCertificate is a client's configuration that trusts the program's own.
func anyCertificate() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// source is the attribute shutdown.source of a span.
var source = regexp.MustCompile(`"shutdown\.source","value":\{"stringValue":"(\w+)"`)

// reportsOf are the shutdowns that came, and what each announced as its source.
func reportsOf(t *testing.T, text string) (all []*tracer.Report, sources map[string]bool) {
	t.Helper()
	all, err := tracer.ReadReports(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	sources = make(map[string]bool)
	for _, m := range source.FindAllStringSubmatch(text, -1) {
		sources[m[1]] = true
	}
	return all, sources
}

// TestProgram runs programs whose grpc was instrumented, each with an RPC that
// outlasts its SIGTERM by a second.
func TestProgram(t *testing.T) {
	requireWoven(t)
	for _, tt := range []struct {
		kind, source string
		outcome      tracer.Outcome
	}{
		{plain, "compiled", tracer.OutcomeGraceful},
		{secure, "compiled", tracer.OutcomeGraceful},
		{hasty, "compiled", tracer.OutcomeForced},
		{ours, "call", tracer.OutcomeGraceful},
		{wraps, "call", tracer.OutcomeGraceful},
		{hides, "call", tracer.OutcomeGraceful},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			c := otlptest.Start(t)
			p := start(t, tt.kind, c.URL)
			p.hold(t, tt.kind)
			p.terminate(t)
			all, sources := reportsOf(t, c.Text())
			if len(all) != 1 || len(sources) != 1 || !sources[tt.source] {
				t.Fatalf("%d shutdowns of sources %v, want one of %s; the log:\n%s",
					len(all), sources, tt.source, &p.log)
			}
			checkReport(t, all[0], tt.outcome)
			if strings.Contains(p.log.String(), "WARN compiled in") {
				t.Errorf("the log misses a point:\n%s", &p.log)
			}
		})
	}
}

// checkReport wants the whole evidence: connections, frames, RPCs and their names.
func checkReport(t *testing.T, r *tracer.Report, outcome tracer.Outcome) {
	t.Helper()
	if r.Outcome != outcome || r.Call != "GracefulStop" || r.GRPC == "" {
		t.Errorf("outcome %s of %q on grpc %q, want %s of GracefulStop",
			r.Outcome, r.Call, r.GRPC, outcome)
	}
	if !strings.Contains(r.Verdict, "greeter.v1.Greeter/Watch") {
		t.Errorf("the verdict does not name the RPC: %s", r.Verdict)
	}
	want := "quit, listener close, handshake wait, GOAWAY, conn wait, handler wait"
	if outcome == tracer.OutcomeForced {
		want = "quit, listener close, handshake wait, GOAWAY, conn wait, forced stop, handler wait"
	}
	var names []string
	for _, p := range r.Phases {
		names = append(names, string(p.Name))
	}
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("phases %s, want %s", got, want)
	}
	if d := time.Duration(r.Duration); d < 200*time.Millisecond || d > 20*time.Second {
		t.Errorf("it took %s, and the RPC a second from its start", d)
	}
	for _, n := range r.Notes {
		if n.Kind == "missing evidence" {
			t.Errorf("evidence is missing: %s", n.Text)
		}
	}
}
