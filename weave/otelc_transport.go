// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// What otelc.yaml adds to grpc's package transport: see orchestrion.yml.

package weave

import _ "unsafe" // for go:linkname

//go:linkname __gracetrace_mark github.com/gracetrace/gracetrace/internal/woven.mark
func __gracetrace_mark(string)

//go:linkname __gracetrace_begin github.com/gracetrace/gracetrace/internal/woven.begin
func __gracetrace_begin(string, any, any)

//go:linkname __gracetrace_end github.com/gracetrace/gracetrace/internal/woven.end
func __gracetrace_end(string, any, any)

func init() {
	var t any = (*http2Server)(nil)
	if _, ok := t.(interface{ Drain(debugData string) }); ok {
		__gracetrace_mark("http2Server.Drain")
	}
	if _, ok := t.(interface {
		outgoingGoAwayHandler(g *goAway) (bool, error)
	}); ok {
		__gracetrace_mark("http2Server.outgoingGoAwayHandler")
	}
	if _, ok := t.(interface{ Close(err error) }); ok {
		__gracetrace_mark("http2Server.Close")
	}
}
