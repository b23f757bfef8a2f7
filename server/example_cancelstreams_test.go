// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
)

// ticker greets once, and then waits until its client has gone.
type ticker struct{ pb.UnimplementedGreeterServer }

func (*ticker) Watch(_ *pb.WatchRequest, s grpc.ServerStreamingServer[pb.WatchResponse]) error {
	if err := s.Send(&pb.WatchResponse{Message: "hello"}); err != nil {
		return err
	}
	<-s.Context().Done()
	return context.Cause(s.Context()) // with s.Context().Err() clients do not try again
}

// Handlers that wait for their context need no change: the drain cancels it.
func ExampleCancelStreams() {
	srv := server.New(quiet(), server.CancelStreams(0)) // at once
	pb.RegisterGreeterServer(srv, &ticker{})
	conn := serveInMemory(srv)
	defer closing(conn)

	watch, err := pb.NewGreeterClient(conn).Watch(context.Background(), &pb.WatchRequest{})
	if err != nil {
		panic(err)
	}
	res, err := watch.Recv()
	fmt.Println(res.GetMessage(), err)

	fmt.Println("Shutdown:", srv.Shutdown(context.Background()))

	_, err = watch.Recv()
	fmt.Println(err)
	// Output:
	// hello <nil>
	// Shutdown: <nil>
	// rpc error: code = Unavailable desc = server is draining
}
