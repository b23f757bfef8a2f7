// SPDX-License-Identifier: Apache-2.0

package tracer

import "testing"

// TestHandlerAbove: a goroutine that no handler of this server's runs in is in
// none; the stories have those that are.
func TestHandlerAbove(t *testing.T) {
	tr, _ := newTestTracer(t)
	defer tr.Table().End(tr.Table().Begin(t.Context(), sayHello))
	if got := tr.handlerAbove(); got != 0 {
		t.Errorf("it is in the handler of RPC %d, want none", got)
	}
}
