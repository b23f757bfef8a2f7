// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sample is a file of testdata/read: what Jaeger 2.13 answered about demos, and
// what one of these demos said itself.
func sample(t *testing.T, name string) *Report {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "read", name))
	if err != nil {
		t.Fatal(err)
	}
	return read(t, data)
}

// TestReadJaeger: both of Jaeger's APIs tell the same, and what the report of
// the process told.
func TestReadJaeger(t *testing.T) {
	ui, v3, own := sample(t, "jaeger-ui.json"), sample(t, "jaeger-v3.json"), sample(t, "report.json")
	if diff := cmp.Diff(ui, v3); diff != "" {
		t.Errorf("(-/api/traces +/api/v3/traces):\n%s", diff)
	}
	opts := append(laidOut(phaseTicks), cmpopts.IgnoreFields(Report{}, "JaegerURL"),
		cmpopts.IgnoreFields(Bar{}, "Note")) // its words may have changed since
	if diff := cmp.Diff(own, ui, opts); diff != "" {
		t.Errorf("(-report +read from Jaeger):\n%s", diff)
	}
}

// TestReadJaegerKilled: a SIGKILL 3 s after the SIGTERM.
func TestReadJaegerKilled(t *testing.T) {
	r := sample(t, "jaeger-killed.json")
	last := r.Phases[len(r.Phases)-1]
	if r.Outcome != OutcomeKilled || last.Name != PhaseConnWait || !last.Open ||
		last.Culprit == nil || last.Culprit.Method != chat.Name || len(r.Checkpoints) != 2 {
		t.Errorf("%+v", r)
	}
	if !strings.HasPrefix(r.Verdict, "killed in conn wait after at least 3.0s: ") {
		t.Error(r.Verdict)
	}
}

// TestReadListOfStorage: Badger and others keep a list as a text of JSON, in both of
// Jaeger's APIs, and a text that looks like one is a text.
func TestReadListOfStorage(t *testing.T) {
	want := sample(t, "report.json").Notes
	if len(want) < 2 {
		t.Fatalf("%d notes in report.json", len(want))
	}
	lines, err := json.Marshal(noteLines(want))
	if err != nil {
		t.Fatal(err)
	}
	s := &readSpan{attrs: map[string]any{keyNotes: string(lines), keyUserAgent: `["curl"]`, keyAfter: "api"}}
	if diff := cmp.Diff(noteLines(want), s.list(keyNotes)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := s.text(keyUserAgent); got != `["curl"]` {
		t.Errorf("user agent %q", got)
	}
	if got := s.list(keyAfter); len(got) != 1 || got[0] != "api" {
		t.Errorf("after %q", got)
	}
}
