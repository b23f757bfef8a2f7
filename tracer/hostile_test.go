// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// hostile are texts that a client can choose.
var hostile = map[string]string{
	"ANSI escapes":       "\x1b[31mred\x1b]0;title\x07",
	"newlines":           "a\nlevel=INFO msg=\"all is well\"\r\n",
	"control characters": "\x00\x08\x7f\u0085\u009b31m",
	"invalid UTF-8":      "\xff\xfe\xc3(",
	"HTML":               "<script>alert(1)</script>",
	"formatting":         "\u202egnp.exe\u2066\u200b\ufeff",
	"separators":         "a\u2028b\u2029c",
	"64 KiB":             strings.Repeat("x", 64<<10),
	"64 KiB of umlauts":  strings.Repeat("ü", 32<<10),
	"64 KiB of rubbish":  strings.Repeat("\xff", 64<<10),
}

// maxCleaned is what is left of a bounded text: each byte may have become a
// replacement character of three.
const maxCleaned = 3*maxText + len("…")

// dirt says what is wrong with a text that is to be shown.
func dirt(s string) string {
	if !utf8.ValidString(s) {
		return "invalid UTF-8"
	}
	for _, r := range s {
		if r != ' ' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
			return "an unprintable character"
		}
	}
	return ""
}

func TestClean(t *testing.T) {
	for name, s := range hostile {
		got := clean(s)
		if d := dirt(got); d != "" || len(got) > maxCleaned {
			t.Errorf("%s: %s, %d bytes in %q", name, d, len(got), got)
		}
	}
	for s, want := range map[string]string{
		"":                        "",
		"grpc-java-netty/1.70 ü€": "grpc-java-netty/1.70 ü€",
		"a\tb":                    "a\ufffdb",
		"\xffa":                   "\ufffda",
		strings.Repeat("x", 256):  strings.Repeat("x", 256),
		strings.Repeat("x", 257):  strings.Repeat("x", 256) + "…",
		strings.Repeat("€", 90):   strings.Repeat("€", 85) + "…",
	} {
		if got := clean(s); got != want {
			t.Errorf("clean(%q) = %q, want %q", s, got, want)
		}
	}
}

// chosenAddr is an address whose text a client can choose: a unix socket's, or
// one that a PROXY header made.
type chosenAddr struct{ text string }

func (*chosenAddr) Network() string  { return "unix" }
func (a *chosenAddr) String() string { return a.text }

type closer struct{}

func (closer) Close() error { return nil }

// TestHostileShutdown puts each text everywhere where a client can put one, and
// looks at everything that leaves.
func TestHostileShutdown(t *testing.T) {
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				testHostile(t, text, false)
				testHostile(t, text, true)
			})
		})
	}
}

// testHostile stops a server whose client does not let it: in the handshake, or
// by an RPC of a method that is not registered.
func testHostile(t *testing.T, text string, silent bool) {
	t.Helper()
	k, log := &sink{}, &bytes.Buffer{}
	tr, err := New(t.Context(), WithExporter(k.factory),
		WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	peer := &chosenAddr{text}
	table := tr.Table()
	table.Resolve = func(context.Context) watch.Caller {
		return watch.Caller{Addr: peer, UserAgent: text, Client: text}
	}
	lis := table.AddListener(&net.UnixAddr{Name: "/run/a.sock"}, "*net.UnixListener")
	c := lis.Accepted(peer, closer{})
	if !silent {
		c.HandshakeBegin(time.Now().Add(time.Minute))
		c.HandshakeEnd()
	}
	table.Begin(t.Context(), &watch.Method{Name: "_OTHER", Short: "_OTHER", Original: text})
	s, _ := tr.BeginShutdown(Call{Graceful: true})
	lis.CloseBegin()
	lis.AcceptEnd()
	lis.CloseEnd()
	time.Sleep(2 * time.Second) // of the bubble's
	s.Forced()
	r := s.Finish(t.Context())
	want := "rpc _OTHER ("
	if silent {
		want = "handshake from"
	}
	if !strings.Contains(r.Verdict, want) {
		t.Errorf("the verdict is not about %q: %s", want, r.Verdict)
	}

	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	bounded(t, "text", b.String(), 4<<10)
	b.Reset()
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	bounded(t, "JSON", b.String(), 4<<10)
	bounded(t, "log", log.String(), 8<<10)
	for _, sp := range k.spans {
		if rest, ok := strings.CutPrefix(sp.Name(), "rpc "); ok && rest != "_OTHER" {
			t.Errorf("span %q has a name from outside", sp.Name())
		}
		bounded(t, "status of "+sp.Name(), sp.Status().Description, 4<<10)
		for _, kv := range sp.Attributes() {
			bounded(t, sp.Name()+", "+string(kv.Key), string(kv.Key)+kv.Value.AsString(), 4<<10)
		}
	}
}

// bounded looks at each line of what leaves.
func bounded(t *testing.T, what, s string, limit int) {
	t.Helper()
	for i, line := range strings.Split(s, "\n") {
		if d := dirt(line); d != "" || len(line) > limit {
			t.Errorf("%s, line %d: %s, %d bytes", what, i+1, d, len(line))
		}
	}
}
