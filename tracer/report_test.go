// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// call is the wall clock at the call.
var call = time.Date(2026, 1, 2, 3, 4, 5, 123_456_000, time.UTC)

// roundTrip writes a report and reads it again.
func roundTrip(t *testing.T, r *Report) *Report {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(b.Bytes(), []byte("}\n")) {
		t.Error("there is no newline at the end")
	}
	var got Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	return &got
}

// TestReportRoundTrip: JSON loses nothing, not even below a microsecond, since
// there is nothing below it.
func TestReportRoundTrip(t *testing.T) {
	whole := busy()
	r := whole.report(whole.views(), call)
	r.Service, r.TraceID, r.JaegerURL = "greeter", "0af7651916cd43dd8448eb211c80319c", "http://j/trace/0a"
	r.Spans = SpanCount{Sent: 20, Lost: map[string]int{"timeout": 3}, Summarised: 7}
	if diff := cmp.Diff(r, roundTrip(t, r)); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	for seed := range uint64(200) {
		tl := random(rand.New(rand.NewPCG(seed, 4)))
		for i := range tl.conns {
			tl.conns[i].gone += min(never-tl.conns[i].gone, 123)
		}
		r := tl.report(tl.views(), call)
		if diff := cmp.Diff(r, roundTrip(t, r)); diff != "" {
			t.Fatalf("seed %d: (-written +read):\n%s", seed, diff)
		}
	}
}

// TestReportKeys are those that others have been promised.
func TestReportKeys(t *testing.T) {
	tl := returnedAt(9*sec, oneListener, conn(told(0), goneAt(9*sec)), stream(-sec, 9*sec, inRecv(9*sec)))
	r := tl.report(tl.views(), call)
	r.TraceID = "0af7651916cd43dd8448eb211c80319c"
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	connWait := got["phases"].([]any)[4].(map[string]any)
	culprit := connWait["culprit"].(map[string]any)
	for _, tt := range []struct {
		key  string
		got  any
		want any
	}{
		{"trace_id", got["trace_id"], "0af7651916cd43dd8448eb211c80319c"},
		{"outcome", got["outcome"], "graceful"},
		{"duration_us", got["duration_us"], 9e6},
		{"verdict", got["verdict"], r.Verdict},
		{"phases[].name", connWait["name"], "conn wait"},
		{"phases[].start", connWait["start"], "2026-01-02T03:04:05.123456Z"},
		{"phases[].duration_us", connWait["duration_us"], 9e6},
		{"phases[].culprit.kind", culprit["kind"], "rpc"},
		{"phases[].culprit.state", culprit["state"], "in Recv"},
		{"phases[].culprit.method", culprit["method"], "greeter.v1.Greeter/Chat"},
		{"phases[].culprit.peer", culprit["peer"], "10.0.0.1:40001"},
		{"phases[].culprit.age_us", culprit["age_us"], 10e6},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.key, diff)
		}
	}
}

// TestReportOfWhatLasts: the last phase is open, the others are not.
func TestReportOfWhatLasts(t *testing.T) {
	for name, tl := range map[string]*timeline{
		"running":  unfinishedAt(9*sec, oneListener, conn(told(0)), unary(0, never)),
		"given up": unfinishedAt(9*sec, oneListener, conn(told(0)), unary(0, never), givenUp),
	} {
		r := tl.report(tl.views(), call)
		for i, p := range r.Phases {
			if p.Open != (i == len(r.Phases)-1) {
				t.Errorf("%s: %s: open is %t", name, p.Name, p.Open)
			}
		}
		last := r.Phases[len(r.Phases)-1]
		if last.Name != PhaseConnWait || last.Duration != Duration(9*sec) || !last.Culprit.Open {
			t.Errorf("%s: %+v", name, last)
		}
	}
}

// TestReportIsBounded: it lists the 50 that held longest and says how many more
// there were.
func TestReportIsBounded(t *testing.T) {
	tl := crowd()
	r := tl.report(tl.views(), call)
	bars := r.Phases[4].Bars
	if n := len(bars); n != maxBars+1 || bars[maxBars].Name != "9950 more" {
		t.Errorf("%d bars, the last is %q", n, bars[n-1].Name)
	}
	if r.Phases[2].Bars[maxBars-1].Duration != Duration(2*ms) {
		t.Error("the culprit of the handshake wait has no bar")
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0µs", 999: "0µs", 12 * us: "12µs", 999 * us: "999µs", 1100 * us: "1.1ms", 40 * ms: "40ms",
		999*ms + 600*us: "1.0s", sec: "1.0s", 22 * sec: "22.0s", 59*sec + 940*ms: "59.9s",
		59*sec + 960*ms: "1m00s", 185 * sec: "3m05s", 3*time.Hour + 12*time.Minute: "3h12m", -sec: "-1.0s",
		59*time.Minute + 59*sec + 600*ms: "1h00m", 50 * time.Hour: "50h00m",
	} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%d ns prints as %s, want %s", d, got, want)
		}
	}
	var d Duration
	if err := d.UnmarshalJSON([]byte(`"9s"`)); err == nil {
		t.Error(`"9s" is taken for a number of microseconds`)
	}
}
