// SPDX-License-Identifier: Apache-2.0

package program

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// Chat leaves a stream open whose handler waits for the client in Recv, as soon as
// the server is there.
func Chat(t *testing.T, addr string, options ...grpc.DialOption) {
	t.Helper()
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	conn, err := grpc.NewClient(addr, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	chat, err := greeterv1.NewGreeterClient(conn).Chat(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := chat.Send(&greeterv1.ChatRequest{Text: "hello"}); err != nil {
		t.Fatal(err)
	}
	if _, err := chat.Recv(); err != nil {
		t.Fatal(err)
	}
}
