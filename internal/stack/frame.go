// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"strconv"
	"strings"
)

// Package returns the import path of a frame's function.
func (f *Frame) Package() string {
	name := f.Function
	if end := strings.IndexAny(name, "[("); end >= 0 { // type arguments, a receiver
		name = name[:end]
	}
	slash := strings.LastIndexByte(name, '/') + 1
	if dot := strings.IndexByte(name[slash:], '.'); dot >= 0 {
		name = name[:slash+dot]
	}
	return name
}

// local returns a function's name without its package and pointer receiver:
// Watch, server.Watch, Watch.func1.
func (f *Frame) local() string {
	name := strings.TrimPrefix(f.Function[len(f.Package()):], ".")
	if end := strings.LastIndexByte(name, ')'); end >= 0 {
		name = strings.TrimPrefix(name[end+1:], ".")
	}
	return strings.TrimSuffix(name, "-fm") // a method value
}

// Method returns a method's or function's own name.
func (f *Frame) Method() string {
	name := f.local()
	return name[strings.LastIndexByte(name, '.')+1:]
}

// Name returns the fully qualified name as code.function.name wants it: the
// runtime escapes the dots of a path's last element.
func (f *Frame) Name() string {
	return short(strings.ReplaceAll(f.Function, "%2e", "."), maxName)
}

// maxName bounds a function's name in bytes.
const maxName = 256

// Base returns the name of the frame's file.
func (f *Frame) Base() string {
	return short(f.File[strings.LastIndexAny(f.File, `/\`)+1:], maxName)
}

// Source returns the frame's file and line: greeter.go:88.
func (f *Frame) Source() string {
	if f.File == "" {
		return ""
	}
	return f.Base() + ":" + strconv.Itoa(f.Line)
}

// short cuts a text in the middle. What it returns is no part of s, which may be
// a part of a dump.
func short(s string, limit int) string {
	const cut = "..."
	if len(s) <= limit {
		return strings.Clone(s)
	}
	half := (limit - len(cut)) / 2
	return strings.ToValidUTF8(s[:half]+cut+s[len(s)-half:], "")
}
