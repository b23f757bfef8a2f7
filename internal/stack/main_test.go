// SPDX-License-Identifier: Apache-2.0

package stack_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/internal/hermetic"
)

func TestMain(m *testing.M) {
	hermetic.ClearEnvironment()
	goleak.VerifyTestMain(m)
}
