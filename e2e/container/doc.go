// SPDX-License-Identifier: Apache-2.0

// Package container runs docker-compose.yml in a container engine, as its users do.
// Nothing is pulled: its images are built from scratch, of what the Go module proxy
// and Debian's packages give, under the names that the file has.
package container
