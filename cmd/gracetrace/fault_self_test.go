// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"os"
	"strconv"
	"syscall"
)

// envFileLimit is how many bytes a file may have that the process writes.
const envFileLimit = "GRACETRACE_TEST_FILE_LIMIT"

// envResolver is what the process is to have for /etc/resolv.conf.
const envResolver = "GRACETRACE_TEST_RESOLVER"

// limitSelf does what a row of TestU46Faults wants of the process.
func limitSelf() error {
	if path := os.Getenv(envResolver); path != "" {
		return resolveBy(path)
	}
	v := os.Getenv(envFileLimit)
	if v == "" {
		return nil
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return err
	}
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n})
}
