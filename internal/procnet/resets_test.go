// SPDX-License-Identifier: Apache-2.0

package procnet

import "testing"

func TestParseResets(t *testing.T) {
	const names = "Ip: Forwarding\nIp: 1\nTcp: RtoAlgorithm OutSegs OutRsts InCsumErrors\n"
	for name, tt := range map[string]struct {
		text string
		want int64
		ok   bool
	}{
		"as Linux writes it":    {names + "Tcp: 1 99 4711 0\nUdp: InDatagrams\nUdp: 3\n", 4711, true},
		"no line of numbers":    {names, 0, false},
		"too few numbers":       {names + "Tcp: 1 99\n", 0, false},
		"no such counter":       {"Tcp: OutSegs\nTcp: 1\n", 0, false},
		"it is not a number":    {names + "Tcp: 1 99 x 0\n", 0, false},
		"nothing":               {"", 0, false},
		"another order of both": {"Tcp: OutRsts OutSegs\nTcp: 5 6\n", 5, true},
	} {
		t.Run(name, func(t *testing.T) {
			n, ok := parseResets([]byte(tt.text))
			if n != tt.want || ok != tt.ok {
				t.Errorf("%d, %t, want %d, %t", n, ok, tt.want, tt.ok)
			}
		})
	}
}
