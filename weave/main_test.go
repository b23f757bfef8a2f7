// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/internal/hermetic"
	"github.com/gracetrace/gracetrace/internal/woven"
)

// envProgram makes the test binary be a program: plain, or one that uses package
// server.
const envProgram = "WEAVE_RUN_PROGRAM"

func TestMain(m *testing.M) {
	if kind := os.Getenv(envProgram); kind != "" {
		runProgram(kind)
		return
	}
	hermetic.ClearEnvironment()
	goleak.VerifyTestMain(m)
}

// requireWoven skips a test that needs grpc-go to be instrumented, which plain go
// test does not do; where that is asked for, it fails instead.
func requireWoven(t *testing.T) {
	t.Helper()
	switch {
	case len(woven.Points()) > 0:
	case os.Getenv("REQUIRE_WOVEN") != "":
		t.Fatal("REQUIRE_WOVEN is set, and grpc-go is not instrumented: see make weave")
	default:
		t.Skip("grpc-go is not instrumented: see make weave")
	}
}
