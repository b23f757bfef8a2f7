// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = `goroutine 1 [running]:
main.main()
	/src/main.go:7 +0x1d

goroutine 18 gp=0xc0000a8380 m=nil [chan receive (durable), 5 minutes, synctest bubble 1]{"a": "b [c]"}:
google.golang.org/grpc/internal/transport.(*http2Server).HandleStreams(0xc0001?, {0x1, 0x2})
	/go/pkg/mod/google.golang.org/grpc@v1.85.0/internal/transport/http2_server.go:679 +0x2f8
main.(*server[...]).Watch(...)
	D:/my app/greeter.go:88
gopkg.in/yaml%2ev3.parse(0xc000012340, {0x1, ...}, _)
	/x/yaml.go:3 +0x1
...additional frames elided...
main.f({0xc000000001, 0x5})
	/src/main.go:9 +0x22
created by google.golang.org/grpc.(*Server).Serve in goroutine 7
	/go/pkg/mod/google.golang.org/grpc@v1.85.0/server.go:991 +0x4f6

goroutine 19 [select, 3 minutes]:
main.g(0xc0000123`

func TestAll(t *testing.T) {
	var got []Goroutine
	for g := range All(sample) {
		g.Frames = append([]Frame(nil), g.Frames...)
		got = append(got, g)
	}
	want := []Goroutine{
		{ID: 1, State: "running", Frames: []Frame{{Function: "main.main", File: "/src/main.go", Line: 7}}},
		{
			ID: 18, State: "chan receive", Created: "google.golang.org/grpc.(*Server).Serve",
			Frames: []Frame{
				{
					Function: "google.golang.org/grpc/internal/transport.(*http2Server).HandleStreams",
					File:     "/go/pkg/mod/google.golang.org/grpc@v1.85.0/internal/transport/http2_server.go",
					Line:     679,
				},
				{Function: "main.(*server[...]).Watch", File: "D:/my app/greeter.go", Line: 88},
				{Function: "gopkg.in/yaml%2ev3.parse", Arg: "0xc000012340", File: "/x/yaml.go", Line: 3},
				{Elided: true},
				{Function: "main.f", File: "/src/main.go", Line: 9},
			},
		},
		{ID: 19, State: "select"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("goroutines (-want +got):\n%s", diff)
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ function, pkg, local, method, name string }{
		{"main.main", "main", "main", "main", "main.main"},
		{"main.(*T).M.func1", "main", "M.func1", "func1", "main.(*T).M.func1"},
		{"a.b/c.T.M-fm", "a.b/c", "T.M", "M", "a.b/c.T.M-fm"},
		{"a.b/y%2ev3.f", "a.b/y%2ev3", "f", "f", "a.b/y.v3.f"},
		{"main.(*T[...]).M", "main", "M", "M", "main.(*T[...]).M"},
		{"main.F[...]", "main", "F[...]", "]", "main.F[...]"},
		{"panic", "panic", "", "", "panic"},
	} {
		f := Frame{Function: tt.function}
		got := [4]string{f.Package(), f.local(), f.Method(), f.Name()}
		if want := [4]string{tt.pkg, tt.local, tt.method, tt.name}; got != want {
			t.Errorf("%s: %q, want %q", tt.function, got, want)
		}
	}
}

// frames are made of lines "function file".
func frames(lines ...string) []Frame {
	fs := make([]Frame, len(lines))
	for i, l := range lines {
		function, file, _ := strings.Cut(l, " ")
		fs[i] = Frame{Function: function, File: "/src/" + file, Line: i + 1}
	}
	return fs
}

// TestSite: of a stack the line is named that a reader can do something about.
func TestSite(t *testing.T) {
	for _, tt := range []struct {
		name  string
		stack []Frame
		want  string // the frame; empty: none
	}{
		{"its own", frames("time.Sleep time.go", "main.(*S).Hello s.go", "main.middle m.go"), "main.(*S).Hello"},
		{"a module without a dot", frames("sync.(*Mutex).Lock m.go", "myapp/api.(*S).Hello s.go"), "myapp/api.(*S).Hello"},
		{"a library", frames("net.(*conn).Read n.go", "example.com/redis.Get r.go", "main.Hello s.go"), "example.com/redis.Get"},
		{
			"a driver", frames("net.(*conn).Read n.go", "example.com/pq.(*conn).recv c.go",
				"database/sql.ctxDriverStmtQuery ctx.go", "database/sql.(*DB).Query sql.go", "main.Hello s.go"),
			"main.Hello",
		},
		{
			"a round tripper", frames("net/http.(*Transport).RoundTrip t.go", "example.com/otelhttp.(*Transport).RoundTrip t.go",
				"net/http.send c.go", "net/http.(*Client).Do c.go", "main.Hello s.go"),
			"main.Hello",
		},
		{
			"a client's interceptor", frames("google.golang.org/grpc/internal/transport.(*recvBufferReader).read t.go",
				"example.com/otelgrpc.unary i.go", "google.golang.org/grpc.(*ClientConn).Invoke c.go",
				"example.com/pb.(*greeterClient).SayHello greeter_grpc.pb.go", "main.Hello s.go"),
			"main.Hello",
		},
		{"a handler below a server of net/http", frames("main.Hello s.go", "net/http.HandlerFunc.ServeHTTP s.go", "main.outer s.go"), "main.Hello"},
		{
			"generated code", frames("example.com/pb.(*chatServer).Recv greeter_grpc.pb.go", "example.com/pb._Greeter_Chat_Handler g.go"),
			"",
		},
		{"ours", frames("github.com/gracetrace/gracetrace/interceptors.(*watchedStream).RecvMsg rpc.go"), ""},
		{"our demo's", frames("github.com/gracetrace/gracetrace/internal/greeter.work greeter.go"), "github.com/gracetrace/gracetrace/internal/greeter.work"},
	} {
		got := ""
		if i := site(tt.stack); i >= 0 {
			got = tt.stack[i].Function
		}
		if got != tt.want {
			t.Errorf("%s: at %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestTextBound: what is too long is cut around the application's frame.
func TestTextBound(t *testing.T) {
	deep := frames("sync.(*Mutex).Lock m.go")
	for range 200 {
		deep = append(deep, frames("encoding/json.(*decodeState).value decode.go")...)
	}
	at := len(deep)
	deep = append(deep, frames("main.site s.go")...)
	for range 200 {
		deep = append(deep, frames("main.recurse s.go")...)
	}
	deep = append(deep, frames("main.outermost s.go")...)
	got := text(deep, at)
	if len(got) > maxText {
		t.Errorf("%d bytes, want at most %d", len(got), maxText)
	}
	for _, want := range []string{"sync.(*Mutex).Lock", "main.site", "main.recurse", "main.outermost", " frames elided"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in:\n%s", want, got)
		}
	}
	long := frames(strings.Repeat("x/", 9000) + "p.f s.go")
	if got := text(long, 0); len(got) > maxText || got == "" {
		t.Errorf("a name of 18 KB makes %d bytes", len(got))
	}
}
