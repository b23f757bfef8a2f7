// SPDX-License-Identifier: Apache-2.0

package main

// Of Linux: diskFaults need tmpfs, dnsFaults a mount namespace.
var diskFaults, dnsFaults []fault

func resolveBy(string) error { return nil }
