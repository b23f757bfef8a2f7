// SPDX-License-Identifier: Apache-2.0

// Package legible makes text from outside safe to show: what a client or another
// process chose may hold anything, and a terminal obeys some of it.
package legible

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns s as valid UTF-8 without control and formatting characters, of at
// most n bytes and an ellipsis. What stands for a bad character may be longer
// than that, so that the text is cut again.
func Text(s string, n int) string { return Cut(Printable(Cut(s, n)), n) }

// Cut cuts a text to at most n bytes, not inside a character, and says so.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	cut := n
	for cut > n-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// Printable replaces what must not reach a terminal, whatever its length: what
// is not UTF-8, control and formatting characters.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

// URL hides user:password@ without relying on the URL being well-formed (a
// password that is not encoded may hold any character, a slash too), and the
// query, which may be a key.
func URL(v string) string {
	scheme, rest, found := strings.Cut(v, "://")
	if !found {
		scheme, rest = "", v
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = "xxxxx" + rest[at:]
	}
	if before, _, ok := strings.Cut(rest, "?"); ok {
		rest = before + "?xxxxx"
	}
	if found {
		return scheme + "://" + rest
	}
	return rest
}
