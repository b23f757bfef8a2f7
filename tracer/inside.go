// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"

	"github.com/gracetrace/gracetrace/internal/stack"
)

// handlerAbove returns the RPC whose handler the calling goroutine is in, zero if
// it is in none. The handler runs, so its entry is no other RPC's meanwhile.
func (t *Tracer) handlerAbove() uint64 {
	for _, entry := range stack.Current() {
		for rpc, id := range t.table.Entries() {
			if fmt.Sprintf("%p", rpc) == entry {
				return id
			}
		}
	}
	return 0
}

// calledBy says which RPC's handler made the stop call.
func (s *Shutdown) calledBy(rpc uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside = rpc
}
