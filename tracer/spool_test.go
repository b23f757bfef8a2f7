// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhereTheSpoolIs: the option before the environment, but for off; ours before
// systemd's.
func TestWhereTheSpoolIs(t *testing.T) {
	here, err := filepath.Abs("spool")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		mode, dir, state string
		opts             []Option
		want             string
		stderr           bool
		said             string
	}{
		{},
		{dir: "/a", state: "/b:/c", want: "/a", said: "/a"},
		{dir: "spool", want: here, said: here},
		{state: "/b:/c", want: "/b/gracetrace", said: "/b/gracetrace"},
		{state: "b", want: ""},
		{dir: "/a", opts: []Option{WithSpool("/o")}, want: "/o", said: "/o"},
		{dir: "/a", opts: []Option{WithSpool("")}},
		{mode: "off", dir: "/a", state: "/b"},
		{mode: "off", opts: []Option{WithSpool("/o")}},
		{mode: "stderr", stderr: true, said: "log"},
		{mode: "stderr", dir: "/a", want: "/a", stderr: true, said: "/a and log"},
	} {
		t.Setenv(envSpool, test.mode)
		t.Setenv(envSpoolDir, test.dir)
		t.Setenv(envStateDir, test.state)
		c, err := newConfig(test.opts, true)
		if err != nil {
			t.Errorf("%+v: %v", test, err)
			continue
		}
		if said := c.spool.String(); said != test.said {
			t.Errorf("%+v: it says %q", test, said)
		}
		if c.spool.dir != test.want || (c.spool.log == os.Stderr) != test.stderr {
			t.Errorf("%+v: %+v", test, c.spool)
		}
		if c, _ := newConfig(test.opts, false); len(test.opts) == 0 && c.spool != (spoolConfig{}) {
			t.Errorf("%+v: a hermetic Tracer reads the environment: %+v", test, c.spool)
		}
	}
	t.Setenv(envSpool, "stdout")
	const want = `GRACETRACE_SPOOL="stdout"`
	if _, err := newConfig(nil, true); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestReadsALog: what kubectl and container runtimes make of it, in between what the
// application says, itself in JSON.
func TestReadsALog(t *testing.T) {
	line := `{"resourceSpans":[{"resource":{},"scopeSpans":[{"scope":{},"spans":[{"traceId":` +
		`"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"grpc.server.shutdown",` +
		`"startTimeUnixNano":"1000","endTimeUnixNano":"9000","attributes":[{"key":"shutdown.outcome",` +
		`"value":{"stringValue":"graceful"}}]}]}]}]}`
	for name, log := range map[string]string{
		"kubectl": "listening\n" + `{"level":"info","msg":"x"}` + "\n" + line + "\n" + line[:50],
		"CRI":     "2026-11-22T05:00:00.1Z stderr F " + line + "\n2026-11-22T05:00:00.1Z stdout F {}\n",
		"torn":    line[:50] + "\n" + line + "\n",
	} {
		reports, err := ReadReports(strings.NewReader(log))
		if err != nil || len(reports) != 1 || reports[0].Outcome != OutcomeGraceful {
			t.Errorf("%s: %v, %v", name, reports, err)
		}
		if noted := len(reports) > 0 && len(reports[0].Notes) > 0; noted != (name != "CRI") {
			t.Errorf("%s: that a line was torn is said: %t", name, noted)
		}
	}
	for _, log := range []string{"listening\n", `listening {"resourceSpans":[` + "\n"} {
		if reports, err := ReadReports(strings.NewReader(log)); err == nil {
			t.Errorf("%q: %v", log, reports)
		}
	}
}
