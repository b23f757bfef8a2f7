// SPDX-License-Identifier: Apache-2.0

// Package procnet asks the kernel what it knows of this process's network and
// no sensor of ours can see. It works on Linux, from files below /proc/self;
// elsewhere, and wherever these cannot be read in time, nothing is known, and
// every function says so.
package procnet
