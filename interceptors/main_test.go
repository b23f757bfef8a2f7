// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // a nil Tracer is warned of
	goleak.VerifyTestMain(m)
}
