// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// connect returns both ends of a new connection.
func connect(t *testing.T, lis *Listener) (client, server net.Conn) {
	t.Helper()
	dialed := make(chan net.Conn)
	go func() {
		conn, err := lis.Dial(context.Background())
		if err != nil {
			t.Error(err)
		}
		dialed <- conn
	}()
	server, err := lis.Accept()
	if err != nil {
		t.Fatal(err)
	}
	client = <-dialed
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
	})
	return client, server
}

func TestListenerAddresses(t *testing.T) {
	lis := Listen()
	if got := lis.Addr().String(); got != "10.0.0.100:50051" {
		t.Errorf("listener is %s, want 10.0.0.100:50051", got)
	}
	for _, want := range []string{"10.0.0.1:40001", "10.0.0.2:40002", "10.0.0.3:40003"} {
		client, server := connect(t, lis)
		for what, got := range map[string]net.Addr{
			"remote address of the server's end": server.RemoteAddr(),
			"local address of the client's end":  client.LocalAddr(),
		} {
			if got.String() != want || got.Network() != "tcp" {
				t.Errorf("%s is %s %s, want tcp %s", what, got.Network(), got, want)
			}
		}
		for _, got := range []net.Addr{server.LocalAddr(), client.RemoteAddr()} {
			if got.String() != lis.Addr().String() {
				t.Errorf("listener's side of the connection is %s, want %s", got, lis.Addr())
			}
		}
	}
}

// TestListenerAddressIdentity pins what identifies a connection by its address
// (fact 10): a pointer that is the same in every call and in no other
// connection, not even the other end.
func TestListenerAddressIdentity(t *testing.T) {
	lis := Listen()
	client, first := connect(t, lis)
	_, second := connect(t, lis)
	if first.RemoteAddr() != first.RemoteAddr() {
		t.Error("two calls of RemoteAddr return different pointers")
	}
	if first.RemoteAddr() == second.RemoteAddr() {
		t.Error("two connections share an address")
	}
	if first.RemoteAddr() == client.LocalAddr() {
		t.Error("both ends share an address")
	}
	if _, ok := first.RemoteAddr().(*net.TCPAddr); !ok {
		t.Errorf("address is a %T, want *net.TCPAddr", first.RemoteAddr())
	}
}

func TestPeerAddresses(t *testing.T) {
	seen := make(map[string]bool)
	for n := range addrs {
		addr := peerAddr(n)
		if seen[addr.String()] || addr.IP.Equal(listenAddr().IP) {
			t.Fatalf("address %d is %s again", n, addr)
		}
		seen[addr.String()] = true
	}
	for n, want := range map[int]string{
		98: "10.0.0.99:40099", 99: "10.0.1.1:40100", addrs: "10.0.0.1:40001",
	} {
		if got := peerAddr(n).String(); got != want {
			t.Errorf("address %d is %s, want %s", n, got, want)
		}
	}
}

func TestListenerTransfers(t *testing.T) {
	client, server := connect(t, Listen())
	if _, err := client.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(server)
	if err != nil || string(got) != "ping" {
		t.Errorf("read %q, %v, want ping and the end", got, err)
	}
}

func TestListenerDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server := connect(t, Listen())
		begin := time.Now()
		if err := server.SetDeadline(begin.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		_, err := server.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("Read: %v, want a timeout", err)
		}
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("Read took %v, want 1m", took)
		}
		if _, err := server.Write(make([]byte, pipeBuffer+1)); !errors.As(err, &timeout) {
			t.Errorf("Write: %v, want a timeout", err)
		}
	})
}

func TestListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lis := Listen()
		client, server := connect(t, lis)
		accepted := make(chan error)
		go func() {
			_, err := lis.Accept()
			accepted <- err
		}()
		synctest.Wait()
		if err := lis.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			t.Errorf("pending Accept: %v, want net.ErrClosed", err)
		}
		if _, err := lis.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("later Accept: %v, want net.ErrClosed", err)
		}
		if _, err := lis.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial: %v, want ECONNREFUSED", err)
		}
		if err := lis.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v, want net.ErrClosed", err)
		}
		if _, err := client.Write([]byte("x")); err != nil {
			t.Errorf("Write to a connection that was accepted: %v", err)
		}
		if _, err := server.Read(make([]byte, 1)); err != nil {
			t.Errorf("Read from it: %v", err)
		}
	})
}

// TestListenerDialEnds covers the two ways in which a Dial that nobody accepts
// ends.
func TestListenerDialEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lis := Listen()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := lis.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Dial: %v, want context.DeadlineExceeded", err)
		}
		dialed := make(chan error)
		go func() {
			_, err := lis.Dial(t.Context())
			dialed <- err
		}()
		synctest.Wait()
		_ = lis.Close()
		if err := <-dialed; !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial: %v, want ECONNREFUSED", err)
		}
	})
}
