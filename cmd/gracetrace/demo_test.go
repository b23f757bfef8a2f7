// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/tracer"
)

var (
	methodHello = strings.TrimPrefix(greeterv1.Greeter_SayHello_FullMethodName, "/")
	methodChat  = strings.TrimPrefix(greeterv1.Greeter_Chat_FullMethodName, "/")
	methodWatch = strings.TrimPrefix(greeterv1.Greeter_Watch_FullMethodName, "/")
)

// wantPhase is what a demo is to show of one phase.
type wantPhase struct {
	phase   tracer.Phase
	atLeast time.Duration
	kind    tracer.HolderKind
	state   string
	method  string
}

// Each scenario, in a process of its own that stops itself by a real SIGTERM.
func TestScenarios(t *testing.T) {
	t.Parallel()
	forced, graceful := tracer.OutcomeForced, tracer.OutcomeGraceful
	tests := []struct {
		args    string
		outcome tracer.Outcome
		want    wantPhase
	}{
		{"short", graceful, wantPhase{
			tracer.PhaseConnWait, 0, tracer.HolderRPC, "in handler", methodHello,
		}},
		{"unary --grace 2s", forced, wantPhase{
			tracer.PhaseConnWait, time.Second, tracer.HolderRPC, "in handler", methodHello,
		}},
		{"recv --grace 2s", forced, wantPhase{
			tracer.PhaseConnWait, time.Second, tracer.HolderRPC, "in Recv", methodChat,
		}},
		{"send --grace 2s", forced, wantPhase{
			tracer.PhaseConnWait, time.Second, tracer.HolderRPC, "in Send", methodWatch,
		}},
		{"orphan", graceful, wantPhase{
			tracer.PhaseHandlerWait, 5 * time.Second, tracer.HolderHandler, "in handler",
			methodHello,
		}},
		{"orphan --grace 2s", forced, wantPhase{
			tracer.PhaseHandlerWait, time.Second, tracer.HolderHandler, "in handler", methodHello,
		}},
		{"silent", graceful, wantPhase{
			tracer.PhaseHandshakeWait, 2 * time.Second, tracer.HolderHandshake, "tcp", "",
		}},
		{"mute", graceful, wantPhase{
			tracer.PhaseConnWait, 5 * time.Second, tracer.HolderConnection, "ping unacknowledged", "",
		}},
		{"silent --tls", graceful, wantPhase{
			tracer.PhaseHandshakeWait, 2 * time.Second, tracer.HolderHandshake, "preface", "",
		}},
		{"send --tls --grace 2s", forced, wantPhase{
			tracer.PhaseConnWait, time.Second, tracer.HolderRPC, "in Send", methodWatch,
		}},
		{"mute --tls", graceful, wantPhase{
			tracer.PhaseConnWait, 5 * time.Second, tracer.HolderConnection, "ping unacknowledged", "",
		}},
	}
	// They spend their time waiting: all at once, however few cores there are.
	waits := make([]func(*testing.T) *tracer.Report, len(tests))
	for i, test := range tests {
		waits[i] = demoJSON(t, strings.Fields("--scenario "+test.args)...)
	}
	for i, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			r := waits[i](t)
			if r.Outcome != test.outcome {
				t.Errorf("outcome %s, want %s", r.Outcome, test.outcome)
			}
			p := test.want.check(t, r)
			if !strings.HasPrefix(r.Verdict, string(p.Name)+" took ") {
				t.Errorf("the verdict is about something else: %s", r.Verdict)
			}
			if strings.Contains(r.Verdict, "not seen") {
				t.Errorf("it did not see something: %s", r.Verdict)
			}
		})
	}
}

// check returns the phase.
func (w *wantPhase) check(t *testing.T, r *tracer.Report) *tracer.PhaseReport {
	t.Helper()
	p := phase(t, r, w.phase)
	if d := time.Duration(p.Duration); d < w.atLeast {
		t.Errorf("%s took %s, want at least %s", p.Name, d, w.atLeast)
	}
	c := p.Culprit
	if c == nil {
		t.Fatalf("nobody is blamed for %s", p.Name)
	}
	if c.Kind != w.kind || c.State != w.state || c.Method != w.method {
		t.Errorf("culprit of %s: %s %q %s, want %s %q %s", p.Name, c.Kind, c.State, c.Method,
			w.kind, w.state, w.method)
	}
	if c.Peer == "" {
		t.Errorf("the culprit of %s has no peer", p.Name)
	}
	return p
}

