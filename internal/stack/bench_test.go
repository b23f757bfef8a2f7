// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"fmt"
	"sync"
	"testing"
)

// BenchmarkCapture is the time for which the world stands still.
func BenchmarkCapture(b *testing.B) {
	for _, n := range []int{1_000, 10_000, MaxGoroutines - 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			defer deep(n)()
			for b.Loop() {
				if d := Capture(MaxGoroutines); d.Text == "" {
					b.Fatal("no dump")
				}
			}
		})
		b.Run(fmt.Sprintf("%d read", n), func(b *testing.B) {
			defer deep(n)()
			d := Capture(MaxGoroutines)
			for b.Loop() {
				_ = Read(d.Text, "0xc000000000")
			}
		})
	}
}

// deep starts goroutines with as many frames as a handler has.
func deep(n int) (release func()) {
	gate := make(chan struct{})
	var all, begun sync.WaitGroup
	begun.Add(n)
	for range n {
		all.Go(func() { descend(15, &begun, gate) })
	}
	begun.Wait()
	return func() {
		close(gate)
		all.Wait()
	}
}

func descend(n int, begun *sync.WaitGroup, gate chan struct{}) {
	if n == 0 {
		begun.Done()
		<-gate
		return
	}
	descend(n-1, begun, gate)
}
