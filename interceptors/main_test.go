// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/internal/hermetic"
)

func TestMain(m *testing.M) {
	//nolint:forbidigo // a nil Tracer has no other logger to warn by
	slog.SetDefault(slog.New(slog.DiscardHandler))
	hermetic.ClearEnvironment()
	goleak.VerifyTestMain(m)
}
