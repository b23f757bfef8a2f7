// SPDX-License-Identifier: Apache-2.0

package procnet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/internal/address"
)

const limit = 10 * time.Second // of a busy machine

// envDial makes the test binary a client of that address.
const envDial = "PROCNET_TEST_DIAL"

func TestMain(m *testing.M) {
	if address := os.Getenv(envListen); address != "" {
		listenAsChild(address)
		return
	}
	if address := os.Getenv(envDial); address != "" {
		if c, err := net.Dial("tcp", address); err == nil {
			_, _ = c.Read(make([]byte, 1)) // until the test closes it
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip(err) // no IPv6 here
	}
	t.Cleanup(func() { _ = lis.Close() })
	return lis
}

func accept(t *testing.T, lis net.Listener) (peer, local netip.AddrPort) {
	t.Helper()
	c, err := lis.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.RemoteAddr().(*net.TCPAddr).AddrPort(), c.LocalAddr().(*net.TCPAddr).AddrPort()
}

// TestOurs: the far end is found whichever protocol each end speaks.
func TestOurs(t *testing.T) {
	for _, tt := range []struct{ listen, dial string }{
		{"127.0.0.1:0", "127.0.0.1"}, {"[::1]:0", "::1"}, {":0", "127.0.0.1"}, {":0", "::1"},
	} {
		t.Run(tt.listen+" from "+tt.dial, func(t *testing.T) {
			lis := listen(t, tt.listen)
			_, port, _ := net.SplitHostPort(lis.Addr().String())
			c, err := net.Dial("tcp", net.JoinHostPort(tt.dial, port))
			if err != nil {
				t.Skip(err)
			}
			defer c.Close()
			peer, local := accept(t, lis)
			if ours, known := Ours(peer, local, limit); !ours || !known {
				t.Errorf("ours %t, known %t, want both", ours, known)
			}
			if ours, known := Ours(netip.AddrPortFrom(peer.Addr(), 1), local, limit); ours || known {
				t.Errorf("of no connection: ours %t, known %t, want neither", ours, known)
			}
			if ours, known := Ours(peer, local, -limit); ours || known {
				t.Errorf("with no time: ours %t, known %t, want neither", ours, known)
			}
		})
	}
}

// TestOfAnotherProcess: nor is it ours because it is on this machine.
func TestOfAnotherProcess(t *testing.T) {
	lis := listen(t, "127.0.0.1:0")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envDial+"="+lis.Addr().String())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	peer, local := accept(t, lis)
	if ours, known := Ours(peer, local, limit); ours || !known {
		t.Errorf("ours %t, known %t, want another's, for sure", ours, known)
	}
}

// TestResets: a connection that is refused is counted.
func TestResets(t *testing.T) {
	to := address.TCP(t)
	before, ok := Resets()
	if !ok {
		t.Fatal("not known")
	}
	const dials = 20
	for range dials {
		if _, err := net.Dial("tcp", to); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("%v, want the connection refused", err)
		}
	}
	after, _ := Resets()
	if after-before < dials { // others on this machine are refused too
		t.Errorf("it rose by %d, want %d at least", after-before, dials)
	}
}
