// SPDX-License-Identifier: Apache-2.0

// Package option has a grpc server option together with what it was made of, which
// grpc itself does not tell: package weave makes it where grpc's source is
// instrumented, and package interceptors reads it.
package option

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// Keepalive is what grpc.KeepaliveParams returned.
type Keepalive struct {
	grpc.ServerOption
	Params keepalive.ServerParameters
}
