// SPDX-License-Identifier: Apache-2.0

package procnet

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestListening: a listener of which another process has a copy, as in socket
// activation, is listened on until that is closed as well.
func TestListening(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := lis.Addr().(*net.TCPAddr).AddrPort()
	other, err := lis.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	_ = lis.Close()
	if !Listening(address, time.Second) {
		t.Error("the copy is not seen")
	}
	_ = other.Close()
	if Listening(address, time.Second) {
		t.Error("a closed socket is seen")
	}
}

// TestFirstRows: those that listen are first, and are read when the time is up, too.
func TestFirstRows(t *testing.T) {
	row := func(state string) string {
		return "   0: 0100007F:0050 00000000:0000 " + state + " 00000000:00000000 00:00000000 00000000 0 0 1\n"
	}
	table := "  sl  local_address\n" + row(stateListen) + strings.Repeat(row("01"), 2*checkEvery)
	n, listening := 0, 0
	ok := eachTCP(strings.NewReader(table), time.Now().Add(-time.Hour), func(r tcpRow) (more bool) {
		n++
		if r.listens {
			listening++
		}
		return true
	})
	if ok || n != checkEvery-1 || listening != 1 {
		t.Errorf("%d rows, %d of them listen, and that is all: %t", n, listening, ok)
	}
}

// TestTakes: a wildcard takes the connections of its family's addresses, IPv6's
// those of both.
func TestTakes(t *testing.T) {
	for _, tt := range []struct {
		local, address string
		want           bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"0.0.0.0:80", "127.0.0.1:80", true},
		{"[::]:80", "127.0.0.1:80", true},
		{"[::]:80", "[::]:80", true},
		{"[::ffff:127.0.0.1]:80", "127.0.0.1:80", true},
		{"127.0.0.1:81", "127.0.0.1:80", false},
		{"127.0.0.2:80", "127.0.0.1:80", false},
		{"127.0.0.1:80", "[::]:80", false},
		{"0.0.0.0:80", "[::1]:80", false},
	} {
		local, address := netip.MustParseAddrPort(tt.local), netip.MustParseAddrPort(tt.address)
		if got := takes(local, address); got != tt.want {
			t.Errorf("a socket on %s takes what is for %s: %t", tt.local, tt.address, got)
		}
	}
}
