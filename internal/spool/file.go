// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// File is a file that this process writes. It is locked until it is closed.
type File struct {
	dir   *Dir
	name  string
	f     *os.File
	size  int64
	taken *takenFile
}

// createAttempts is enough for the names that a recoverer took from us between
// the creation of a file and its lock.
const createAttempts = 10

// Create makes a file for one stop, which began at now.
func (d *Dir) Create(now time.Time) (*File, error) {
	for range createAttempts {
		var unique [4]byte
		_, _ = rand.Read(unique[:]) // never fails since Go 1.24
		stamp := now.UTC().Format("20060102T150405.000000000Z")
		name := fmt.Sprintf("%s%s-%x%s", prefix, stamp, unique, suffix)
		f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND|openFlags, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ok, err := lock(f)
		if ok {
			ok, err = d.holds(f, name)
		}
		if ok {
			taken := &takenFile{dir: d, name: stem(name) + takenSuffix}
			return &File{dir: d, name: name, f: f, taken: taken}, nil
		}
		_ = f.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, errors.New("no file could be made that nobody else takes")
}

// Name is the file's, without the directory.
func (f *File) Name() string { return f.name }

// Append writes a line, which ends in a newline, and returns where it begins. A
// line that could not be written as a whole is taken back.
func (f *File) Append(line []byte) (at int64, err error) {
	if err := f.dir.makeRoom(len(line)); err != nil {
		return 0, err
	}
	at = f.size
	n, err := f.f.Write(line)
	if err != nil {
		if n > 0 {
			_ = f.f.Truncate(at) // a reader copes with what is left, too
		}
		return 0, err
	}
	f.size += int64(n)
	return at, nil
}

// Took notes that the collector has the line that begins at an offset.
func (f *File) Took(at int64) error { return f.taken.add(at) }

// Cut notes that what comes after the last line could not be written.
func (f *File) Cut() error {
	name := stem(f.name) + cutSuffix
	if err := f.dir.root.Rename(f.name, name); err != nil {
		return err
	}
	f.name = name
	return nil
}

// Gone reports whether somebody has removed the file, or the directory.
func (f *File) Gone() bool {
	ok, err := f.dir.holds(f.f, f.name)
	return err == nil && !ok
}

// Remove removes the file. It is still to be closed.
func (f *File) Remove() error { return f.dir.remove(f.name) }

// Close gives the file up: if it was not removed, the next start recovers it.
func (f *File) Close() error { return errors.Join(f.taken.close(), f.f.Close()) }

// takenFile has the offsets of lines that the collector took. It is made when
// there is one. The semicolon tells a number from the beginning of one.
type takenFile struct {
	dir  *Dir
	name string
	f    *os.File
}

func (t *takenFile) add(at int64) error {
	if t.f == nil {
		f, err := t.dir.root.OpenFile(t.name, os.O_WRONLY|os.O_CREATE|os.O_APPEND|openFlags, 0o600)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil {
			err = ours(t.name, info)
		}
		if err != nil {
			_ = f.Close()
			return err
		}
		t.f = f
		if info.Size() > 0 {
			_, _ = f.WriteString("\n") // the last number may be torn
		}
	}
	_, err := fmt.Fprintf(t.f, "%d;\n", at)
	return err
}

func (t *takenFile) close() error {
	if t.f == nil {
		return nil
	}
	return t.f.Close()
}
