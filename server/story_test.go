// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/internal/story"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestStories runs the golden stories; -rewrite writes what they print.
func TestStories(t *testing.T) { story.Run(t, "testdata") }
