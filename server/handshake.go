// SPDX-License-Identifier: Apache-2.0

package server

import "time"

const (
	// maxHandshake bounds how long Shutdown waits for handshakes: until the last
	// of them is over no client is told that the server drains.
	maxHandshake = 5 * time.Second
	// handshakeDivisor is the share of the drain that they get of a short one.
	handshakeDivisor = 4
)

// handshakes is how long a plan waits for them.
func (p *plan) handshakes() time.Duration { return min(p.drain/handshakeDivisor, maxHandshake) }

// limitHandshakes closes, after d, the connections that still shake hands. Those
// whose handshake is in code of the application's go on until the forced stop.
func (s *Server) limitHandshakes(d time.Duration) (lift func()) {
	t := time.AfterFunc(d, func() { s.t.Table().CloseHandshakes() })
	return func() { t.Stop() }
}
