// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"strings"
	"sync"
	"testing"
)

// TestCaptureLimit: above the limit there is no dump, but a count.
func TestCaptureLimit(t *testing.T) {
	release := park(t, MaxGoroutines+1)
	defer release()
	if d := Capture(MaxGoroutines); d.Text != "" || d.Goroutines <= MaxGoroutines {
		t.Errorf("%d bytes of %d goroutines, want none", len(d.Text), d.Goroutines)
	}
}

func TestCaptureAll(t *testing.T) {
	const n = 1000
	release := park(t, n)
	defer release()
	d := Capture(MaxGoroutines)
	if got := strings.Count(d.Text, "stack.park.func1("); got != n || d.Cut {
		t.Errorf("%d goroutines in the dump (cut: %v), want %d", got, d.Cut, n)
	}
}

// park starts n goroutines that wait.
func park(t *testing.T, n int) (release func()) {
	t.Helper()
	gate := make(chan struct{})
	var all, begun sync.WaitGroup
	begun.Add(n)
	for range n {
		all.Go(func() {
			begun.Done()
			<-gate
		})
	}
	begun.Wait()
	return func() {
		close(gate)
		all.Wait()
	}
}
