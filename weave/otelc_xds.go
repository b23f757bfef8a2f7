// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// What otelc.yaml adds to package xds: see orchestrion.yml.

package weave

import (
	"net"
	_ "unsafe" // for go:linkname
)

//go:linkname __gracetrace_mark github.com/gracetrace/gracetrace/internal/woven.mark
func __gracetrace_mark(string)

//go:linkname __gracetrace_serveInside github.com/gracetrace/gracetrace/internal/woven.serveInside
func __gracetrace_serveInside(func(), net.Listener) net.Listener

func init() {
	__gracetrace_mark("xds")
	__gracetrace_mark("xds.GRPCServer.Serve")
}
