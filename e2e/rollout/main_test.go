// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/internal/hermetic"
)

// envJob makes the test binary be a process of the rollout: see job.
const envJob = "ROLLOUT_JOB"

func TestMain(m *testing.M) {
	if text := os.Getenv(envJob); text != "" {
		code := 0
		if err := work(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code) //nolint:forbidigo // this is that process' main
	}
	hermetic.ClearEnvironment()
	goleak.VerifyTestMain(m)
}
