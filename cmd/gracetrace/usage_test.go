// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// A wrong command line is told what is wrong with it, by name and value.
func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args string
		want []string // in the first line of stderr
	}{
		{"fly", []string{`unknown command "fly"`}},
		{"dem", []string{`unknown command "dem"`, "did you mean demo?"}},
		{"culprit --service a", []string{`unknown command "culprit"`, "did you mean culprits?"}},
		{"help fly", []string{`unknown command "fly"`}},
		{"--fly", []string{"unknown flag: --fly"}},
		{"demo --fly", []string{"unknown flag: --fly"}},
		{"demo fly", []string{`unexpected argument "fly"`}},
		{"demo --grace", []string{"--grace"}},
		{"demo --grace abc", []string{"--grace", `"abc"`, "such as 12s"}},
		{"demo --grace 12", []string{"--grace", `"12"`, "such as 12s"}},
		{"demo --grace -5s", []string{"--grace", `"-5s"`, "must be positive"}},
		{"demo --grace 0s", []string{"--grace", `"0s"`, "must be positive"}},
		{"demo --scenario fly", []string{"--scenario", `"fly"`, "recv", "mute"}},
		{"demo --scenario recv,send", []string{"--scenario", `"recv,send"`}},
		{"demo --scenario=", []string{"--scenario", `""`}},
		{"demo --out=", []string{"--out is empty"}},
		{"report", []string{"want one FILE", "standard input", "not 0"}},
		{"report a b", []string{"want one FILE", "not 2"}},
		{"report a --json --html", []string{"--json and --html"}},
		{"report a --output=", []string{"--output is empty"}},
		{"report a --fly", []string{"unknown flag: --fly"}},
		{"report --jaeger localhost:1 ab", []string{`--jaeger "localhost:1"`, "want http://host:port"}},
		{"report http://localhost/search", []string{"want a link to a trace"}},
		{"compare a", []string{"want two files", "not 1"}},
		{"compare --jaeger localhost:1 ab cd", []string{`--jaeger "localhost:1"`}},
		{"compare - -", []string{"only one of the two can be standard input"}},
		{"culprits", []string{"--service is empty"}},
		{"culprits fly", []string{`unexpected argument "fly"`}},
		{"culprits --service a --since soon", []string{"--since", `"soon"`, "such as 90m, 2d"}},
		{"culprits --service a --since -1h", []string{"--since", `"-1h"`, "90m"}},
		{"culprits --service a --since NaNd", []string{"--since", "90m"}},
		{"culprits --service a --since 1h --until 2h", []string{"--since 1h is not before --until 2h"}},
		{"culprits --service a --by port", []string{"--by", `"port"`, "kind, state, method"}},
		{"culprits --service a --sort name", []string{"--sort", `"name"`, "held or count"}},
		{"culprits --service a --top 0", []string{"--top 0", "1 or more"}},
		{"culprits --service a --fail-over 20", []string{"--fail-over", `"20"`, "such as 12s"}},
		{"culprits --service a --jaeger localhost:1", []string{`--jaeger "localhost:1"`, "want http://host:port"}},
		{"culprits --service a --jaeger http://j/?a", []string{"--jaeger", "want it without ? and #"}},
		{"culprits --service a --jaeger http://u:p@j", []string{"a user or a password"}},
		{"culprits --service a --ui j --jaeger http://j", []string{"--ui", "want http://host:port"}},
		{"recover", []string{"want one DIR", "standard input", "not 0"}},
		{"recover a b", []string{"want one DIR", "not 2"}},
		{"recover - --timeout 0s", []string{"--timeout", `"0s"`}},
		{"serve fly", []string{`unexpected argument "fly"`}},
		{"serve --addr 50051", []string{"--addr", `"50051"`, "host:port"}},
		{"serve --addr localhost:", []string{"--addr", `"localhost:"`, "host:port"}},
		{"serve --addr :70000", []string{"--addr", `":70000"`, "no port"}},
		{"serve --cycle never", []string{"--cycle", `"never"`}},
		{"serve --handshake-timeout -1s", []string{"--handshake-timeout", `"-1s"`}},
		{"load --rate 0", []string{"--rate", `"0"`, "0.01"}},
		{"load --rate NaN", []string{"--rate", `"NaN"`}},
		{"load --scenario recv,fly", []string{"--scenario", `"fly"`, "mute"}},
	} {
		t.Run(test.args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), strings.Fields(test.args), &stdout, &stderr)
			wantFailed(t, result{stdout.String(), stderr.String(), code}, exitUsage, test.want)
			if !strings.Contains(stderr.String(), "--help' for") {
				t.Errorf("no hint where to look:\n%s", stderr.String())
			}
		})
	}
}

