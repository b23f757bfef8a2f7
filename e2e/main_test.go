// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"flag"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/internal/hermetic"
)

// atOnce is how many tests run in parallel: they wait for processes, which is no
// work, so that the number of processors does not bound it.
const atOnce = 24

func TestMain(m *testing.M) {
	if runApp() {
		return
	}
	if err := flag.Set("test.parallel", strconv.Itoa(atOnce)); err != nil {
		panic(err)
	}
	hermetic.ClearEnvironment()
	goleak.VerifyTestMain(m)
}
