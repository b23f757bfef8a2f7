// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"net"
	"reflect"

	"github.com/gracetrace/gracetrace/internal/legible"
)

// maxText bounds, in bytes, a text that came from outside: a user-agent, a
// peer, a method that is not registered.
const maxText = 256

// clean makes a text from outside safe to show: valid UTF-8, no control or
// formatting characters (a terminal obeys them), bounded.
func clean(s string) string { return legible.Text(s, maxText) }

func atMost(s string, n int) string { return legible.Cut(s, n) }

func printable(s string) string { return legible.Printable(s) }

// isPointer reports whether an address can tell one connection from another.
// Only such ones are used as map keys: hashing others may panic.
func isPointer(a net.Addr) bool {
	return a != nil && reflect.TypeOf(a).Kind() == reflect.Pointer
}
