// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
)

// feed greets those who watch it, and says goodbye when the server drains.
type feed struct {
	pb.UnimplementedGreeterServer
	draining <-chan struct{}
}

func (f *feed) Watch(_ *pb.WatchRequest, s grpc.ServerStreamingServer[pb.WatchResponse]) error {
	if err := s.Send(&pb.WatchResponse{Message: "hello"}); err != nil {
		return err
	}
	select {
	case <-f.draining:
		return s.Send(&pb.WatchResponse{Message: "goodbye"})
	case <-s.Context().Done():
		return s.Context().Err()
	}
}

// A handler that listens can end its stream as it likes.
func ExampleServer_Draining() {
	srv := server.New(quiet())
	pb.RegisterGreeterServer(srv, &feed{draining: srv.Draining()})
	conn := serveInMemory(srv)
	defer closing(conn)

	watch, err := pb.NewGreeterClient(conn).Watch(context.Background(), &pb.WatchRequest{})
	if err != nil {
		panic(err)
	}
	res, err := watch.Recv()
	fmt.Println(res.GetMessage(), err)

	fmt.Println("Shutdown:", srv.Shutdown(context.Background()))

	res, err = watch.Recv()
	fmt.Println(res.GetMessage(), err)
	_, err = watch.Recv()
	fmt.Println(err)
	// Output:
	// hello <nil>
	// Shutdown: <nil>
	// goodbye <nil>
	// EOF
}
