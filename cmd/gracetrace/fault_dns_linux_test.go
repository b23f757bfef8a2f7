// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// dnsFaults need a resolver of their own.
var dnsFaults = []fault{
	{
		name: "DNS does not answer", lost: all, reason: "timeout", said: "deadline exceeded", needs: ownMounts,
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			file := filepath.Join(t.TempDir(), "resolv.conf")
			if err := os.WriteFile(file, []byte("nameserver "+muteResolver(t)+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			r.to("http://collector.example.com:4317")
			r.env = append(r.env, envResolver+"="+file)
			r.with = func(cmd *exec.Cmd) {
				cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
			}
		},
	},
}

// ownMounts is what a row needs whose process has mounts of its own: not in a chroot.
var ownMounts = sync.OnceValue(func() string {
	if missing := root(); missing != "" {
		return missing
	}
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := cmd.Run(); err != nil {
		return "needs mounts of its own: " + err.Error()
	}
	return ""
})

// muteResolver is an address at which a DNS server could be. The port cannot be
// chosen, so the host is one that nobody else has.
func muteResolver(t *testing.T) (host string) {
	t.Helper()
	pid := os.Getpid()
	host = netip.AddrFrom4([4]byte{127, byte(1 + pid>>16), byte(pid >> 8), byte(pid)}).String()
	conn, err := net.ListenPacket("udp", net.JoinHostPort(host, "53"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return host
}

// resolveBy puts a file in the place of /etc/resolv.conf, in the mount namespace
// that this process has for itself.
func resolveBy(file string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	return syscall.Mount(file, "/etc/resolv.conf", "", syscall.MS_BIND, "")
}
