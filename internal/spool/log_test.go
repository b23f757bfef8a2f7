// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadLog: our lines are found whatever is around them.
func TestReadLog(t *testing.T) {
	whole := strings.TrimSpace(string(line(t, "x")))
	for name, test := range map[string]struct {
		log     string
		spans   int
		damaged int
	}{
		"alone":       {whole + "\n" + whole + "\n", 2, 0},
		"no newline":  {whole, 1, 0},
		"among":       {"starting\n" + whole + "\n{\"level\":\"info\"}\n\n" + whole + "\nbye", 2, 0},
		"CRI":         {"2026-11-22T05:00:00.000000000Z stderr F " + whole + "\n2026-11-22T05:00:00Z stdout F x\n", 1, 0},
		"a colour":    {"\x1b[32mpod-1\x1b[0m " + whole + "\x1b[0m\r\n", 1, 0},
		"torn":        {whole + "\n" + whole[:len(whole)-9], 1, 1},
		"interleaved": {whole[:50] + whole + "\n" + whole + "\n", 1, 1},
		"not spans":   {`{"resourceSpans":[{"a":1}]}` + "\n" + whole + "\n", 1, 1},
		"a long line": {strings.Repeat("x", 3<<20) + whole + "\n" + whole + "\n", 1, 0},
		"nothing":     {"hello\n", 0, 0},
		"empty":       {"", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := ReadLog(strings.NewReader(test.log))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]int{test.spans, test.damaged}, []int{len(l.Lines), l.Damaged}); diff != "" {
				t.Errorf("spans and damaged lines (-want +got):\n%s", diff)
			}
		})
	}
}
