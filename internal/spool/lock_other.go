// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly

package spool

import (
	"io/fs"
	"os"
)

const (
	supported = false
	openFlags = 0
)

func lock(*os.File) (bool, error) { return false, ErrUnsupported }

func ours(string, fs.FileInfo) error { return nil }
