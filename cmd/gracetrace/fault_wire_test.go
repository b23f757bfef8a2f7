// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// accepting hands each connection to f, in a goroutine of its own, and closes it
// at the end.
func accepting(t *testing.T, f func(net.Conn)) (addr string) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Go(func() {
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			all.Go(func() { f(conn) })
		}
	})
	t.Cleanup(func() {
		_ = lis.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return lis.Addr().String()
}

// far leads to addr over a network that takes delay one way, for the SYN, too.
func far(t *testing.T, addr string, delay time.Duration) string {
	t.Helper()
	return accepting(t, func(near net.Conn) {
		defer near.Close()
		<-time.After(2 * delay)
		there, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		var both sync.WaitGroup
		both.Go(func() { delayed(there, near, delay) })
		both.Go(func() { delayed(near, there, delay) })
		both.Wait()
	})
}

// delayed copies until one end is closed, and closes the other.
func delayed(to, from net.Conn, delay time.Duration) {
	type piece struct {
		due   time.Time
		bytes []byte
	}
	pieces := make(chan piece, 1000)
	go func() { // ends with from
		defer close(pieces)
		for {
			buf := make([]byte, 64<<10)
			n, err := from.Read(buf)
			if n > 0 {
				pieces <- piece{time.Now().Add(delay), buf[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		<-time.After(time.Until(p.due))
		if _, err := to.Write(p.bytes); err != nil {
			break
		}
	}
	_, _ = to.Close(), from.Close()
	for range pieces { // until its reader has ended
	}
}

// blackhole is an address whose SYNs are not answered: a listener that accepts
// nobody, and whose queue is full.
func blackhole(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	syscall.CloseOnExec(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	in, _ := sa.(*syscall.SockaddrInet4)
	addr := (&net.TCPAddr{IP: in.Addr[:], Port: in.Port}).String()
	unanswered := 0
	for range 10 {
		conn, err := net.DialTimeout("tcp", addr, 300*time.Millisecond)
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
			continue
		}
		if unanswered++; unanswered == 2 { // one may be of a machine that is busy
			return addr
		}
	}
	t.Fatalf("%s accepts everybody", addr)
	return ""
}
