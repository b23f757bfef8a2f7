// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"slices"
	"strings"
)

const (
	grpc      = "google.golang.org/grpc"
	transport = grpc + "/internal/transport"
	ourselves = "github.com/gracetrace/gracetrace"
	sensors   = ourselves + "/interceptors"
	protobuf  = "google.golang.org/protobuf" // reads and writes grpc's messages
)

// standard are the first elements of the standard library's import paths. A
// module of a user may do without a dot in its path, too.
var standard = words(`archive bufio bytes cmp compress container context crypto database debug
	embed encoding errors expvar flag fmt go hash html image index internal io iter log maps math
	mime net os path plugin reflect regexp runtime slices sort strconv strings structs sync syscall
	testing text time unicode unique unsafe vendor weak`)

// services are what grpc-go has of handlers that are registered like a user's.
var services = []string{
	grpc + "/health", grpc + "/reflection", grpc + "/channelz", grpc + "/orca",
	grpc + "/examples", grpc + "/interop",
}

// plumbing is what of gracetrace runs below an application. The rest are its
// demo and its tests.
var plumbing = words(`exporter interceptors server tracer weave internal/h2 internal/stack internal/watch
	internal/woven`)

func words(s string) map[string]bool {
	m := make(map[string]bool)
	for w := range strings.FieldsSeq(s) {
		m[w] = true
	}
	return m
}

// under reports whether a package is root or below it.
func under(pkg, root string) bool {
	rest, ok := strings.CutPrefix(pkg, root)
	return ok && (rest == "" || rest[0] == '/')
}

// application reports whether a frame is of neither the runtime, the standard
// library, grpc, protobuf, code generated for grpc, nor gracetrace.
func (f *Frame) application() bool {
	if f.Elided || f.Function == "panic" {
		return false
	}
	pkg, base := f.Package(), f.File[strings.LastIndexAny(f.File, `/\`)+1:]
	first, _, _ := strings.Cut(pkg, "/")
	switch {
	case standard[first], strings.HasSuffix(base, ".pb.go"), f.generated(), under(pkg, protobuf):
		return false
	case under(pkg, grpc):
		return slices.ContainsFunc(services, func(s string) bool { return under(pkg, s) })
	case under(pkg, ourselves):
		return !plumbing[strings.TrimPrefix(pkg, ourselves+"/")] || strings.HasSuffix(base, "_test.go")
	}
	return true
}

// generated reports whether a frame is the wrapper that protoc-gen-go-grpc puts
// around a handler: _Greeter_SayHello_Handler, or a function in it.
func (f *Frame) generated() bool { return f.wraps() != "" }

// wraps returns what such a wrapper's name tells: Greeter_SayHello.
func (f *Frame) wraps() string {
	name, ok := strings.CutPrefix(f.local(), "_")
	if !ok {
		return ""
	}
	name, inside, _ := strings.Cut(name, ".")
	name, ok = strings.CutSuffix(name, "_Handler")
	if !ok || inside != "" && !strings.HasPrefix(inside, "func") {
		return ""
	}
	return name
}

// site returns the index of the frame at which the application is: its
// innermost, or, where that is a driver or an interceptor of a client that the
// application only called through a library, the one that called the library.
// It is -1 if no frame is the application's.
func site(frames []Frame) int {
	at := -1
	called := false
	for i := range frames {
		f := &frames[i]
		switch {
		case !f.application():
			called = called || f.mediates()
		case at < 0 || called:
			at, called = i, false
		}
	}
	return at
}

// mediates reports whether a frame's function calls code on behalf of another
// that does not know it: database/sql a driver, net/http a round tripper, a
// grpc client its interceptors.
func (f *Frame) mediates() bool {
	switch f.Package() {
	case "database/sql":
		return true
	case "net/http":
		return strings.HasPrefix(f.Function, "net/http.(*Client).") || f.Function == "net/http.send"
	case grpc:
		return strings.HasPrefix(f.Function, grpc+".(*ClientConn).")
	}
	return false
}

// is reports whether a frame is a function, or a function literal in it.
func (f *Frame) is(pkg, name string) bool {
	rest, ok := strings.CutPrefix(f.Function, pkg)
	if !ok {
		return false
	}
	rest, ok = strings.CutPrefix(rest, "."+name)
	return ok && (rest == "" || rest[0] == '.')
}
