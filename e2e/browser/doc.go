// SPDX-License-Identifier: Apache-2.0

// Package browser opens HTML reports in a real Chromium, as a user does who was
// sent one, and checks what is there to be seen. `make e2e` runs it; plain
// `go test` skips it.
package browser
