// SPDX-License-Identifier: Apache-2.0

package procnet

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/legible"
)

// Why a process is not known.
const (
	notAllowed  = "whose process we are not allowed to see"
	notHere     = "whose process is not visible from here: of another container?"
	noProcess   = "a connection that has ended and still waits, it frees the address within a minute"
	outOfTime   = "there are too many processes to look at"
	nobodyThere = "nobody that can be seen has it now"
)

// maxCommand bounds a command, in bytes.
const maxCommand = 256

// HolderOf says who has a TCP or Unix socket's address that cannot be listened
// on. It reads the table of sockets and then the open files of all processes, as
// far as this one may, and gives up after limit.
func HolderOf(address net.Addr, limit time.Duration) Holder {
	until := time.Now().Add(limit)
	var s socket
	var ok bool
	switch a := address.(type) {
	case *net.TCPAddr:
		s, ok = tcpSocket(a.AddrPort(), until)
	case *net.UnixAddr:
		s, ok = unixSocket(a.Name)
	default:
		return Holder{}
	}
	switch {
	case !ok:
		return Holder{}
	case s.use == "":
		return Holder{Unknown: s.unknown}
	case s.inode == "0":
		return Holder{Socket: s.use, Unknown: noProcess}
	}
	pid, unknown := processWith(s.inode, until)
	if pid == 0 {
		return Holder{Socket: s.use, Unknown: unknown}
	}
	return Holder{PID: pid, Command: commandOf(pid), Socket: s.use}
}

// socket is one that has the address.
type socket struct {
	inode   string
	use     string // empty: there is none
	unknown string // then
}

// processWith returns the first process that has a socket among its open files.
// Of processes that share it, as after a fork, that is the oldest, most often.
func processWith(inode string, until time.Time) (pid int, unknown string) {
	want := "socket:[" + inode + "]"
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return 0, notHere
	}
	unknown = notHere
	for _, p := range processes {
		n, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		switch has, err := hasFile("/proc/"+p.Name()+"/fd", want, until); {
		case has:
			return n, ""
		case errors.Is(err, fs.ErrPermission):
			unknown = notAllowed
		case errors.Is(err, os.ErrDeadlineExceeded):
			return 0, outOfTime
		}
	}
	return 0, unknown
}

// commandOf is the first argument a process was started with. The others stay
// where they are: they may hold secrets.
func commandOf(pid int) string {
	dir := "/proc/" + strconv.Itoa(pid)
	args, _ := os.ReadFile(dir + "/cmdline")
	command, _, _ := bytes.Cut(args, []byte{0})
	if len(command) == 0 {
		command, _ = os.ReadFile(dir + "/comm")
	}
	return legible.Text(strings.TrimSpace(string(command)), maxCommand)
}
