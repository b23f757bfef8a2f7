// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/address"
	"github.com/gracetrace/gracetrace/internal/spool"
)

// spoolFaults are of collectors that do not take everything, beside a spool.
var spoolFaults = []fault{
	{
		name: "refused, with a spool", spooled: all, said: "spans spooled.*connection refused",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.to("http://" + address.TCP(t))
			r.spool(filepath.Join(t.TempDir(), "spool"))
		},
	},
	{
		name: "mute, with a spool", spooled: all, said: "spans spooled",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.to("http://" + accepting(t, func(net.Conn) {}))
			r.spool(filepath.Join(t.TempDir(), "spool"))
		},
	},
	{
		name: "never answers, with a spool", ready: true, spooled: all, said: "spans spooled",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.toSink(newSink(t, never))
			r.spool(filepath.Join(t.TempDir(), "spool"))
		},
	},
	{
		name: "gone at 5 s, with a spool", ready: true, delivered: some, spooled: some, said: "spans spooled",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.toSink(newSink(t, nil))
			r.spool(filepath.Join(t.TempDir(), "spool"))
			r.at = append(r.at, event{5 * time.Second, r.sink.down})
		},
	},
	{
		name: "ResourceExhausted, with a spool", ready: true, spooled: all, said: "no room",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.toSink(newSink(t, exhausted))
			r.spool(filepath.Join(t.TempDir(), "spool"))
		},
	},
	{
		name: "wrong token, with a spool", ready: true, spooled: all, said: "Unauthenticated",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.toSink(newSink(t, wants("Bearer right")))
			r.spool(filepath.Join(t.TempDir(), "spool"))
			r.secret = "s3cr3t"
			r.env = append(r.env, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20"+r.secret)
		},
	},
	{
		name: "refused, spool in the log", spooled: all, said: "spans spooled",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.to("http://" + address.TCP(t))
			r.env = append(r.env, "GRACETRACE_SPOOL=stderr")
		},
	},
	{
		name: "refused, and nobody reads the log", lost: all, reason: "spool", said: "it hangs",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.to("http://" + address.TCP(t))
			r.env = append(r.env, "GRACETRACE_SPOOL=stderr")
			full := fullPipe(t)
			r.with = func(cmd *exec.Cmd) { cmd.Stderr = full }
		},
	},
	{
		name: "refused, and the spool has its 8 MiB", lost: all, reason: "spool", said: "8 MiB",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.to("http://" + address.TCP(t))
			r.spool(filepath.Join(t.TempDir(), "spool"))
			anothers(t, r.dir)
		},
	},
	{
		name: "refused, and the spool is removed at 2 s", lost: all, reason: "spool",
		said: "spool off.*no such file or directory",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.to("http://" + address.TCP(t))
			r.spool(filepath.Join(t.TempDir(), "spool"))
			r.at = append(r.at, event{2 * time.Second, func() {
				if err := os.RemoveAll(r.dir); err != nil {
					t.Error(err)
				}
			}})
		},
	},
}

// fullPipe is an end of a pipe into which no byte fits any more.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	if err := w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = w.Write(make([]byte, 4<<10))
	}
	for err = nil; err == nil; { // what is left of the last page
		_, err = w.Write([]byte{'.'})
	}
	return w
}

// anothers fills a spool with a file of a process that lives: this one.
func anothers(t *testing.T, path string) {
	t.Helper()
	dir, err := spool.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := dir.Create(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = f.Close(), dir.Close() })
	if err := os.Truncate(filepath.Join(path, f.Name()), spool.MaxDir); err != nil {
		t.Fatal(err)
	}
}
