// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package procnet

import (
	"net"
	"time"
)

// HolderOf knows nothing here.
func HolderOf(net.Addr, time.Duration) Holder { return Holder{} }
