// SPDX-License-Identifier: Apache-2.0

package procnet

import (
	"bufio"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/address"
)

// envListen makes the test binary listen on that address and say where.
const envListen = "PROCNET_TEST_LISTEN"

func listenAsChild(address string) {
	lis, err := listenAnywhere(address)
	if err != nil {
		_, _ = os.Stdout.WriteString(err.Error() + "\n")
		return
	}
	_, _ = os.Stdout.WriteString(lis.Addr().String() + "\n")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the test kills it
}

// listenAnywhere listens on a path, or on a host's address, with a port of its own.
func listenAnywhere(address string) (lis net.Listener, err error) {
	if strings.HasPrefix(address, "/") {
		return net.Listen("unix", address)
	}
	err = withOwnPort(func(port int) (err error) {
		lis, err = net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		return err
	})
	return lis, err
}

// startListener starts a process that listens, under a command of its own.
func startListener(t *testing.T, command, address string) (pid int, bound string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Args = []string{command, "--password=secret"}
	cmd.Env = append(os.Environ(), envListen+"="+address)
	_, _ = cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, strings.TrimSpace(line)
}

// TestHolderOf: another process that listens is named whichever way it and we
// wrote the address.
func TestHolderOf(t *testing.T) {
	for _, tt := range []struct{ held, wanted string }{
		{"127.0.0.1", "127.0.0.1"}, {"127.0.0.1", ""}, {"127.0.0.1", "0.0.0.0"},
		{"::", "127.0.0.1"}, {"::", "::1"}, {"::", ""}, {"::1", "::1"}, {"::1", ""},
	} {
		t.Run(tt.held+" wanted "+tt.wanted, func(t *testing.T) {
			pid, bound := startListener(t, "./greeter\x1b[31m\xff", tt.held)
			_, port, err := net.SplitHostPort(bound)
			if err != nil {
				t.Skip(bound) // no IPv6 here
			}
			_, err = net.Listen("tcp", net.JoinHostPort(tt.wanted, port))
			var op *net.OpError
			if !errors.As(err, &op) {
				t.Skipf("no conflict here: %v", err)
			}
			h := HolderOf(op.Addr, limit)
			const command = "./greeter\uFFFD[31m\uFFFD"
			if h.PID != pid || h.Command != command || h.Socket != "listens on "+bound {
				t.Errorf("holder %+v, want pid %d, %q, listens on %s", h, pid, command, bound)
			}
		})
	}
}

// TestHolderOfUnix: a socket file has a holder, or was left behind.
func TestHolderOfUnix(t *testing.T) {
	path := address.Unix(t, "a b.sock")
	pid, _ := startListener(t, "./unix", path)
	to := &net.UnixAddr{Net: "unix", Name: path}
	if h := HolderOf(to, limit); h.PID != pid || h.Socket != "listens on "+path {
		t.Errorf("holder %+v, want pid %d", h, pid)
	}
	to.Name += "2"
	if h := HolderOf(to, limit); h.PID != 0 || !strings.Contains(h.String(), "left behind") {
		t.Errorf("holder %+v, want a file that was left behind", h)
	}
}

// TestHolderIsThisProcess: the same address twice is a mistake of our own.
func TestHolderIsThisProcess(t *testing.T) {
	lis := listen(t, "127.0.0.1:0")
	h := HolderOf(lis.Addr(), limit)
	if want := "this process itself listens on " + lis.Addr().String(); h.String() != want {
		t.Errorf("%q, want %q", h, want)
	}
	if h := HolderOf(lis.Addr(), -time.Second); h.PID != 0 {
		t.Errorf("with no time: %+v, want nobody", h)
	}
}

// TestHolderIsConnection: a client was given our port by chance.
func TestHolderIsConnection(t *testing.T) {
	lis := listen(t, "127.0.0.1:0")
	c := dialFromOwnPort(t, lis.Addr())
	accept(t, lis)
	want := "this process itself has a connection from " + c.LocalAddr().String() +
		" to " + lis.Addr().String()
	if h := HolderOf(c.LocalAddr(), limit); h.String() != want {
		t.Errorf("%q, want %q", h, want)
	}
}

