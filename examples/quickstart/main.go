// SPDX-License-Identifier: Apache-2.0

// Quickstart is the README's code: a gRPC server whose shutdown is traced.
package main

import (
	"context"
	"log"
	"net"

	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

type greeter struct{ pb.UnimplementedGreeterServer }

func main() {
	ctx := context.Background()
	t, err := tracer.New(ctx) // OTEL_* environment variables, own pipeline
	if err != nil {
		log.Fatal(err)
	}
	srv := server.New(t) // a grpc server with the sensors installed
	pb.RegisterGreeterServer(srv, &greeter{})
	lis, err := net.Listen("tcp", ":50051")
	if err != nil {
		log.Fatal(err)
	}
	if err := srv.Run(ctx, lis); err != nil { // until SIGTERM: drain, report, flush
		log.Fatal(err)
	}
}
