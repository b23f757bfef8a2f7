// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// signals hears those that end a process: the first one gracefully, the second one
// at once. A third has its default effect.
type signals struct {
	got   chan os.Signal
	ended chan struct{} // its goroutine has
}

// stopSignals are what Kubernetes and systemd send, and a terminal.
var stopSignals = []os.Signal{syscall.SIGTERM, os.Interrupt}

// signalNames are the same in words.
const signalNames = "SIGTERM, SIGINT"

// sameSignal is how soon after the first one a signal of the same kind is the
// first one again: coreutils' timeout and GNU make tell the process and then its
// group, which it is in. Nobody presses Ctrl-C twice that fast.
const sameSignal = 100 * time.Millisecond

// hear hears signals from now on: until release. The context that it returns ends
// with the first, or with ctx. At the second one abort is called, and must not
// return.
func hear(ctx context.Context, abort func(os.Signal)) (first context.Context, release func()) {
	s := &signals{got: make(chan os.Signal, 2), ended: make(chan struct{})}
	first, end := context.WithCancel(ctx)
	signal.Notify(s.got, stopSignals...)
	go s.listen(end, func(sig os.Signal) {
		signal.Reset(stopSignals...)
		abort(sig)
	})
	return first, func() {
		signal.Stop(s.got)
		close(s.got) // nothing is sent any more
		<-s.ended
		end()
	}
}

// listen ends when nothing is sent any more.
func (s *signals) listen(begin func(), abort func(os.Signal)) {
	defer close(s.ended)
	var first os.Signal
	var at time.Time
	for sig := range s.got {
		switch {
		case first == nil:
			first, at = sig, time.Now()
			begin()
		case sig != first || time.Since(at) >= sameSignal:
			abort(sig)
		}
	}
}

// exitCode of a process that a signal ends, as shells have it: 128 and its number.
func exitCode(sig os.Signal) int {
	if n, ok := sig.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 1
}

// signalName is what people call a signal.
func signalName(sig os.Signal) string {
	switch sig {
	case os.Interrupt:
		return "SIGINT"
	case syscall.SIGTERM:
		return "SIGTERM"
	}
	return sig.String()
}
