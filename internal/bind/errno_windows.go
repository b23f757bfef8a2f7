// SPDX-License-Identifier: Apache-2.0

package bind

import "syscall"

// Winsock's, which syscall's own EADDRINUSE and EADDRNOTAVAIL are not.
const (
	errInUse        = syscall.Errno(10048) // WSAEADDRINUSE
	errNotAvailable = syscall.Errno(10049) // WSAEADDRNOTAVAIL
)
