// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/procnet"
	"github.com/gracetrace/gracetrace/internal/watch"
)

// peerLine is a connection's peer.
type peerLine struct {
	text     string
	where    locality
	from, to netip.AddrPort // the peer's and ours; invalid: not TCP
	asked    int            // how often, whether the peer is this process
}

func newPeerLine(peer, local net.Addr) peerLine {
	p := peerLine{text: clean(peer.String())}
	switch network := peer.Network(); {
	case network == "bufconn", network == "pipe":
		p.where = sameProcess // memory of ours
	case strings.HasPrefix(network, "unix"):
		p.where = localProxy
	case strings.HasPrefix(network, "tcp"):
		p.from, p.to = addrPort(peer), addrPort(local)
		if from := p.from.Addr(); from.IsLoopback() || from.IsValid() && from == p.to.Addr() {
			p.where = localProxy // Istio's 127.0.0.6 is a loopback address, too
		}
	}
	return p
}

func (b *builder) peer(c *watch.ConnState) peerLine {
	p, ok := b.peers[c.ID]
	if !ok && c.Addr != nil {
		p = newPeerLine(c.Addr, c.Local())
		b.peers[c.ID] = p
	}
	return p
}

// addrPort reads the address of a TCP connection, also one of another type than
// the standard library's: a listener's that speaks the PROXY protocol.
func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case nil:
		return netip.AddrPort{}
	case *net.TCPAddr:
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

const (
	// procLimit bounds how long the kernel is asked about one peer: 2 ms do on a
	// machine that has time.
	procLimit = 50 * time.Millisecond
	// maxAsked is how often one is asked about that the kernel told nothing of.
	maxAsked = 3
)

// seekOwn asks the kernel about the peers that a checkpoint is about to name and
// that are on this machine: a gateway's server has its client in its own process
// and must not look for it anywhere else. It reports whether it has found one,
// which the next timeline tells. limit is for each peer.
func (s *Shutdown) seekOwn(tl *timeline, views []phaseView, limit time.Duration) (found bool) {
	for _, h := range longest(openHolders(&views[len(views)-1]), maxCheckpointHolders) {
		if h.Local != string(localProxy) {
			continue
		}
		i := slices.IndexFunc(tl.conns, func(c connLine) bool {
			return c.where == localProxy && c.peer == h.Peer && c.shown == h.Connection && c.gone > tl.now
		})
		if i >= 0 && s.isOwn(tl.conns[i].id, limit) {
			found = true
		}
	}
	return found
}

// isOwn asks about one connection, until there is an answer.
func (s *Shutdown) isOwn(conn uint64, limit time.Duration) bool {
	p, ok := s.updatePeer(conn, func(p *peerLine) { p.asked++ })
	if !ok || p.asked >= maxAsked || !p.from.IsValid() || !p.to.IsValid() {
		return false
	}
	ours, known := procnet.Ours(p.from, p.to, limit)
	_, ok = s.updatePeer(conn, func(p *peerLine) {
		if known {
			p.asked = maxAsked
		}
		if ours {
			p.where = sameProcess
		}
	})
	return ok && ours
}

// updatePeer changes what is kept of a connection's peer and returns what it was.
func (s *Shutdown) updatePeer(conn uint64, change func(*peerLine)) (was peerLine, ok bool) {
	s.building.Lock()
	defer s.building.Unlock()
	was, ok = s.builder.peers[conn]
	if ok {
		p := was
		change(&p)
		s.builder.peers[conn] = p
	}
	return was, ok
}
