// SPDX-License-Identifier: Apache-2.0

package main

import "context"

// terminate cancels the server's context: a process on Windows cannot send
// SIGTERM, not even to itself.
func terminate(cancel context.CancelFunc) error {
	cancel()
	return nil
}

const terminateWords = "cancels its server's context (Windows has no SIGTERM)"
