// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/gracetrace/gracetrace/server"
)

// A client that watches the server's health is told, and does not hold the stop.
func ExampleHealth() {
	h := health.NewServer()
	srv := server.New(quiet(), server.Health(h)) // in production with server.LameDuck, too
	healthpb.RegisterHealthServer(srv, h)
	conn := serveInMemory(srv)
	defer closing(conn)

	watch, err := healthpb.NewHealthClient(conn).Watch(context.Background(), &healthpb.HealthCheckRequest{})
	if err != nil {
		panic(err)
	}
	res, err := watch.Recv()
	fmt.Println(res.GetStatus(), err)

	fmt.Println("Shutdown:", srv.Shutdown(context.Background()))

	res, err = watch.Recv()
	fmt.Println(res.GetStatus(), err)
	_, err = watch.Recv()
	fmt.Println(err)
	// Output:
	// SERVING <nil>
	// Shutdown: <nil>
	// NOT_SERVING <nil>
	// rpc error: code = Unavailable desc = server is draining
}