// dialFromOwnPort connects from a port of this test alone.
func dialFromOwnPort(t *testing.T, to net.Addr) (c net.Conn) {
	t.Helper()
	err := withOwnPort(func(port int) (err error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}}
		c, err = d.Dial(to.Network(), to.String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// withOwnPort calls f with ports until one is free. One that the kernel chooses may
// be that of other processes' sockets, too: of clients of other servers, or of a
// listener on another address. Each of them keeps the port.
func withOwnPort(f func(port int) error) (err error) {
	for port := 32767; port > 20000; port-- { // below net.ipv4.ip_local_port_range
		if err = f(port); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return err
}

func TestHolderWords(t *testing.T) {
	for _, tt := range []struct {
		h    Holder
		want string
	}{
		{Holder{}, ""},
		{Holder{Unknown: nobodyThere}, nobodyThere},
		{Holder{PID: 1, Command: "init", Socket: "listens on :1"}, "pid 1 (init) listens on :1"},
		{
			Holder{Socket: "listens on :1", Unknown: notAllowed},
			"somebody listens on :1 (whose process we are not allowed to see)",
		},
	} {
		if got := tt.h.String(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestConflicts(t *testing.T) {
	for _, tt := range []struct {
		wanted, local string
		want          bool
	}{
		{"10.0.0.1:80", "10.0.0.1:80", true},
		{"10.0.0.1:80", "10.0.0.1:81", false},
		{"10.0.0.1:80", "10.0.0.2:80", false},
		{"10.0.0.1:80", "0.0.0.0:80", true},
		{"10.0.0.1:80", "[::]:80", true},
		{"10.0.0.1:80", "[::ffff:10.0.0.1]:80", true},
		{"10.0.0.1:80", "[::1]:80", false},
		{"[::1]:80", "0.0.0.0:80", false},
		{"[::1]:80", "[::]:80", true},
		{"[fe80::1%eth0]:80", "[fe80::1]:80", true},
		{"0.0.0.0:80", "10.0.0.1:80", true},
		{"0.0.0.0:80", "[::1]:80", true}, // net.Listen takes it for [::]
		{"[::]:80", "10.0.0.1:80", true},
	} {
		got := conflicts(netip.MustParseAddrPort(tt.wanted), netip.MustParseAddrPort(tt.local))
		if got != tt.want {
			t.Errorf("%s wanted, %s there: %t, want %t", tt.wanted, tt.local, got, tt.want)
		}
	}
	if !conflicts(netip.AddrPortFrom(netip.Addr{}, 80), netip.MustParseAddrPort("10.0.0.1:80")) {
		t.Error("no address is every address")
	}
}

func TestParseColumn(t *testing.T) {
	for _, s := range []string{"127.0.0.1:50051", "0.0.0.0:1", "[::1]:65535", "[fe80::1:2:3]:80"} {
		want := netip.MustParseAddrPort(s)
		if got, ok := parseColumn(column(want, want.Addr().Is6())); !ok || got != want {
			t.Errorf("%s was read as %s, %t", want, got, ok)
		}
	}
	for _, s := range []string{"", ":", "0100007F", "0100007F:10000", "01:0050", "zz00007F:0050"} {
		if got, ok := parseColumn(s); ok {
			t.Errorf("%q was read as %s", s, got)
		}
	}
}

func TestUnixRow(t *testing.T) {
	inode, path, ok := unixRow("0000000000000000: 00000002 00000000 00010000 0001 01   123 /run/a b")
	if !ok || inode != "123" || path != "/run/a b" {
		t.Errorf("inode %q, path %q, %t", inode, path, ok)
	}
	if _, _, ok := unixRow("0000000000000000: 00000003 00000000 00000000 0001 03 124"); ok {
		t.Error("a socket without a path has one")
	}
}
