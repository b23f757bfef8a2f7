// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"fmt"

	"github.com/gracetrace/gracetrace/internal/greeter"
	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
)

// A handler that does nothing but Recv, answer and return the error needs no change:
// its Recv returns when the server drains, not when the client says something.
func ExampleEndRecv() {
	srv := server.New(quiet(), server.EndRecv("greeter.v1.Greeter/Chat"))
	pb.RegisterGreeterServer(srv, &greeter.Server{})
	conn := serveInMemory(srv)
	defer closing(conn)

	chat, err := pb.NewGreeterClient(conn).Chat(context.Background())
	if err != nil {
		panic(err)
	}
	if err := chat.Send(&pb.ChatRequest{Text: "hello"}); err != nil {
		panic(err)
	}
	res, err := chat.Recv()
	fmt.Println(res.GetText(), err)

	fmt.Println("Shutdown:", srv.Shutdown(context.Background()))

	_, err = chat.Recv()
	fmt.Println(err)
	// Output:
	// you said hello <nil>
	// Shutdown: <nil>
	// rpc error: code = Unavailable desc = server is draining
}
