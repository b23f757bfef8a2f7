// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clipLine makes a text fit to be a part of a line of the page, whoever wrote
// it: valid UTF-8, nothing that is not to be seen (controls, bidirectional
// overrides), and at most limit bytes once it is escaped. A longer one loses
// its middle: methods differ at their ends.
func clipLine(s string, limit int) string {
	if head := clipHead(s, limit, false); len(head.rest) == 0 {
		return head.text
	}
	head := clipHead(s, limit/2, false)
	var tail []rune
	for budget, rest := limit/2-len("…"), head.rest; rest != ""; {
		r, size := utf8.DecodeLastRuneInString(rest)
		r = visible(r, false)
		if budget -= escapedLen(r); budget < 0 {
			break
		}
		tail, rest = append(tail, r), rest[:len(rest)-size]
	}
	var b strings.Builder
	b.WriteString(head.text)
	b.WriteRune('…')
	for _, r := range slices.Backward(tail) {
		b.WriteRune(r)
	}
	return b.String()
}

// clipLines is clipLine for a text of several lines, which loses its end.
func clipLines(s string, limit int) string {
	head := clipHead(s, limit, true)
	if head.rest == "" {
		return head.text
	}
	return head.text + "…"
}

type clipped struct{ text, rest string }

func clipHead(s string, budget int, lines bool) clipped {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		r = visible(r, lines)
		if budget -= escapedLen(r); budget < 0 {
			return clipped{b.String(), s[i:]}
		}
		b.WriteRune(r)
		i += size
	}
	return clipped{text: b.String()}
}

func visible(r rune, lines bool) rune {
	switch {
	case r == ' ', lines && (r == '\n' || r == '\t'):
		return r
	case unicode.IsGraphic(r) && !unicode.IsSpace(r):
		return r
	}
	return utf8.RuneError
}

// escapedLen is how many bytes html/template makes of r.
func escapedLen(r rune) int {
	switch r {
	case '&', '\'', '"', '+':
		return len("&#34;")
	case '<', '>':
		return len("&lt;")
	}
	return utf8.RuneLen(r)
}

// maxLink bounds an address, in bytes.
const maxLink = 1024

// link is s if it is an address that one may be sent to: of the web, and not
// with a name before its host that looks like one.
func link(s string) string {
	if len(s) > maxLink {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return ""
	}
	return u.String()
}
