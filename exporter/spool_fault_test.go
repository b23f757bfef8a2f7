// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package exporter

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/gracetrace/gracetrace/internal/address"
)

// TestSpoolFaults: a collector that refuses and a disk that does not work. Nothing
// is lost uncounted, the fault is said once, and the flush takes no longer.
func TestSpoolFaults(t *testing.T) {
	for _, test := range []struct {
		name    string
		dir     func(t *testing.T) string
		during  func(t *testing.T, dir string) // between the first span and the others
		spooled int                            // of 5 spans
		lost    map[string]int
		said    string // in the log, once
	}{
		{"works", newDir, nil, 5, nil, ""},
		{"is removed before", func(t *testing.T) string {
			t.Helper()
			return filepath.Join(newDir(t), "not", "there")
		}, nil, 5, nil, ""},
		{
			"is removed meanwhile", newDir, func(t *testing.T, dir string) {
				t.Helper()
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}, 0, map[string]int{lostSpool: 5}, "spool off",
		},
		{
			"takes no file", func(t *testing.T) string {
				t.Helper()
				if os.Geteuid() == 0 {
					return "/proc/self/spool"
				}
				dir := newDir(t)
				if err := os.Mkdir(dir, 0o500); err != nil {
					t.Fatal(err)
				}
				return dir
			}, nil, 0, map[string]int{lostUnreachable: 5}, "spool off",
		},
		{
			"is a file", func(t *testing.T) string {
				t.Helper()
				path := newDir(t)
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}, nil, 0, map[string]int{lostUnreachable: 5}, "not a directory",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := &logs{}
			dir := test.dir(t)
			s := withoutCollector(t, l, dir)
			s.Emit(span(1, "a"))
			if test.spooled > 0 || test.during != nil {
				awaitKept(t, s, 1) // a machine under load may take its time
			}
			if test.during != nil {
				test.during(t, dir)
			}
			for n := range 4 {
				s.Emit(span(n+2, "b"))
			}
			start := time.Now()
			r := s.Flush(t.Context())
			t.Logf("took %v, %d spooled, lost %v", time.Since(start), r.Spooled, r.Lost)
			wantSpooled(t, r, 0, test.spooled, test.lost)
			want := 1
			if test.said == "" {
				test.said, want = "spool off", 0
			}
			if l.count(test.said) != want || l.count("spool off") > 1 {
				t.Errorf("said %d times %q:\n%s", l.count(test.said), test.said, l)
			}
			if took := time.Since(start); took > flushLimit {
				t.Errorf("Flush took %v", took)
			}
		})
	}
}

func newDir(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "spool")
}

// withoutCollector opens a session whose collector refuses.
func withoutCollector(t *testing.T, l *logs, dir string) *Session {
	t.Helper()
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+address.TCP(t))
	e := mustNew(t, Config{Logger: l.logger(), ScopeName: "test", SpoolDir: dir})
	return e.Open()
}

// awaitKept waits until the spool has n spans.
func awaitKept(t *testing.T, s *Session, n int) {
	t.Helper()
	for t.Context().Err() == nil {
		s.q.mu.Lock()
		kept := 0
		for _, e := range s.q.kept {
			if e.kept.Load() {
				kept++
			}
		}
		s.q.mu.Unlock()
		if kept >= n {
			return
		}
		<-time.After(time.Millisecond)
	}
}

// envFull makes this test the process whose disk is full.
const envFull = "GRACETRACE_TEST_FULL"

// TestSpoolOnAFullDisk: what fits is kept. The disk is full for a process of its
// own, which may write 4 KiB to a file.
func TestSpoolOnAFullDisk(t *testing.T) {
	if dir := os.Getenv(envFull); dir != "" {
		limit := syscall.Rlimit{Cur: 4 << 10, Max: 4 << 10}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		l := &logs{}
		s := withoutCollector(t, l, dir)
		for n := range 3 {
			sp := span(n, strings.Repeat("x", n))
			sp.Attributes = []attribute.KeyValue{attribute.String("a", strings.Repeat("a", 2<<10))}
			s.Emit(sp)
			if n == 0 {
				awaitKept(t, s, 1)
			}
		}
		wantSpooled(t, s.Flush(t.Context()), 0, 1, map[string]int{lostSpool: 2})
		if l.count("spool off") != 1 || l.count("file too large") != 1 {
			t.Errorf("log:\n%s", l)
		}
		return
	}
	dir := newDir(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), envFull+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := inSpool(t, dir); len(got) != 1 {
		t.Errorf("left: %v", got)
	}
	if all, err := filepath.Glob(filepath.Join(dir, "*.cut.jsonl")); err != nil || len(all) != 1 {
		t.Errorf("the file does not say that its end is missing: %v, %v", all, err)
	}
}
