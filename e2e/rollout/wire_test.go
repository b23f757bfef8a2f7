// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wire carries connections to a collector, and counts what is sent there.
type wire struct {
	net.Listener
	to    string
	bytes atomic.Int64
	all   sync.WaitGroup
}

func forward(t *testing.T, to string) *wire {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: lis, to: to}
	w.all.Go(w.serve)
	t.Cleanup(func() {
		_ = lis.Close()
		w.all.Wait()
	})
	return w
}

func (w *wire) endpoint() string { return "http://" + w.Addr().String() }

func (w *wire) serve() {
	for {
		conn, err := w.Accept()
		if err != nil {
			return // closed
		}
		w.all.Go(func() { w.carry(conn) })
	}
}

func (w *wire) carry(conn net.Conn) {
	defer conn.Close()
	there, err := net.Dial("tcp", w.to)
	if err != nil {
		return // and whoever sends, sees it
	}
	defer there.Close()
	w.all.Go(func() {
		_, _ = io.Copy(conn, there)
		_ = conn.Close() // ends the other direction
	})
	n, _ := io.Copy(there, conn)
	w.bytes.Add(n)
}

// cost is what a process took.
type cost struct {
	took   time.Duration
	memory int64 // the most that was resident, in bytes
}

// measure runs a command and returns its stdout. Its memory is what the kernel says of
// it while it runs: what wait(2) says afterwards has the memory of this process in it,
// from before exec.
func measure(t *testing.T, cmd *exec.Cmd) ([]byte, cost) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	var c cost
	for {
		select {
		case err := <-exited:
			c.took = since(began)
			if err != nil {
				t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.String())
			}
			return stdout.Bytes(), c
		case <-tick.C:
			if n := highest(cmd.Process.Pid); n > c.memory {
				c.memory = n
			}
		}
	}
}

// highest is VmHWM of proc_pid_status(5), in bytes; 0 elsewhere than on Linux.
func highest(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}
