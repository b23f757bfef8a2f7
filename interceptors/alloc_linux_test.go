// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"testing"

	"github.com/gracetrace/gracetrace/interceptors"
)

// TestPooledReadAllocations: nor does a pooled read.
func TestPooledReadAllocations(t *testing.T) {
	lis := listen(t, "tcp")
	peer := lis.dial(t)
	c := accept(t, interceptors.Listener(newTracer(t), lis)).(readyReader)
	pool := &onePool{make([]byte, 4096)}
	msg := make([]byte, 100)
	n := testing.AllocsPerRun(1000, func() {
		if _, err := peer.Write(msg); err != nil {
			t.Error(err)
		}
		if _, _, err := c.ReadOnReady(4096, pool); err != nil {
			t.Error(err)
		}
	})
	if n != 0 {
		t.Errorf("ReadOnReady allocates %v times", n)
	}
}
