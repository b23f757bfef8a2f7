// SPDX-License-Identifier: Apache-2.0

package procnet

import (
	"fmt"
	"os"
)

// Holder is who has an address that cannot be listened on. The zero value says
// that it cannot be told.
type Holder struct {
	PID     int    // zero: not known
	Command string // what it was started as, without arguments; bounded, printable
	// Socket is what it does with the address: "listens on 0.0.0.0:50051".
	Socket string
	// Unknown is why PID is zero, where more is known than nothing.
	Unknown string
}

// String is a clause, empty for the zero value: "pid 4711 (./greeter) listens on
// [::]:50051".
func (h Holder) String() string {
	switch {
	case h.PID == os.Getpid():
		return "this process itself " + h.Socket
	case h.PID != 0:
		return fmt.Sprintf("pid %d (%s) %s", h.PID, h.Command, h.Socket)
	case h.Socket != "":
		return fmt.Sprintf("somebody %s (%s)", h.Socket, h.Unknown)
	}
	return h.Unknown
}
