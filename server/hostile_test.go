// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// hostile are texts that a client can send in frames of its own making. HTTP/2
// refuses some of them in headers; an address may be any of them.
var hostile = map[string]string{
	"ANSI escapes":       "\x1b[31mred\x1b]0;title\x07",
	"newlines":           "a\nlevel=INFO msg=\"all is well\"\r\n",
	"control characters": "\x00\x08\x7f\u0085\u009b31m",
	"invalid UTF-8":      "\xff\xfe\xc3(",
	"bidi overrides":     "\u202egnp.exe\u2066\u200b\ufeff",
	"separators":         "a\u2028b\u2029c",
	"HTML":               "<script>alert(1)</script><img src=x onerror=alert(1)>'\"&",
	"end of a script":    "</script><!--<script>",
	"format verbs":       "%s%d%!(NOVERB)%n",
	"JSON":               `","verdict":"all is well","x":"\u001b`,
	"64 KiB":             strings.Repeat("x", 64<<10),
	"64 KiB of umlauts":  strings.Repeat("ü", 32<<10),
	"64 KiB of rubbish":  strings.Repeat("\xff", 64<<10),
}

// chosen is an address whose text a client has chosen: a unix socket's, or one
// that a PROXY header made.
type chosen struct{ text string }

func (*chosen) Network() string  { return "unix" }
func (a *chosen) String() string { return a.text }

type chosenConn struct {
	net.Conn
	addr chosen
}

func (c *chosenConn) RemoteAddr() net.Addr { return &c.addr }

type chosenListener struct {
	*servertest.Listener
	text string
}

func (l chosenListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &chosenConn{Conn: c, addr: chosen{l.text}}, nil
}

// exported keeps all spans.
type exported struct {
	mu    sync.Mutex // guards following
	spans []sdktrace.ReadOnlySpan
}

func (e *exported) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.spans = append(e.spans, spans...)
	return nil
}

func (*exported) Shutdown(context.Context) error { return nil }

// TestHostileClient stops a server whose client has put a text wherever it can,
// and looks at everything that leaves.
func TestHostileClient(t *testing.T) {
	for name, text := range hostile {
		for _, asJSON := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, JSON log %t", name, asJSON), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testHostileClient(t, text, asJSON) })
			})
		}
	}
}

func testHostileClient(t *testing.T, text string, asJSON bool) {
	log, spans := &bytes.Buffer{}, &exported{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	if asJSON {
		logger = slog.New(slog.NewJSONHandler(log, nil))
	}
	var report *tracer.Report
	tr := newTracer(t, tracer.WithLogger(logger),
		tracer.WithReport(func(r *tracer.Report) { report = r }),
		tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) { return spans, nil }))
	s := server.New(tr, server.GracePeriod(10*time.Second),
		grpc.UnknownServiceHandler(func(_ any, ss grpc.ServerStream) error {
			<-ss.Context().Done()
			return nil
		}))
	lis := chosenListener{servertest.Listen(), text}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	c := attack(t, lis, text)
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	time.Sleep(2 * time.Second)
	for _, format := range []string{"text", "json", "html"} {
		w := httptest.NewRecorder()
		tr.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?format="+format, nil))
		clean(t, "handler, "+format, w.Body.String())
		oneScript(t, "handler, "+format, w.Body.String())
	}
	<-stopped
	<-served
	_ = c.Close()

	if text := string(report.Outcome) + report.Verdict; !strings.HasPrefix(text, "forced") ||
		!strings.Contains(text, "rpc _OTHER") {
		t.Errorf("it is not about the client's RPCs: %s", text)
	}
	cleanReport(t, report)
	clean(t, "log", log.String())
	cleanSpans(t, spans.spans)
}

// attack opens an RPC for each place that a text can be in. One that HTTP/2
// refuses (RFC 9113, section 8.2.1) is reset; the last one, whose headers are
// harmless, is not.
func attack(t *testing.T, lis chosenListener, text string) *servertest.Client {
	t.Helper()
	c, err := servertest.Connect(t.Context(), lis.Dial, servertest.Obedient())
	if err != nil {
		t.Fatal(err)
	}
	calls := []servertest.Call{{Method: "/" + text + "/Method"}, {Method: "/pkg.Service/" + text}}
	for _, key := range []string{"user-agent", "x-forwarded-for", "x-forwarded-client-cert", "l5d-client-id"} {
		calls = append(calls, servertest.Call{
			Method: "/pkg.Service/Method", Metadata: metadata.Pairs(key, text),
		})
	}
	calls = append(calls, servertest.Call{Method: "/pkg.Service/Method"})
	for i, call := range calls {
		call.KeepOpen = true
		s, err := c.Open(call)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		open := true
		select {
		case <-s.Ended():
			open = false
		default:
		}
		if want := i == len(calls)-1 || httpguts.ValidHeaderFieldValue(text); open != want {
			t.Errorf("call %d is open: %t, want %t: this tests less than it says: %v", i, open, want, c.Err())
		}
	}
	return c
}

func cleanReport(t *testing.T, r *tracer.Report) {
	t.Helper()
	for name, write := range map[string]func(*bytes.Buffer) error{
		"text": func(b *bytes.Buffer) error { return r.WriteText(b) },
		"json": func(b *bytes.Buffer) error { return r.WriteJSON(b) },
		"html": func(b *bytes.Buffer) error { return r.WriteHTML(b) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		clean(t, name, b.String())
		oneScript(t, name, b.String())
	}
}

// oneScript expects a page to have its own script alone, and JSON, which may end
// up in a page, to have none. Text is served as what it is.
func oneScript(t *testing.T, what, s string) {
	t.Helper()
	want := 0
	if strings.HasSuffix(what, "html") {
		want = 1
	}
	if n := strings.Count(strings.ToLower(s), "<script"); n != want && !strings.HasSuffix(what, "text") {
		t.Errorf("%s: %d scripts, want %d", what, n, want)
	}
}

func cleanSpans(t *testing.T, spans []sdktrace.ReadOnlySpan) {
	t.Helper()
	if len(spans) < 10 {
		t.Errorf("%d spans, want all of a shutdown", len(spans))
	}
	for _, sp := range spans {
		if rest, ok := strings.CutPrefix(sp.Name(), "rpc "); ok && rest != "_OTHER" {
			t.Errorf("the name of span %q is from outside", sp.Name())
		}
		clean(t, "name of a span", sp.Name())
		clean(t, "status of "+sp.Name(), sp.Status().Description)
		for _, kv := range sp.Attributes() {
			clean(t, sp.Name()+", "+string(kv.Key), fmt.Sprint(kv.Key, "=", kv.Value.AsInterface()))
		}
	}
}

// Bounds of what leaves, with seven RPCs of a hostile client.
const (
	maxLine = 8 << 10
	maxAll  = 128 << 10
)

// clean looks at each line of what leaves.
func clean(t *testing.T, what, s string) {
	t.Helper()
	if len(s) > maxAll {
		t.Errorf("%s: %d bytes, want at most %d", what, len(s), maxAll)
	}
	for i, line := range strings.Split(strings.TrimSuffix(s, "\n"), "\n") {
		if len(line) > maxLine {
			t.Errorf("%s, line %d: %d bytes, want at most %d", what, i+1, len(line), maxLine)
		}
		if !utf8.ValidString(line) {
			t.Errorf("%s, line %d: invalid UTF-8: %.200q", what, i+1, line)
		}
		for _, r := range line {
			if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
				t.Errorf("%s, line %d: %U in %.200q", what, i+1, r, line)
				break
			}
		}
	}
}
