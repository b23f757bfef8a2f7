// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// muteResolver is an address at which a DNS server could be.
const muteResolver = "127.0.0.77"

// dnsFaults need a resolver of their own.
var dnsFaults = []fault{
	{
		name: "DNS does not answer", lost: all, reason: "timeout", said: "deadline exceeded", needs: root,
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			conn, err := net.ListenPacket("udp", muteResolver+":53")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			file := filepath.Join(t.TempDir(), "resolv.conf")
			if err := os.WriteFile(file, []byte("nameserver "+muteResolver+"\n"), 0o600); err != nil {
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

// resolveBy puts a file in the place of /etc/resolv.conf, in the mount namespace
// that this process has for itself.
func resolveBy(file string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	return syscall.Mount(file, "/etc/resolv.conf", "", syscall.MS_BIND, "")
}
