// SPDX-License-Identifier: Apache-2.0

//go:build darwin

package main

// diskFaults need tmpfs.
var diskFaults []fault