func phase(t *testing.T, r *tracer.Report, name tracer.Phase) *tracer.PhaseReport {
	t.Helper()
	for i := range r.Phases {
		if r.Phases[i].Name == name {
			return &r.Phases[i]
		}
	}
	t.Fatalf("no phase %s", name)
	return nil
}

// demoJSON starts a demo that prints nothing but its report.
func demoJSON(t *testing.T, args ...string) (wait func(*testing.T) *tracer.Report) {
	t.Helper()
	ended := begin(t, gracetrace(t, nil, append([]string{"demo", "--json"}, args...)...))
	return func(t *testing.T) *tracer.Report {
		t.Helper()
		res := ended(t)
		if res.code != exitOK {
			t.Fatalf("exit code %d\n%s", res.code, res.stderr)
		}
		r := &tracer.Report{}
		if err := json.Unmarshal([]byte(res.stdout), r); err != nil {
			t.Fatalf("%v\n%s", err, res.stdout)
		}
		if r.Service != "greeter" || r.JaegerURL != "" {
			t.Errorf("service %q, link %q", r.Service, r.JaegerURL)
		}
		return r
	}
}

// checkPage wants the same report as a page beside the JSON, and nothing else.
func checkPage(t *testing.T, dir string, r *tracer.Report) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := r.WriteHTML(&want); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page, want.Bytes()) {
		t.Error("report.html tells something else than report.json")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("in the folder: %v, %v", entries, err)
	}
}

// All at once is what a newcomer runs: every phase, and under 20 s.
func TestDemo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "folder")
	began := time.Now()
	res := finish(t, gracetrace(t, nil, "demo", "--out", dir))
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	if res.code != exitOK {
		t.Fatalf("exit code %d\n%s", res.code, res.stderr)
	}
	b, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := &tracer.Report{}
	if err := json.Unmarshal(b, r); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	if err := r.WriteText(&want); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(res.stdout, "grpc.server.shutdown ") || res.stdout != want.String() {
		t.Errorf("printed:\n%s\nreport.json says:\n%s", res.stdout, want.String())
	}
	checkPage(t, dir, r)
	for _, w := range []wantPhase{
		{tracer.PhaseHandshakeWait, 2 * time.Second, tracer.HolderHandshake, "tcp", ""},
		{tracer.PhaseConnWait, 5 * time.Second, tracer.HolderRPC, "in Recv", methodChat},
		{tracer.PhaseHandlerWait, time.Millisecond, tracer.HolderHandler, "in handler", methodHello},
	} {
		w.check(t, r)
	}
	for _, name := range []tracer.Phase{
		tracer.PhaseQuit, tracer.PhaseListenerClose, tracer.PhaseGoAway, tracer.PhaseForcedStop,
	} {
		if p := phase(t, r, name); p.Duration <= 0 {
			t.Errorf("%s took no time", name)
		}
	}
	if want := map[string]int{methodChat: 1, methodWatch: 1}; r.RPCsCut[methodChat] != 1 ||
		r.RPCsCut[methodWatch] != 1 || len(r.RPCsCut) != 2 {
		t.Errorf("RPCs cut %v, want %v", r.RPCsCut, want)
	}
	for _, s := range []string{
		"What holds it", "1.0s  handshake wait", "docker compose up", "silent ", "mute ",
		"report.json and " + filepath.Join(dir, "report.html"),
	} {
		if !strings.Contains(res.stderr, s) {
			t.Errorf("stderr does not say %q:\n%s", s, res.stderr)
		}
	}
	for _, s := range []string{"level=", "warn", "collector"} {
		if strings.Contains(res.stderr, s) {
			t.Errorf("stderr is not for newcomers:\n%s", res.stderr)
		}
	}
}
