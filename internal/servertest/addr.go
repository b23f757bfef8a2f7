// SPDX-License-Identifier: Apache-2.0

package servertest

import "net"

// Addresses of a Listener and its connections.
const (
	listenPort    = 50051
	firstPort     = 40001
	addrsInSubnet = 99    // leaves 10.0.n.100 to listeners
	addrs         = 25000 // after which ports and networks begin again
)

func listenAddr() *net.TCPAddr {
	return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 100), Port: listenPort}
}

// peerAddr returns the address of the nth client, counted from 0:
// 10.0.0.1:40001, 10.0.0.2:40002 and, after 10.0.0.99:40099, 10.0.1.1:40100.
// Each call returns a value of its own, as accept and dial do.
func peerAddr(n int) *net.TCPAddr {
	n %= addrs
	return &net.TCPAddr{
		IP:   net.IPv4(10, 0, byte(n/addrsInSubnet), byte(1+n%addrsInSubnet)),
		Port: firstPort + n,
	}
}

// addrConn is a connection with addresses.
type addrConn struct {
	net.Conn
	local, remote *net.TCPAddr
}

func (c *addrConn) LocalAddr() net.Addr  { return c.local }
func (c *addrConn) RemoteAddr() net.Addr { return c.remote }
