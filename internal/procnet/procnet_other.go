// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package procnet

import (
	"net/netip"
	"time"
)

// Resets knows nothing here.
func Resets() (n int64, ok bool) { return 0, false }

// Ours knows nothing here.
func Ours(netip.AddrPort, netip.AddrPort, time.Duration) (ours, known bool) { return false, false }

// Listening knows nothing here.
func Listening(netip.AddrPort, time.Duration) bool { return false }
