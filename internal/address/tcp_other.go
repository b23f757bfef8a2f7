// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package address

import (
	"net"
	"testing"
)

// TCP returns an address of the loopback interface at which nobody listened a
// moment ago. Elsewhere than on Linux nothing keeps others from it.
func TCP(tb testing.TB) string {
	tb.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = lis.Close() }()
	return lis.Addr().String()
}
