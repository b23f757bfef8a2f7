// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"os"
	"os/signal"
	"testing"

	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/internal/hermetic"
	"github.com/gracetrace/gracetrace/internal/story"
)

func TestMain(m *testing.M) {
	if os.Getenv(envPanic) != "" {
		panicInDrain()
	}
	if os.Getenv(envExit) != "" {
		exitAfterServe()
	}
	if os.Getenv(envHold) != "" {
		holdPort()
	}
	if os.Getenv(envRunGroup) != "" {
		runGroupUntilSignal()
		return
	}
	if os.Getenv(envRun) != "" {
		runUntilSignal()
		return
	}
	// The runtime starts its signal goroutine at the first use, which must not be
	// in a bubble.
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	signal.Stop(c)
	hermetic.ClearEnvironment()
	goleak.VerifyTestMain(m)
}

// TestStories runs the golden stories; -rewrite writes what they print.
func TestStories(t *testing.T) { story.Run(t, "testdata") }
