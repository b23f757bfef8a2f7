// SPDX-License-Identifier: Apache-2.0

package watch

import "net"

// maxAsking bounds how many connections are asked at once who their peer is.
const maxAsking = 1000

// identity is who a connection's peer is. c.mu guards it.
type identity struct {
	peer net.Addr // nil: not known yet
	ask  func() net.Addr
	told []func(net.Addr)
}

// Asks says how to ask a connection for its peer that was accepted without. That
// may take as long as the connection lasts, and ends in Identified.
func (c *Conn) Asks(ask func() net.Addr) {
	c.srv.asks.Store(true)
	c.mu.Lock()
	c.ask = ask
	c.mu.Unlock()
	if c.srv.watchedSince.get() != 0 { // identify has been called
		askNow(ask)
	}
}

// Identified is called when the peer of a connection that was accepted without has
// become known.
func (c *Conn) Identified(peer net.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peer != nil {
		return
	}
	c.peer = peer
	for _, f := range c.told {
		f(peer)
	}
	c.ask, c.told = nil, nil
}

// OnIdentified calls f with the peer as soon as it is known, at once if it is. What
// is given first is called first. f must not use the connection.
func (c *Conn) OnIdentified(f func(peer net.Addr)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peer == nil {
		c.told = append(c.told, f)
		return
	}
	f(c.peer)
}

// identify asks the connections that have not told who their peer is. It does not
// wait: one whose client has to speak first may never tell.
func (s *Server) identify() {
	asking := 0
	for _, c := range s.present() {
		c.mu.Lock()
		ask := c.ask
		c.mu.Unlock()
		if ask == nil {
			continue
		}
		if asking++; asking > maxAsking {
			return
		}
		askNow(ask)
	}
}

func askNow(ask func() net.Addr) {
	go func() { // ends with the connection, whose deadline grpc has set
		defer func() { _ = recover() }() // it may be the application's
		ask()
	}()
}
