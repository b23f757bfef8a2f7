// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/xds"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// Serve serves as GRPC_XDS_BOOTSTRAP says, until SIGTERM.
func Serve(ctx context.Context, lis net.Listener, register func(grpc.ServiceRegistrar)) error {
	t, err := tracer.New(ctx)
	if err != nil {
		return err
	}
	creds, err := xdscreds.NewServerCredentials(xdscreds.ServerOptions{
		FallbackCreds: insecure.NewCredentials(),
	})
	if err != nil {
		return err
	}
	inner, err := xds.NewGRPCServer(grpc.Creds(interceptors.Credentials(t, creds)))
	if err != nil {
		return err
	}
	srv := server.Wrap(inner, t)
	register(srv)
	return srv.Run(ctx, lis)
}