// What goes wrong although the command line is right is another exit code.
func TestFailure(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	missing := filepath.Join(t.TempDir(), "missing.pem")
	const export = "OTEL_TRACES_EXPORTER=otlp"

	for _, test := range []struct {
		name, args string
		env        []string
		want       []string
	}{
		{
			"port in use", "serve --addr " + taken.Addr().String(), nil,
			[]string{taken.Addr().String(), "in use"},
		},
		{
			"no folder", "demo --out /dev/null/reports", nil,
			[]string{"--out", "/dev/null"},
		},
		{
			"grace period of the environment", "serve --addr 127.0.0.1:0",
			[]string{"GRACETRACE_GRACE_PERIOD=-3s"}, []string{"GRACETRACE_GRACE_PERIOD", `"-3s"`},
		},
		{
			"grace period of the environment, demo", "demo",
			[]string{"GRACETRACE_GRACE_PERIOD=soon"}, []string{"GRACETRACE_GRACE_PERIOD", `"soon"`},
		},
		{
			"endpoint", "demo", []string{export, "OTEL_EXPORTER_OTLP_ENDPOINT=ht tp://x"},
			[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "ht tp://x"},
		},
		{
			"certificate", "serve --addr 127.0.0.1:0",
			[]string{export, "OTEL_EXPORTER_OTLP_CERTIFICATE=" + missing},
			[]string{"OTEL_EXPORTER_OTLP_CERTIFICATE", missing},
		},
		{
			"spool", "demo", []string{"GRACETRACE_SPOOL=stdout"}, []string{"GRACETRACE_SPOOL", `"stdout"`},
		},
		{
			"Jaeger's UI", "demo", []string{"GRACETRACE_UI_URL=jaeger"},
			[]string{"GRACETRACE_UI_URL", `"jaeger"`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := append(strings.Fields(test.args), "--grace", "1s")
			if strings.HasPrefix(test.name, "grace") {
				args = strings.Fields(test.args)
			}
			wantFailed(t, finish(t, gracetrace(t, test.env, args...)), exitFailure, test.want)
		})
	}
}

func wantFailed(t *testing.T, r result, code int, want []string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	if r.stdout != "" {
		t.Errorf("stdout is for reports, got:\n%s", r.stdout)
	}
	first, _, _ := strings.Cut(r.stderr, "\n")
	if !strings.HasPrefix(first, "gracetrace: ") {
		t.Errorf("want the error first, got:\n%s", r.stderr)
	}
	for _, s := range want {
		if !strings.Contains(first, s) {
			t.Errorf("%q does not say %q", first, s)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	for args, want := range map[string]string{
		"":             "gracetrace demo",
		"help":         "Available Commands:",
		"help demo":    "--scenario",
		"serve --help": "GRACETRACE_GRACE_PERIOD",
		"help report":  "OTLP JSON",
		"help compare": "FILE#TRACE",
		"load -h":      "--rate",
		"recover -h":   "GRACETRACE_SPOOL_DIR",
		"--version":    "gracetrace ",
		"demo --list":  "handshake wait: ",
	} {
		t.Run(args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), strings.Fields(args), &stdout, &stderr); code != exitOK {
				t.Errorf("exit code %d", code)
			}
			if !strings.Contains(stdout.String(), want) || stderr.Len() > 0 {
				t.Errorf("want %q on stdout, got:\n%s\nand on stderr:\n%s", want, &stdout, &stderr)
			}
		})
	}
}
