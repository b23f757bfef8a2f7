// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package interceptors

import (
	"net"
	"time"
)

// setUserTimeout does nothing: grpc-go sets TCP_USER_TIMEOUT on Linux only.
func setUserTimeout(net.Conn, time.Duration) {}
