// SPDX-License-Identifier: Apache-2.0

package tracertest_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// fake is a test that may fail.
type fake struct {
	errors   []string
	fatal    string
	cleanups []func()
}

func (*fake) Helper()            {}
func (f *fake) Cleanup(c func()) { f.cleanups = append(f.cleanups, c) }

func (f *fake) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *fake) Fatalf(format string, args ...any) {
	f.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// try runs a test that may fail, to its end.
func try(test func(f *fake)) *fake {
	f := &fake{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(f)
	}()
	<-done
	for i := len(f.cleanups); i > 0; i-- {
		f.cleanups[i-1]()
	}
	return f
}

// wantFailures expects one error with all of words; without words none.
func (f *fake) wantFailures(t *testing.T, words ...string) {
	t.Helper()
	if f.fatal != "" {
		t.Errorf("it failed at once: %s", f.fatal)
	}
	want := 1
	if len(words) == 0 {
		want = 0
	}
	if len(f.errors) != want {
		t.Fatalf("%d failures, want %d:\n%s", len(f.errors), want, strings.Join(f.errors, "\n"))
	}
	for _, w := range words {
		if !strings.Contains(f.errors[0], w) {
			t.Errorf("the failure does not say %q:\n%s", w, f.errors[0])
		}
	}
}

// wantFatal expects the test to have ended at once.
func (f *fake) wantFatal(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(f.fatal, w) {
			t.Errorf("want it to fail at once and to say %q, it said %q %v", w, f.fatal, f.errors)
		}
	}
}
