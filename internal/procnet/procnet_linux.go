// SPDX-License-Identifier: Apache-2.0

package procnet

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"
)

// Resets returns how many RST segments the network namespace has sent since it
// was made: one for every connection that is refused, among others.
func Resets() (n int64, ok bool) {
	b, err := os.ReadFile("/proc/self/net/snmp")
	if err != nil {
		return 0, false
	}
	return parseResets(b)
}

// Ours reports whether the far end of a TCP connection is a socket of this
// process: peer is its address, local the one of the end that is known to be.
// It reads the table of all connections and then of all open files, and gives
// up after limit; known is then false, as it is where the far end has gone.
func Ours(peer, local netip.AddrPort, limit time.Duration) (ours, known bool) {
	until := time.Now().Add(limit)
	inode := ""
	for _, table := range []string{tableTCP, tableTCP6} {
		var ok bool
		if inode, ok = findInode(table, peer, local, until); !ok {
			return false, false
		}
		if inode != "" {
			break
		}
	}
	if inode == "" {
		return false, false
	}
	return hasSocket(inode, until)
}

// checkEvery is after how many lines or files the clock is read.
const checkEvery = 64

// findInode returns the inode of the socket that has these addresses, empty if
// there is none; ok is false if the table was not read to its end. The columns
// are those of Linux, net/ipv4/tcp_ipv4.c, get_tcp4_sock.
func findInode(table string, from, to netip.AddrPort, until time.Time) (inode string, ok bool) {
	f, err := os.Open(table)
	if err != nil {
		return "", os.IsNotExist(err) // a kernel without IPv6
	}
	defer f.Close()
	wide := strings.HasSuffix(table, "6")
	ends := []byte(" " + column(from, wide) + " " + column(to, wide) + " ")
	lines := bufio.NewScanner(f)
	for n := 0; lines.Scan(); n++ {
		if n%checkEvery == 0 && time.Now().After(until) {
			return "", false
		}
		if !bytes.Contains(lines.Bytes(), ends) {
			continue
		}
		if fields := strings.Fields(lines.Text()); len(fields) > 9 {
			return fields[9], true
		}
	}
	return "", lines.Err() == nil
}

// column is an address as the table has it: each 32 bits of it as a number of
// the machine's byte order.
func column(a netip.AddrPort, wide bool) string {
	addr := a.Addr().Unmap()
	if addr.Is6() && !wide {
		return "-" // in the other table
	}
	var b []byte
	if wide {
		b16 := addr.As16()
		b = b16[:]
	} else {
		b4 := addr.As4()
		b = b4[:]
	}
	var s strings.Builder
	for ; len(b) > 0; b = b[4:] {
		fmt.Fprintf(&s, "%08X", binary.NativeEndian.Uint32(b))
	}
	return fmt.Sprintf("%s:%04X", &s, a.Port())
}

// hasSocket reports whether a socket is among this process's open files.
func hasSocket(inode string, until time.Time) (has, known bool) {
	has, err := hasFile("/proc/self/fd", "socket:["+inode+"]", until)
	return has, err == nil
}

// hasFile reports whether a link in dir points to want. Its error is
// os.ErrDeadlineExceeded where not all could be read in time.
func hasFile(dir, want string, until time.Time) (bool, error) {
	d, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer d.Close()
	for time.Now().Before(until) {
		names, err := d.Readdirnames(checkEvery)
		for _, name := range names {
			if to, err := os.Readlink(dir + "/" + name); err == nil && to == want {
				return true, nil
			}
		}
		if err != nil { // the end of the list
			return false, nil
		}
	}
	return false, os.ErrDeadlineExceeded
}
