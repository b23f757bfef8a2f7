// SPDX-License-Identifier: Apache-2.0

package program

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// Client is a client with a connection of its own. Its calls wait until the server
// is there.
func Client(t *testing.T, addr string) greeterv1.GreeterClient {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return greeterv1.NewGreeterClient(conn)
}

// Chat leaves a stream open whose handler waits for the client in Recv.
func Chat(t *testing.T, client greeterv1.GreeterClient) {
	t.Helper()
	chat, err := client.Chat(t.Context())
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
