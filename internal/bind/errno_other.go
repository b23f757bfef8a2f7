// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package bind

import "syscall"

const (
	errInUse        = syscall.EADDRINUSE
	errNotAvailable = syscall.EADDRNOTAVAIL
)
