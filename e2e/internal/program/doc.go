// SPDX-License-Identifier: Apache-2.0

// Package program builds the gracetrace command and runs it as users do: in
// processes of its own that get real signals and send to whom the test says.
package program
