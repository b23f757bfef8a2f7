// SPDX-License-Identifier: Apache-2.0

// Package weave traces the shutdown of every grpc server in a program whose code was
// not changed: grpc-go's own source is instrumented when the program is built.
//
// # Usage
//
// Put a file orchestrion.tool.go beside the program's go.mod,
//
//	//go:build tools
//
//	package tools
//
//	import _ "github.com/gracetrace/gracetrace/weave"
//
// and build with the weaver that reads orchestrion.yml here:
//
//	go get -tool github.com/DataDog/orchestrion@v1.15.0
//	go mod tidy
//	go tool orchestrion go build
//
// The environment says the rest, as it does for tracer.New: OTEL_* and
// GRACETRACE_*. See docs/compiled-in.md.
//
// # Guarantees
//
//   - The spans, the report and the names are those of package server. The root's
//     shutdown.source is compiled.
//   - The phases begin and end where grpc's own functions do.
//   - A server made by package server, or watched by package interceptors, keeps its
//     Tracer: there is one trace, with the boundaries that grpc's source tells.
//   - A point that a release of grpc-go has renamed is named in the log when the first
//     server is made, and what it told is then seen from outside.
//   - GracefulStop, Stop and Serve return what grpc returns, and at most 2 s later: the
//     trace is flushed.
//
// # Limitations
//
//   - What package server does beyond grpc is not there: no deadline, no lame duck, no
//     health, no signals.
//   - Servers that are made before main's imports are initialised, as a package
//     variable is, are watched from their first RegisterService, Serve or stop on.
package weave

import "github.com/gracetrace/gracetrace/internal/woven"

// install is called by every program that this package is compiled into.
func init() { //nolint:gochecknoinits // nobody calls what is linked in behind the compiler
	points := woven.Points()
	if len(points) > 0 {
		woven.Install(newSink(points))
	}
	sayUnwoven(points)
}
