// SPDX-License-Identifier: Apache-2.0

package servertest

import "sync"

// signal is a channel that may be closed more than once.
type signal struct {
	ch   chan struct{}
	fire func()
}

func newSignal() signal {
	ch := make(chan struct{})
	return signal{ch: ch, fire: sync.OnceFunc(func() { close(ch) })}
}
