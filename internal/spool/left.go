// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
)

// Line is one line that could be read.
type Line struct {
	At     int64 // where it begins; meaningless in a log
	Traces *tracepb.TracesData
	Taken  bool // by the collector
}

// Left is what an earlier process has left: a file, which is locked until Close,
// or what is in a log.
type Left struct {
	// Name is the file's; empty: it is a log.
	Name  string
	Lines []Line
	// Damaged is how many lines could not be read, a torn last one among them.
	Damaged int
	// Cut says that the end is missing although the process may not have been
	// killed.
	Cut bool

	dir   *Dir
	f     *os.File
	taken *takenFile
}

// Left drops what was last written before old (zero: nothing), and hands each file
// that is left and that nobody holds to f, the oldest first, until f returns false.
// A file that cannot be read is in the error; the others are handed out all the
// same.
func (d *Dir) Left(old time.Time, f func(*Left) bool) error {
	files, err := d.list()
	if err != nil {
		return err
	}
	var errs error
	gone := Dropped{Reason: "too old"}
	for i, file := range files {
		if file.last.Before(old) && file.data() {
			d.drop(file, &gone)
			files[i].name = ""
		}
	}
	if gone.Files > 0 {
		d.dropped(gone)
	}
	for _, file := range files {
		switch {
		case file.name == "":
		case file.data():
			left, err := d.read(file.name)
			errs = errors.Join(errs, err)
			if left == nil {
				continue
			}
			more := f(left)
			_ = left.Close() // nothing is lost with it
			if !more {
				return errs
			}
		default:
			d.removeStray(file.name)
		}
	}
	return errs
}

// removeStray removes what was left of a file whose removal was broken off.
func (d *Dir) removeStray(name string) {
	for _, end := range []string{suffix, cutSuffix} {
		if _, err := d.root.Lstat(stem(name) + end); !errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
	_ = d.root.Remove(name)
}

// read claims a file and reads it. It returns nil if somebody holds it.
func (d *Dir) read(name string) (*Left, error) {
	f, err := d.claim(name)
	if f == nil || err != nil {
		return nil, err
	}
	text, err := readAll(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	l := &Left{
		Name: name, Cut: len(name) > len(stem(name)+suffix), dir: d, f: f,
		taken: &takenFile{dir: d, name: stem(name) + takenSuffix},
	}
	taken := d.offsets(l.taken.name)
	at := int64(0)
	for line := range bytes.Lines(text) {
		td, err := otlpjson.Parse(line)
		if err != nil {
			l.Damaged++
		} else {
			l.Lines = append(l.Lines, Line{At: at, Traces: td, Taken: taken[at]})
		}
		at += int64(len(line))
	}
	return l, nil
}

// offsets are those of the lines that the collector took. One that was torn by a
// kill has no semicolon.
func (d *Dir) offsets(name string) map[int64]bool {
	taken := make(map[int64]bool)
	info, err := d.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || ours(name, info) != nil {
		return taken
	}
	f, err := d.root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return taken
	}
	defer f.Close()
	text, _ := readAll(f)
	for line := range bytes.Lines(text) {
		number, whole := bytes.CutSuffix(line, []byte(";\n"))
		if at, err := strconv.ParseInt(string(number), 10, 64); err == nil && whole {
			taken[at] = true
		}
	}
	return taken
}

func readAll(f *os.File) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(f, 2*MaxDir))
	if err == nil && len(text) == 2*MaxDir {
		err = fmt.Errorf("more than %d MiB", 2*MaxDir>>20)
	}
	return text, err
}

// Took notes that the collector has a line, for the next recovery if this one is
// broken off.
func (l *Left) Took(line *Line) error {
	line.Taken = true
	if l.f == nil {
		return nil
	}
	return l.taken.add(line.At)
}

// Remove removes a file that is recovered. Of a log there is nothing to remove.
func (l *Left) Remove() error {
	if l.f == nil {
		return nil
	}
	return l.dir.remove(l.Name)
}

// Close gives a file up.
func (l *Left) Close() error {
	if l.f == nil {
		return nil
	}
	return errors.Join(l.taken.close(), l.f.Close())
}
