// SPDX-License-Identifier: Apache-2.0

package column

import (
	"strings"
	"testing"
)

func TestCutMiddle(t *testing.T) {
	for _, tt := range []struct {
		s     string
		width int
		want  string
	}{
		{"connection", 10, "connection"},
		{"connection", 9, "conn…tion"},
		{"connection", 8, "conn…ion"},
		{"connection", 1, "…"},
		{"", 1, ""},
		{"ＡＢＣＤ", 8, "ＡＢＣＤ"},
		{"ＡＢＣＤ", 7, "Ａ…Ｄ"},
		{"ＡＢＣＤ", 6, "Ａ…Ｄ"},
		{"e\u0301e\u0301", 2, "e\u0301e\u0301"},
	} {
		if got := CutMiddle(tt.s, tt.width); got != tt.want {
			t.Errorf("%q in %d columns is %q, want %q", tt.s, tt.width, got, tt.want)
		}
	}
}

func TestWrapNote(t *testing.T) {
	for s, want := range map[string]string{
		"":            "",
		"1 handshake": "1 handshake",
		"no deadline, handler blocked in Recv, 2 messages in, 1 out": "no deadline,|" +
			"handler blocked in Recv,|2 messages in, 1 out",
		"peer 10.0.0.3:40003, returned 1.0s after its ctx was cancelled, late": "" +
			"peer 10.0.0.3:40003,|returned 1.0s after its|ctx was cancelled,|late",
		"peer [2001:db8:85a3::8a2e:370:7334]:50051": "peer|[2001:db8:85…:7334]:50051",
	} {
		if got := strings.Join(WrapNote(s, 25), "|"); got != want {
			t.Errorf("%q wraps to %q, want %q", s, got, want)
		}
	}
}
