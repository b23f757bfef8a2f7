// SPDX-License-Identifier: Apache-2.0

package procnet

import (
	"net/netip"
	"os"
	"time"
)

// Listening reports whether a socket takes the TCP connections to an address, as far
// as limit allows to know. The kernel lists those that listen before all others
// (tcp_seq_start), so it reads no further than these.
func Listening(address netip.AddrPort, limit time.Duration) (yes bool) {
	until := time.Now().Add(limit)
	for _, table := range []string{tableTCP, tableTCP6} {
		f, err := os.Open(table)
		if err != nil {
			continue // a kernel without IPv6
		}
		eachTCP(f, until, func(r tcpRow) (more bool) {
			yes = r.listens && takes(r.local, address)
			return !yes && r.listens
		})
		_ = f.Close()
		if yes {
			return true
		}
	}
	return false
}

// takes reports whether a socket that listens on local takes what is for an address.
func takes(local, address netip.AddrPort) bool {
	l, a := local.Addr().Unmap(), address.Addr().Unmap().WithZone("")
	return local.Port() == address.Port() &&
		(l == a || l.IsUnspecified() && (l.Is6() || a.Is4()))
}
