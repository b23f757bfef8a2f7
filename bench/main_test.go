// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/internal/hermetic"
)

func TestMain(m *testing.M) {
	//nolint:forbidigo // BenchmarkTracer measures a Tracer with its defaults
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if crowd() {
		return
	}
	hermetic.ClearEnvironment()
	goleak.VerifyTestMain(m)
}
