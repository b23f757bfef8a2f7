// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"sync"
	"testing"
	"time"
)

// TestWhatIsSecuredIsUsedByOne: on a machine that is overloaded the forced stop, the
// sending of what was secured and the report for want of time come at once. The race
// detector fails it.
func TestWhatIsSecuredIsUsedByOne(t *testing.T) {
	tr, _ := newTestTracer(t)
	drain := tableOf(tr, 100, manyHolders/100)
	s, _ := tr.BeginShutdown(Call{Graceful: true})
	drain()
	tl := s.timeline()
	tl.cutAt(time.Second)
	for range 5 {
		c := newSecured(tl)
		s.mu.Lock()
		s.secured, s.result = c, nil
		s.mu.Unlock()
		ready := make(chan struct{})
		var all sync.WaitGroup
		for _, f := range []func(){s.fallBack, func() { c.held() }} {
			all.Go(func() { <-ready; f() })
		}
		s.securing <- c
		close(ready)
		<-c.sent
		all.Wait()
	}
	s.Finish(t.Context())
}
