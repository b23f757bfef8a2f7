// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// sentinels are what must not leave if a word is withheld: values, and the keys
// that have them.
var sentinels = map[string][]string{
	"peer": {"203.0.113.", "network.peer."},
	"client": {
		"agent-of-ann", "198.51.100.99", "spiffe://acme/bob", "carol.serviceaccount",
		"user_agent", "shutdown.client\"",
	},
	"method": {"acme.", "Vault", "Unlock", "Seal", "Break", "Peek", "rpc.method"},
	"stack":  {"toldInRecv", "toldDeaf", "toldAround", "withhold_kit_test.go", "code.function", "code.stacktrace"},
}

// output is all that leaves a process, by where it leaves.
type output struct {
	mu  sync.Mutex // guards following
	all map[string]*bytes.Buffer
}

// to is a writer to one place.
func (o *output) to(where string) io.Writer { return &place{o, where} }

type place struct {
	o     *output
	where string
}

func (p *place) Write(b []byte) (int, error) {
	p.o.mu.Lock()
	defer p.o.mu.Unlock()
	if p.o.all[p.where] == nil {
		p.o.all[p.where] = &bytes.Buffer{}
	}
	return p.o.all[p.where].Write(b)
}

// refuser is a collector that refuses all that it is sent, and shows it.
type refuser struct{ o *output }

func (a refuser) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	w := a.o.to("spans")
	for _, s := range spans {
		_, _ = fmt.Fprintln(w, s.Name(), s.Status(), s.Links(), s.Events())
		for _, kv := range s.Attributes() {
			_, _ = fmt.Fprintf(w, "%q=%v\n", string(kv.Key), kv.Value.AsInterface())
		}
	}
	return status.Error(codes.InvalidArgument, "not now")
}

func (refuser) Shutdown(context.Context) error { return nil }

// stopTelling stops a group of servers that have something to withhold and
// returns all that left.
func stopTelling(t *testing.T, opts ...tracer.Option) *output {
	t.Helper()
	o := &output{all: make(map[string]*bytes.Buffer)}
	dir := filepath.Join(t.TempDir(), "spool")
	stderr := swapStderr(t)
	t.Setenv("GRACETRACE_SPOOL", "stderr")
	t.Setenv("GRACETRACE_UI_URL", "http://jaeger:16686")
	synctest.Test(t, func(t *testing.T) {
		tr := newTracer(t, append([]tracer.Option{
			tracer.WithLogger(slog.New(slog.NewJSONHandler(o.to("log"), nil))),
			tracer.WithReport(func(r *tracer.Report) { o.report(t, "report", r) }),
			tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) {
				return refuser{o}, nil
			}),
			tracer.WithSpool(dir),
		}, opts...)...)
		var f telling
		g := f.group(t, tr)
		err := f.stop(t.Context(), g, func() { o.debug(tr) })
		o.failed(t, err)
	})
	o.spooled(t, dir, stderr)
	return o
}

// swapStderr gives the process another stderr, and returns its name.
func swapStderr(t *testing.T) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	was := os.Stderr
	os.Stderr = f
	t.Cleanup(func() { os.Stderr = was; _ = f.Close() })
	return f.Name()
}

func (o *output) report(t *testing.T, where string, r *tracer.Report) {
	t.Helper()
	if err := errors.Join(r.WriteText(o.to(where+", text")), r.WriteJSON(o.to(where+", JSON")),
		r.WriteHTML(o.to(where+", page"))); err != nil {
		t.Error(err)
	}
}

// debug is what the debug port shows while the stop lasts.
func (o *output) debug(tr *tracer.Tracer) {
	for _, format := range []string{"text", "json", "html"} {
		w := httptest.NewRecorder()
		tr.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?format="+format, nil))
		_, _ = o.to("debug port, " + format).Write(w.Body.Bytes())
	}
}

// failed is what the application gets, which it logs.
func (o *output) failed(t *testing.T, err error) {
	t.Helper()
	var forced *server.DeadlineError
	if !errors.As(err, &forced) || len(forced.Holders) == 0 {
		t.Errorf("the stop returned %v, want a DeadlineError with holders", err)
		return
	}
	_, _ = fmt.Fprintln(o.to("error"), err)
	b, err := json.Marshal(forced.Holders)
	if err != nil {
		t.Error(err)
	}
	_, _ = o.to("holders").Write(b)
}

