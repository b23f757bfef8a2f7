// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"

	"github.com/gracetrace/gracetrace/internal/stack"
)

// handlerAbove returns the RPC whose handler the calling goroutine is in, zero if
// it is in none. The handler runs, so its entry is no other RPC's meanwhile.
func (t *Tracer) handlerAbove() (rpc uint64) {
	defer func() { _ = recover() }() // the goroutine is the application's
	for _, entry := range stack.Current() {
		for r, id := range t.table.Entries(t.table.Now()) {
			if fmt.Sprintf("%p", r) == entry {
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
