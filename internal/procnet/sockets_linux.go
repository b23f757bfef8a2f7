// SPDX-License-Identifier: Apache-2.0

package procnet

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/legible"
)

// stateListen is a listening socket's (include/net/tcp_states.h).
const stateListen = "0A"

// The tables of TCP sockets.
const (
	tableTCP  = "/proc/self/net/tcp"
	tableTCP6 = "/proc/self/net/tcp6"
)

// tcpRow is a line of /proc/net/tcp or tcp6.
type tcpRow struct {
	local, remote netip.AddrPort
	listens       bool
	inode         string
}

// tcpSocket finds the socket that keeps others from listening on an address: one
// that listens, or else one of a connection, which had that port by chance
// (net.ipv4.ip_local_port_range) or was never told SO_REUSEADDR.
func tcpSocket(address netip.AddrPort, until time.Time) (found socket, ok bool) {
	var connection *tcpRow
	for _, table := range []string{tableTCP, tableTCP6} {
		f, err := os.Open(table)
		if os.IsNotExist(err) && ok {
			continue // a kernel without IPv6
		}
		if err != nil {
			return socket{}, false
		}
		ok = eachTCP(f, until, func(r tcpRow) (more bool) {
			if !conflicts(address, r.local) {
				return true
			}
			if r.listens {
				found = socket{inode: r.inode, use: "listens on " + r.local.String()}
				return false
			}
			if connection == nil || connection.inode == "0" {
				connection = &r
			}
			return true
		})
		_ = f.Close()
		if !ok || found.use != "" {
			return found, ok
		}
	}
	if connection != nil {
		return socket{inode: connection.inode, use: "has a connection from " +
			connection.local.String() + " to " + connection.remote.String()}, true
	}
	return socket{unknown: nobodyThere}, true
}

// conflicts reports whether a socket on local may keep another from listening on
// wanted. All of IPv4 is within all of IPv6, where the kernel is not told
// otherwise; and net.Listen takes 0.0.0.0 for every address there is.
func conflicts(wanted, local netip.AddrPort) bool {
	w, l := wanted.Addr().Unmap().WithZone(""), local.Addr().Unmap()
	if wanted.Port() != local.Port() {
		return false
	}
	anything := !w.IsValid() || w.IsUnspecified()
	return w == l || anything || l.IsUnspecified() && (l.Is6() || w.Is4())
}

// eachTCP gives the rows of a table to f until that has enough. The columns are
// those of Linux, net/ipv4/tcp_ipv4.c, get_tcp4_sock. The first rows are read however
// late it is.
func eachTCP(table io.Reader, until time.Time, f func(tcpRow) (more bool)) (ok bool) {
	lines := bufio.NewScanner(table)
	for n := 0; lines.Scan(); n++ {
		if n > 0 && n%checkEvery == 0 && time.Now().After(until) {
			return false
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 {
			continue
		}
		local, isAddr := parseColumn(fields[1])
		remote, _ := parseColumn(fields[2])
		if isAddr && !f(tcpRow{local, remote, fields[3] == stateListen, fields[9]}) {
			return true
		}
	}
	return lines.Err() == nil
}

// parseColumn is the reverse of column.
func parseColumn(s string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	addr, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr, uint16(n)), ok
}

// unixSocket finds the socket that was bound to a path. A file that is there
// although nobody listens keeps others from listening, too.
func unixSocket(path string) (found socket, ok bool) {
	f, err := os.Open("/proc/self/net/unix")
	if err != nil {
		return socket{}, false
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		inode, bound, ok := unixRow(lines.Text())
		if ok && samePath(bound, path) {
			return socket{inode: inode, use: "listens on " + legible.Text(bound, maxCommand)}, true
		}
	}
	return socket{unknown: "a file is there that no process here listens on: remove it if it was " +
		"left behind"}, lines.Err() == nil
}

// unixRow reads a line of /proc/net/unix (net/unix/af_unix.c, unix_seq_show):
// seven columns, and behind them the path, with whatever is in it.
func unixRow(line string) (inode, path string, ok bool) {
	const columns = 7 // Num RefCount Protocol Flags Type St Inode
	for range columns {
		line = strings.TrimLeft(line, " ")
		inode, line, ok = strings.Cut(line, " ")
	}
	return inode, line, ok
}

// samePath reports whether a path is the one that a socket was bound to, as seen
// from a folder that may not be ours.
func samePath(bound, path string) bool {
	return bound == path ||
		!strings.HasPrefix(bound, "/") && filepath.Base(bound) == filepath.Base(path)
}
