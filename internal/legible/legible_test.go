// SPDX-License-Identifier: Apache-2.0

package legible

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, tt := range []struct {
		in   string
		max  int
		want string
	}{
		{"./greeter --port 1", 99, "./greeter --port 1"},
		{"a\x1b[31mred\x00\r\n", 99, "a\uFFFD[31mred\uFFFD\uFFFD\uFFFD"},
		{"\u202Eevil", 99, "\uFFFDevil"}, // right-to-left override
		{"\xff", 99, "\uFFFD"},
		{"äöü", 99, "äöü"},
		{strings.Repeat("\xff", 14), 16, strings.Repeat("\uFFFD", 5) + "…"},
		{strings.Repeat("x", 20), 16, strings.Repeat("x", 16) + "…"},
		{strings.Repeat("x", 15) + "ü" + "x", 16, strings.Repeat("x", 15) + "…"},
	} {
		if got := Text(tt.in, tt.max); got != tt.want || !utf8.ValidString(got) {
			t.Errorf("Text(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestURL(t *testing.T) {
	for v, want := range map[string]string{
		"":                                  "",
		"http://host:4317/path#a":           "http://host:4317/path#a",
		"http://ann:p@host":                 "http://xxxxx@host",
		"http://ann:p/q@r@host:1/x":         "http://xxxxx@host:1/x",
		"ann:p@host:1":                      "xxxxx@host:1",
		"https://host/v1/traces?key=secret": "https://host/v1/traces?xxxxx",
		"https://ann:p?q@host?key=secret":   "https://xxxxx@host?xxxxx",
		"://ann:p@host":                     "://xxxxx@host",
	} {
		if got := URL(v); got != want {
			t.Errorf("URL(%q) = %q, want %q", v, got, want)
		}
	}
}
