// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
)

const (
	maxLogLine = 1 << 20   // longer ones are not ours
	maxLogKept = 128 << 20 // of lines that are
)

var begin = []byte(otlpjson.Begin)

// LogLines calls f with each object in a log that begins as our lines do,
// whatever is in front of it and behind it: a container runtime's time and
// stream, a colour. Lines without one are skipped; damaged counts those whose
// object has no end.
func LogLines(r io.Reader, f func(object []byte)) (damaged int, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	kept := 0
	for {
		line, err := readLine(in)
		if at := bytes.Index(line, begin); at >= 0 {
			object := firstObject(line[at:])
			if kept += len(object); kept > maxLogKept {
				return damaged, fmt.Errorf("more than %d MiB of spans", maxLogKept>>20)
			}
			if object == nil {
				damaged++
			} else {
				f(object)
			}
		}
		if errors.Is(err, io.EOF) {
			return damaged, nil
		}
		if err != nil {
			return damaged, err
		}
	}
}

// firstObject returns nil if it has no end.
func firstObject(text []byte) []byte {
	var object json.RawMessage
	if json.NewDecoder(bytes.NewReader(text)).Decode(&object) != nil {
		return nil
	}
	return object
}

// readLine returns the next line, or what it begins with.
func readLine(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) <= maxLogLine {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// ReadLog reads what a process has written to its log.
func ReadLog(r io.Reader) (*Left, error) {
	l := new(Left)
	bad := 0
	damaged, err := LogLines(r, func(object []byte) {
		td, err := otlpjson.Parse(object)
		if err != nil {
			bad++
			return
		}
		l.Lines = append(l.Lines, Line{Traces: td})
	})
	l.Damaged = damaged + bad
	return l, err
}
