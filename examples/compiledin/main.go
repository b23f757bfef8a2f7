// SPDX-License-Identifier: Apache-2.0

// Compiledin is a gRPC server that knows nothing of gracetrace: orchestrion.tool.go
// beside it has its shutdown traced, if it is built by orchestrion.
package main

import (
	"context"
	"log"
	"net"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"

	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

type greeter struct{ pb.UnimplementedGreeterServer }

// SayHello takes as long as the client wants, whatever becomes of it.
func (*greeter) SayHello(_ context.Context, req *pb.SayHelloRequest) (*pb.SayHelloResponse, error) {
	log.Print("greeting ", req.GetName())
	<-time.After(req.GetDuration().AsDuration())
	return &pb.SayHelloResponse{Message: "hello " + req.GetName()}, nil
}

func main() {
	lis, err := net.Listen("tcp", ":50052")
	if err != nil {
		log.Fatal(err)
	}
	srv := grpc.NewServer()
	pb.RegisterGreeterServer(srv, &greeter{})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		srv.GracefulStop()
	}()
	log.Print("serving on ", lis.Addr())
	if err := srv.Serve(lis); err != nil {
		log.Fatal(err)
	}
}
