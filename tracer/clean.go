// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"net"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds, in bytes, a text that came from outside: a user-agent, a
// peer, a method that is not registered.
const maxText = 256

// clean makes a text from outside safe to show: valid UTF-8, no control or
// formatting characters (a terminal obeys them), bounded.
func clean(s string) string { return printable(atMost(s, maxText)) }

// atMost cuts a text to at most n bytes, not inside a character, and says so.
func atMost(s string, n int) string {
	if len(s) <= n {
		return s
	}
	cut := n
	for cut > n-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// printable replaces what must not reach a terminal, whatever its length: what
// is not UTF-8, control and formatting characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

// isPointer reports whether an address can tell one connection from another.
// Only such ones are used as map keys: hashing others may panic.
func isPointer(a net.Addr) bool {
	return a != nil && reflect.TypeOf(a).Kind() == reflect.Pointer
}
