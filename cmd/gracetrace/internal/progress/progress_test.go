// SPDX-License-Identifier: Apache-2.0

package progress_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/progress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	log := slog.New(progress.New(os.Stdout))
	log.Info("serving", "pid", 1)
	log.Info("shutdown progress", "duration_ms", 11000.2,
		"verdict", "conn wait for 10.9s so far: rpc greeter.v1.Greeter/Chat from 10.0.0.1:40001, open 3m05s, no deadline")
	log.With("trace_id", "4f").Warn("something new", "err", "it broke", "n", 2)
	log.Debug("nobody asked")
	// Output:
	//  11.0s  conn wait for 10.9s so far: rpc greeter.v1.Greeter/Chat from
	//         10.0.0.1:40001, open 3m05s, no deadline
	// warn: something new trace_id=4f err="it broke" n=2
}

func ExampleAt() {
	os.Stdout.WriteString(progress.At(time.Second, "a"))
	os.Stdout.WriteString(progress.At(100*time.Second, "b"))
	// Output:
	//   1.0s  a
	// 100.0s  b
}
