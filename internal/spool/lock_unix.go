// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

const (
	supported = true
	// openFlags: no link is followed, and a FIFO in a file's place does not hang.
	openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
)

// lock reports whether f is now locked by us. flock(2) belongs to the open file:
// a second one of the same process does not get it either.
func lock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// ours returns an error if a file or directory is somebody else's, or a file one
// that has another name too: what is written to it would be written there.
func ours(name string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return nil
	case int(st.Uid) == os.Geteuid() && info.Mode().IsRegular() && st.Nlink > 1:
		return fmt.Errorf("%s: a hard link", name)
	case int(st.Uid) == os.Geteuid():
		return nil
	}
	return fmt.Errorf("%s: belongs to user %d, not to %d", name, st.Uid, os.Geteuid())
}
