// SPDX-License-Identifier: Apache-2.0

// Package column fits texts into the columns of a terminal.
package column

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// wide are the characters that take two columns on a terminal: the wide and
// full-width ones of Unicode's East Asian Width (UAX #11), as blocks.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, {0x231a, 0x231b, 1}, {0x2329, 0x232a, 1}, {0x23e9, 0x23ec, 1},
		{0x2614, 0x2615, 1}, {0x2648, 0x2653, 1}, {0x2705, 0x2705, 1}, {0x274c, 0x274c, 1},
		{0x2e80, 0x303e, 1}, {0x3041, 0x4dbf, 1}, {0x4e00, 0xa4cf, 1}, {0xa960, 0xa97f, 1},
		{0xac00, 0xd7a3, 1}, {0xf900, 0xfaff, 1}, {0xfe10, 0xfe19, 1}, {0xfe30, 0xfe6f, 1},
		{0xff01, 0xff60, 1}, {0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x16fe0, 0x18cff, 1}, {0x1aff0, 0x1b2ff, 1}, {0x1f004, 0x1f004, 1}, {0x1f0cf, 0x1f0cf, 1},
		{0x1f18e, 0x1f18e, 1}, {0x1f191, 0x1f19a, 1}, {0x1f200, 0x1f64f, 1}, {0x1f680, 0x1f6ff, 1},
		{0x1f7e0, 0x1f7eb, 1}, {0x1f900, 0x1f9ff, 1}, {0x1fa70, 0x1faff, 1}, {0x20000, 0x3fffd, 1},
	},
}

func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// Width is how many columns a text takes.
func Width(s string) (n int) {
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// CutMiddle shortens a text to width columns, at least 1. Of a name its end
// tells as much as its beginning.
func CutMiddle(s string, width int) string {
	if Width(s) <= width {
		return s
	}
	tail := (width - 1) / 2
	head := width - 1 - tail
	start, end := 0, len(s)
	for start < len(s) {
		r, n := utf8.DecodeRuneInString(s[start:])
		if head -= runeWidth(r); head < 0 {
			break
		}
		start += n
	}
	for end > start {
		r, n := utf8.DecodeLastRuneInString(s[:end])
		if tail -= runeWidth(r); tail < 0 {
			break
		}
		end -= n
	}
	return s[:start] + "…" + s[end:]
}

// PadLeft puts a text at the right of width columns.
func PadLeft(s string, width int) string {
	return strings.Repeat(" ", max(0, width-Width(s))) + s
}

// Wrap breaks a text between words into lines of at most width columns. A word
// that is wider is cut.
func Wrap(s string, width int) []string {
	return fill(strings.Fields(s), width)
}

// fill puts as many words on a line as fit.
func fill(words []string, width int) (lines []string) {
	room := 0
	for _, w := range words {
		w = CutMiddle(w, width)
		n := Width(w)
		if len(lines) > 0 && n < room {
			lines[len(lines)-1] += " " + w
			room -= n + 1
			continue
		}
		lines = append(lines, w)
		room = width - n
	}
	return lines
}

// WrapNote is Wrap, but it breaks a line rather behind a comma: between what
// belongs together it does so only where that is too long for a line.
func WrapNote(s string, width int) (lines []string) {
	var parts []string
	for part := range strings.SplitAfterSeq(s, ", ") {
		part = strings.TrimSpace(part)
		if Width(part) > width {
			lines = append(append(lines, fill(parts, width)...), Wrap(part, width)...)
			parts = nil
			continue
		}
		if part != "" {
			parts = append(parts, part)
		}
	}
	return append(lines, fill(parts, width)...)
}
