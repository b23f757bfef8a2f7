// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/culprits"
)

const (
	terminalPause = 100 * time.Millisecond
	linePause     = 2 * time.Second
)

// searchProgress says how far a search is: on a terminal on one line that is written
// anew, elsewhere on a line of its own now and then, if it is asked for.
type searchProgress struct {
	out      io.Writer // nil: nobody looks
	terminal bool
	next     time.Time
	written  bool
}

func newSearchProgress(out io.Writer, always bool) *searchProgress {
	p := &searchProgress{out: out}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if !p.terminal && !always {
		p.out = nil
	}
	return p
}

func (p *searchProgress) show(s culprits.Progress) {
	now := time.Now()
	if p.out == nil || now.Before(p.next) {
		return
	}
	line := fmt.Sprintf("%3.0f %%: %s in %s", 100*s.Done, count(s.Shutdowns, "shutdown"),
		count(s.Answers, "answer"))
	if p.terminal {
		p.next = now.Add(terminalPause)
		fmt.Fprintf(p.out, "\r%s\x1b[K", line)
	} else {
		p.next = now.Add(linePause)
		fmt.Fprintln(p.out, line)
	}
	p.written = true
}

// end clears the line.
func (p *searchProgress) end() {
	if p.written && p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
