// SPDX-License-Identifier: Apache-2.0

package server

import (
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestSignalTwice: what arrives twice at once was sent once, by coreutils' timeout
// or GNU make, and cuts nobody. Whoever asks again, or in another way, is heard.
func TestSignalTwice(t *testing.T) {
	type sent struct {
		at  time.Duration
		sig os.Signal
	}
	const ms = time.Millisecond
	for _, tt := range []struct {
		name  string
		sent  []sent
		abort []os.Signal
	}{
		{"by timeout", []sent{{0, syscall.SIGTERM}, {0, syscall.SIGTERM}, {99 * ms, syscall.SIGTERM}}, nil},
		{"by hand", []sent{{0, os.Interrupt}, {100 * ms, os.Interrupt}}, []os.Signal{os.Interrupt}},
		{"another one", []sent{{0, syscall.SIGTERM}, {0, os.Interrupt}}, []os.Signal{os.Interrupt}},
		{
			"after all", []sent{{0, syscall.SIGTERM}, {0, syscall.SIGTERM}, {300 * ms, syscall.SIGTERM}},
			[]os.Signal{syscall.SIGTERM},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &signals{got: make(chan os.Signal, 2), ended: make(chan struct{})}
				begun := 0
				var aborted []os.Signal
				go s.listen(func() { begun++ }, func(sig os.Signal) { aborted = append(aborted, sig) })
				start := time.Now()
				for _, one := range tt.sent {
					time.Sleep(time.Until(start.Add(one.at)))
					s.got <- one.sig
				}
				close(s.got)
				<-s.ended
				if begun != 1 || !slices.Equal(aborted, tt.abort) {
					t.Errorf("begun %d times, aborted by %v, want once and %v", begun, aborted, tt.abort)
				}
			})
		})
	}
}
