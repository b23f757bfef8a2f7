// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"io"
	"os"
	"runtime"
	"strings"
)

// style is how something looks on a terminal: the parameter of an SGR sequence
// (ECMA-48, 8.3.117). Nothing is told by it alone.
type style string

const (
	stylePlain   style = ""
	styleHeading style = "1"
	styleTree    style = "2"
	styleCulprit style = "1;31"
	styleGood    style = "32"
	styleBad     style = "31"
	styleGoing   style = "33"
)

func outcomeStyle(o Outcome) style {
	switch o {
	case OutcomeGraceful:
		return styleGood
	case OutcomeForced, OutcomeKilled:
		return styleBad
	case OutcomeRunning:
		return styleGoing
	}
	return stylePlain
}

// colourful reports whether w is a terminal that wants colours (no-color.org).
func colourful(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	if runtime.GOOS == "windows" && os.Getenv("WT_SESSION") == "" && os.Getenv("TERM") == "" {
		return false // the old console shows the sequences
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// painter says whether to colour.
type painter bool

func (p painter) do(s style, text string) string {
	if !p || s == stylePlain || strings.TrimSpace(text) == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// trim removes spaces at the end of a line; where there are colours nobody
// reads them.
func (p painter) trim(line string) string {
	if p {
		return line
	}
	return strings.TrimRight(line, " ")
}
