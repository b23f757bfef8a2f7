// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"iter"
	"strconv"
	"strings"
)

// Goroutine is one goroutine of a dump. Its texts are parts of the dump's.
type Goroutine struct {
	ID     uint64
	State  string  // chan receive, select, IO wait
	Frames []Frame // innermost first
	// Created is the function that started it.
	Created string
}

// Frame is a function call.
type Frame struct {
	Function string // main.(*server).Watch
	// Arg is the first word of its arguments as the dump shows it, such as
	// 0xc000012345; empty where it is not certain.
	Arg  string
	File string
	Line int
	// Elided says that this is not a frame but the place of some that the dump
	// leaves out.
	Elided bool
}

// maxFrames bounds the frames of a goroutine; runtime.Stack shows 100.
const maxFrames = 256

// All returns the goroutines of a dump. A goroutine's Frames are valid until the
// next one.
func All(dump string) iter.Seq[Goroutine] {
	return func(yield func(Goroutine) bool) {
		var g Goroutine
		found := false
		for line := range strings.Lines(dump) {
			line = strings.TrimRight(line, "\r\n")
			if id, state, ok := header(line); ok {
				if found && !yield(g) {
					return
				}
				g, found = Goroutine{ID: id, State: state, Frames: g.Frames[:0]}, true
			} else if found {
				g.add(line)
			}
		}
		if found {
			yield(g)
		}
	}
}

// header reads "goroutine 12 [select, 3 minutes]:". Between the number and the
// bracket, inside of it and after it there may be more, which differs by
// versions and settings: "gp=0xc000002380 m=0", "(durable)", "locked to thread",
// "synctest bubble 1", labels.
func header(line string) (id uint64, state string, ok bool) {
	rest, ok := strings.CutPrefix(line, "goroutine ")
	if !ok {
		return 0, "", false
	}
	number, rest, _ := strings.Cut(rest, " ")
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return 0, "", false
	}
	_, rest, ok = strings.Cut(rest, "[")
	if !ok {
		return 0, "", false
	}
	end := strings.IndexAny(rest, ",]")
	if end < 0 {
		return 0, "", false
	}
	state = strings.TrimSuffix(rest[:end], " (durable)")
	return id, strings.TrimSuffix(state, " (scan)"), true
}

// add reads a line below a header.
func (g *Goroutine) add(line string) {
	if place, ok := strings.CutPrefix(line, "\t"); ok {
		if n := len(g.Frames); n > 0 && g.Created == "" && g.Frames[n-1].File == "" {
			g.Frames[n-1].File, g.Frames[n-1].Line = source(place)
		}
		return
	}
	if by, ok := strings.CutPrefix(line, "created by "); ok {
		g.Created, _, _ = strings.Cut(by, " in goroutine ")
		return
	}
	if len(g.Frames) >= maxFrames || g.Created != "" {
		return
	}
	if strings.HasPrefix(line, "...") {
		g.Frames = append(g.Frames, Frame{Elided: true})
	} else if f, ok := call(line); ok {
		g.Frames = append(g.Frames, f)
	}
}

// call reads "main.(*server).Watch(0xc000012345, {0x1, 0x2}, ...)".
func call(line string) (f Frame, ok bool) {
	if !strings.HasSuffix(line, ")") {
		return f, false
	}
	// Arguments have braces, never parentheses.
	open := strings.LastIndexByte(line, '(')
	if open <= 0 {
		return f, false
	}
	f.Function = line[:open]
	arg := line[open+1 : len(line)-1]
	if end := strings.IndexByte(arg, ','); end >= 0 {
		arg = arg[:end]
	}
	if isWord(arg) {
		f.Arg = arg
	}
	return f, true
}

// isWord reports whether an argument is a number that is certain to be its
// value: a value that may be out of date has a question mark, one that is not
// at hand is "_" or "...".
func isWord(arg string) bool {
	hex, ok := strings.CutPrefix(arg, "0x")
	return ok && hex != "" && strings.Trim(hex, "0123456789abcdef") == ""
}

// source reads "/src/greeter/greeter.go:88 +0x1d".
func source(place string) (file string, line int) {
	if i := strings.LastIndex(place, " +0x"); i >= 0 {
		place = place[:i]
	}
	i := strings.LastIndexByte(place, ':')
	if i < 0 {
		return place, 0
	}
	line, err := strconv.Atoi(place[i+1:])
	if err != nil || line < 0 {
		return place, 0
	}
	return place[:i], line
}
