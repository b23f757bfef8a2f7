// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/address"
)

// diskFaults are of a spool that does not work, beside a collector that refuses.
var diskFaults = []fault{
	{
		name: "refused, and the disk is full", lost: all, reason: "spool", said: "no space left on device", needs: root,
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			dir := mounted(t, "size=64k")
			fill(dir)
			r.to("http://" + address.TCP(t))
			r.spool(filepath.Join(dir, "spool"))
		},
	},
	{
		name: "refused, and the disk is full at 2 s", spooled: some, lost: some, reason: "spool",
		said: "no space left on device", needs: root,
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			dir := mounted(t, "size=256k")
			r.to("http://" + address.TCP(t))
			r.spool(filepath.Join(dir, "spool"))
			r.at = append(r.at, event{2 * time.Second, func() { fill(dir) }})
		},
	},
	{
		name: "refused, and files may have 4 KiB", spooled: some, lost: some, reason: "spool",
		said: "file too large",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.to("http://" + address.TCP(t))
			r.spool(filepath.Join(t.TempDir(), "spool"))
			r.env = append(r.env, envFileLimit+"=4096")
		},
	},
	{
		name: "refused, and the disk is read-only", lost: all, reason: "collector unreachable",
		said: "read-only file system", needs: root,
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			dir := mounted(t, "")
			if err := os.Mkdir(filepath.Join(dir, "spool"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
			r.to("http://" + address.TCP(t))
			r.spool(filepath.Join(dir, "spool"))
		},
	},
}

// mounted is a file system of its own.
func mounted(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("gracetrace", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves no room on a file system.
func fill(dir string) {
	_ = os.WriteFile(filepath.Join(dir, "others"), make([]byte, 1<<20), 0o600) // as much as there is
}

// root is what a row needs to mount something: root, and not in a container that
// keeps that from it.
var root = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "")
	if err == nil {
		defer os.Remove(dir)
		if err = syscall.Mount("gracetrace", dir, "tmpfs", 0, ""); err == nil {
			err = syscall.Unmount(dir, 0)
		}
	}
	if err != nil {
		return "needs to mount a file system: " + err.Error()
	}
	return ""
})
