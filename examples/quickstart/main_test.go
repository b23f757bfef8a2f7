// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/gracetrace/gracetrace/examples/internal/program"
	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// TestRun starts the program, calls it and sends it a real SIGTERM.
func TestRun(t *testing.T) {
	program.Free(t, ":50051")
	log, ctx := program.Start(t, nil, "OTEL_SERVICE_NAME=quickstart",
		"OTEL_TRACES_EXPORTER=none")
	log.Await("serving")

	conn, err := grpc.NewClient("localhost:50051",
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = pb.NewGreeterClient(conn).SayHello(ctx, &pb.SayHelloRequest{Name: "ada"})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("SayHello: %v, want the code of UnimplementedGreeterServer", err)
	}

	log.Terminate()
	finished := log.Await("shutdown finished")
	for _, want := range []string{"outcome=graceful", "verdict=", "trace_id="} {
		if !strings.Contains(finished, want) {
			t.Errorf("the last line lacks %s:\n%s", want, finished)
		}
	}
	log.WantSuccess()
}
