// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/internal/hermetic"
)

// TestMain runs without the variables of whoever runs the tests.
func TestMain(m *testing.M) {
	hermetic.ClearEnvironment()
	goleak.VerifyTestMain(m)
}
