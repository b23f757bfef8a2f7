// SPDX-License-Identifier: Apache-2.0

package address

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTCP: nobody is there but who was told the address, as often as they like.
func TestTCP(t *testing.T) {
	address := TCP(t)
	if other := TCP(t); other == address {
		t.Errorf("%s was given away twice", address)
	}
	for range 3 {
		if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial: %v, want it to be refused", err)
		}
		lis, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Close(), lis.Close()
	}
}

// TestUnix: a socket's path has little room.
func TestUnix(t *testing.T) {
	for _, base := range []string{"a b.sock", strings.Repeat("x", 60)} {
		t.Run(strings.Repeat("long", 20), func(t *testing.T) {
			lis, err := net.Listen("unix", Unix(t, base))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = lis.Close() }()
			if got := filepath.Base(lis.Addr().String()); got != base {
				t.Errorf("the path ends in %s, want %s", got, base)
			}
		})
	}
}
