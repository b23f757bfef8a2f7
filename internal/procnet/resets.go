// SPDX-License-Identifier: Apache-2.0

package procnet

import (
	"bytes"
	"strconv"
)

// parseResets reads OutRsts from /proc/net/snmp: a line of names and then one of
// numbers for each protocol.
func parseResets(snmp []byte) (n int64, ok bool) {
	var names [][]byte
	for line := range bytes.Lines(snmp) {
		fields := bytes.Fields(line)
		if len(fields) == 0 || string(fields[0]) != "Tcp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, name := range names {
			if string(name) == "OutRsts" && i < len(fields) {
				n, err := strconv.ParseInt(string(fields[i]), 10, 64)
				return n, err == nil
			}
		}
	}
	return 0, false
}
