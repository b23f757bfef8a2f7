// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package main

import (
	"context"
	"os"
	"syscall"
)

// terminate is what an orchestrator does to this process.
func terminate(context.CancelFunc) error { return syscall.Kill(os.Getpid(), syscall.SIGTERM) }

const terminateWords = "sends itself SIGTERM"