// spooled is what is left on the disk and in the log, and what a report of it says.
func (o *output) spooled(t *testing.T, dir, stderr string) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for where, names := range map[string][]string{"spool": files, "stderr": {stderr}} {
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = o.to(where).Write(b)
		}
		reports, err := tracer.ReadReports(bytes.NewReader(o.all[where].Bytes()))
		if err != nil || len(reports) != 1 {
			t.Fatalf("%s: %d reports, %v", where, len(reports), err)
		}
		o.report(t, where+" read", reports[0])
	}
}

// told are the sentinels of a word that a place has.
func (o *output) told(where, word string) []string {
	return slices.DeleteFunc(slices.Clone(sentinels[word]), func(s string) bool {
		return !bytes.Contains(o.all[where].Bytes(), []byte(s)) &&
			!bytes.Contains(o.all[where].Bytes(), []byte(strings.ReplaceAll(s, `"`, `\"`)))
	})
}

// places are where something must have left.
var places = []string{
	"log", "spans", "spool", "stderr", "error", "holders",
	"report, text", "report, JSON", "report, page",
	"debug port, text", "debug port, json", "debug port, html",
	"spool read, text", "spool read, JSON", "spool read, page",
	"stderr read, text", "stderr read, JSON", "stderr read, page",
}

// TestWithhold: what is withheld leaves nowhere, and what is not leaves, so that
// this test sees what it looks for.
func TestWithhold(t *testing.T) {
	words := []string{"peer", "client", "method", "stack"}
	cases := [][]string{nil, words}
	for _, w := range words {
		cases = append(cases, []string{w})
	}
	for _, withheld := range cases {
		t.Run(strings.Join(withheld, ","), func(t *testing.T) {
			// Half by the variable, half by the option: they add up.
			t.Setenv("GRACETRACE_WITHHOLD", strings.Join(withheld[:len(withheld)/2], ", "))
			o := stopTelling(t, tracer.Withhold(withheld[len(withheld)/2:]...))
			for _, where := range places {
				switch left := o.all[where]; {
				case left == nil:
					t.Fatalf("nothing left by the %s", where)
				case strings.Contains(left.String(), "panicValue"):
					t.Errorf("%s tells what a handler panicked with", where)
				}
				for _, word := range words {
					told := o.told(where, word)
					if slices.Contains(withheld, word) && len(told) > 0 {
						t.Errorf("%s tells %q:\n%s", where, told, around(o.all[where].String(), told[0]))
					}
				}
			}
			for _, word := range words {
				if !slices.Contains(withheld, word) {
					o.wantTold(t, word)
				}
			}
		})
	}
}

// around is the place of a text.
func around(s, text string) string {
	at := strings.Index(s, text)
	return s[max(0, at-300):min(len(s), max(at, 0)+200)]
}

// wantTold expects each place to tell something of a word, and the spans all of it.
func (o *output) wantTold(t *testing.T, word string) {
	t.Helper()
	for _, where := range places {
		if len(o.told(where, word)) == 0 {
			t.Errorf("%s tells nothing of %s:\n%.2000s", where, word, o.all[where])
		}
	}
	if told := o.told("spool", word); len(told) != len(sentinels[word]) {
		t.Errorf("the spans tell of %s %q, want all of %q", word, told, sentinels[word])
	}
}

// TestWithholdRefuses: a word that is none is found at the start.
func TestWithholdRefuses(t *testing.T) {
	for _, tt := range []struct {
		env  string
		opt  []string
		want string
	}{
		{"peers", nil, `GRACETRACE_WITHHOLD="peers": "peers" is none of peer, client, method, stack`},
		{"", []string{"peer", "all"}, `Withhold: "all" is none of peer, client, method, stack`},
		{"peer,Stack", nil, `"Stack" is none of`},
		{" peer , stack,", []string{"method"}, ""},
		{"", nil, ""},
	} {
		t.Setenv("GRACETRACE_WITHHOLD", tt.env)
		tr, err := tracer.New(t.Context(), tracer.WithLogger(slog.New(slog.DiscardHandler)),
			tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) {
				return dropped{}, nil
			}), tracer.Withhold(tt.opt...))
		if err == nil {
			tr.Close()
		}
		if tt.want == "" && err != nil || !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%q and %q: %v, want %q", tt.env, tt.opt, err, tt.want)
		}
	}
}
