// SPDX-License-Identifier: Apache-2.0

// Command gracetrace shows why a gRPC server is slow to stop. Its demo needs
// nothing but Go:
//
//	go run github.com/gracetrace/gracetrace/cmd/gracetrace@latest demo
//
// A wrong command line ends with exit code 2, a failure with 1, and culprits
// --fail-over with 3 if a shutdown broke the limit.
package main

import (
	"context"
	"os"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }
