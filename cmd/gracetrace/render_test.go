// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/tracer"
)

// shutdown is a report that is read and compared.
func shutdown(trace string, start time.Duration, took time.Duration) *tracer.Report {
	return &tracer.Report{
		Version: 1, Service: "greeter", TraceID: trace, Outcome: tracer.OutcomeGraceful,
		Start:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(start),
		Duration: tracer.Duration(took), Verdict: "graceful in " + took.String(),
		Phases: []tracer.PhaseReport{{Name: tracer.PhaseConnWait, Duration: tracer.Duration(took)}},
	}
}

const (
	traceA = "0af7651916cd43dd8448eb211c80319c"
	traceB = "b9c7c989f97918e1bfa3a7bd0f0b64e6"
)

// files writes two shutdowns to a file each and both to a third.
func files(t *testing.T) (a, b, both string) {
	t.Helper()
	dir := t.TempDir()
	var all bytes.Buffer
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var names []string
	for _, r := range []*tracer.Report{
		shutdown(traceA, 0, time.Second), shutdown(traceB, time.Hour, 9*time.Second),
	} {
		var one bytes.Buffer
		if err := r.WriteJSON(&one); err != nil {
			t.Fatal(err)
		}
		all.Write(one.Bytes())
		names = append(names, write(r.TraceID[:1]+"#1.json", one.Bytes()))
	}
	return names[0], names[1], write("both.json", all.Bytes())
}

// gracetraceHere runs the command in this process.
func gracetraceHere(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	root := newRoot()
	root.SetIn(strings.NewReader(stdin))
	root.SetArgs(args)
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	code := execute(context.WithoutCancel(t.Context()), root)
	return result{stdout.String(), stderr.String(), code}
}

const textA = `grpc.server.shutdown   1.0s  ████████████████  graceful
└ conn wait            1.0s  ████████████████

verdict: graceful in 1s
service: greeter
stopped: 2026-01-02 03:04:05.000 UTC
trace:   0af7651916cd43dd8448eb211c80319c
`

func TestReport(t *testing.T) {
	a, _, both := files(t)
	json, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	bothJSON, err := os.ReadFile(both)
	if err != nil {
		t.Fatal(err)
	}
	textB := strings.NewReplacer("1.0s", "9.0s", "1s", "9s", "03:04", "04:04", traceA, traceB).Replace(textA)
	for _, tt := range []struct {
		name, stdin string
		args        []string
		want        string
	}{
		{"a file", "", []string{a}, textA},
		{"standard input", string(json), []string{"-"}, textA},
		{"all of a file", "", []string{both}, textA + "\n" + textB},
		{"one of them", "", []string{"--trace", "0AF7", both}, textA},
		{"JSON", "", []string{"--json", a}, string(json)},
		{"all as JSON", "", []string{"--json", both}, string(bothJSON)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := gracetraceHere(t, tt.stdin, append([]string{"report"}, tt.args...)...)
			if diff := cmp.Diff(result{stdout: tt.want}, r, cmp.AllowUnexported(result{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	out := filepath.Join(t.TempDir(), "report.html")
	if r := gracetraceHere(t, "", "report", a, "--html", "-o", out); r.code != exitOK || r.stdout != "" {
		t.Errorf("-o: %+v", r)
	}
	if html, err := os.ReadFile(out); err != nil || !bytes.Contains(html, []byte("graceful in 1s")) {
		t.Errorf("the page: %.200s, %v", html, err)
	}
}

// openJaeger answers each question with what is in a file.
func openJaeger(t *testing.T, file string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, file)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestCompare(t *testing.T) {
	a, b, both := files(t)
	for name, args := range map[string][]string{
		"two files":        {a, b},
		"two of one file":  {both + "#0af7", both + "#b9"},
		"one and the same": {a, both + "#" + traceB},
	} {
		r := gracetraceHere(t, "", append([]string{"compare"}, args...)...)
		if r.code != exitOK || !strings.Contains(r.stdout, "\n- conn wait took 8.0s longer\n") {
			t.Errorf("%s: %+v", name, r)
		}
	}
	link := openJaeger(t, a) + "/trace/" + traceA + "?uiFind=b7ad6b7169203331"
	r := gracetraceHere(t, "", "compare", link, b)
	if r.code != exitOK || !strings.Contains(r.stdout, "\n- conn wait took 8.0s longer\n") {
		t.Errorf("a link: %+v", r)
	}
	unended := filepath.Join("..", "..", "tracer", "testdata", "read", "jaeger-killed.json")
	r = gracetraceHere(t, "", "compare", "--silence", "900000h", a, unended) // 100 years
	if r.code != exitOK || !strings.Contains(r.stdout, "UTC, running, ") {
		t.Errorf("not silent for long enough: %+v", r)
	}
	r = gracetraceHere(t, "", "compare", "--json", a, a)
	if r.code != exitOK || !strings.Contains(r.stdout, `"changes": []`) {
		t.Errorf("JSON: %+v", r)
	}
}

// TestReadFailure: a message names the file, and the place in it.
func TestReadFailure(t *testing.T) {
	a, _, both := files(t)
	missing := filepath.Join(t.TempDir(), "missing.json")
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"report", missing}, []string{missing, "no such file"}},
		{[]string{"report", traceA}, []string{traceA, "no such file", "say --jaeger URL"}},
		{[]string{"report", t.TempDir()}, []string{"is a directory"}},
		{[]string{"report", "-"}, []string{"standard input: line 1, column 1: want a JSON object"}},
		{[]string{"report", both, "--trace", "c"}, []string{`--trace "c"`, both, traceA, traceB}},
		{[]string{"report", both, "--html"}, []string{"--html", both, "--trace", traceA}},
		{[]string{"report", a, "-o", filepath.Join(missing, "x")}, []string{missing}},
		{[]string{"compare", a, both}, []string{both, "2 shutdowns", "FILE#TRACE", traceB}},
		{[]string{"compare", a, both + "#c"}, []string{both, `no trace "c"`, traceA}},
		{[]string{"compare", a, missing}, []string{missing}},
	} {
		wantFailed(t, gracetraceHere(t, "rubbish", tt.args...), exitFailure, tt.want)
	}
}
