// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// envCrowd makes this binary a crowd of clients: the server's address, how many
// they are and how many streams each has. Neither files nor processor time of theirs are then the
// server's.
const envCrowd = "GRACETRACE_BENCH_CROWD"

// startCrowd starts n clients in a process of their own.
func startCrowd(b *testing.B, address string, n, streams int) (leave func()) {
	b.Helper()
	//nolint:gosec // this binary, again
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", envCrowd, address, n, streams))
	cmd.Stderr = os.Stderr
	stay, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return func() {
		_ = stay.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	}
}

// crowd reports whether this process is one; then it has been one until its
// parent closed its standard input.
func crowd() bool {
	var address string
	var n, streams int
	if _, err := fmt.Sscan(os.Getenv(envCrowd), &address, &n, &streams); err != nil {
		return false
	}
	for range n {
		p, err := servertest.Connect(context.Background(), servertest.DialTCP(address),
			servertest.Obedient())
		for i := 0; i < streams && err == nil; i++ {
			_, err = p.Open(servertest.Call{
				Method: greeterv1.Greeter_Chat_FullMethodName, KeepOpen: true,
			})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1) //nolint:forbidigo // a process of its own, as main would
		}
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return true
}
