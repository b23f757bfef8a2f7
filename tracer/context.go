// SPDX-License-Identifier: Apache-2.0

package tracer

import "strings"

// whose says of an RPC's holder whose RPC it is.
func (tl *timeline) whose(h *holder, r *rpcLine) {
	h.Client, h.Infrastructure = r.client, infrastructure(r.asksFor())
	if r.conn >= 0 {
		h.Local = string(tl.conns[r.conn].where)
	}
}

// infrastructure reports whether a method, pkg.Service/Method, serves the
// machinery around the business: its streams stay open for as long as they can.
func infrastructure(method string) bool {
	service, _, _ := strings.Cut(method, "/")
	switch service {
	case "grpc.health.v1.Health", "grpc.channelz.v1.Channelz",
		"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection":
		return true
	}
	return false
}

// lateAttrs are what a connection's client has done since the call.
func (c *connLine) lateAttrs() []attr {
	var attrs []attr
	if c.halfOpen > 0 {
		attrs = append(attrs, attr{keyHalfOpen, c.halfOpen})
	}
	if c.late == 0 {
		return attrs
	}
	attrs = append(attrs, attr{keyLate, c.late}, attr{keyLastLate, c.lastLate.Seconds()})
	if w, ok := c.window(); ok {
		attrs = append(attrs, attr{keyWindow, w.Seconds()})
	}
	return attrs
}
