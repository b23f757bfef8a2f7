// SPDX-License-Identifier: Apache-2.0

// Package spool keeps the spans of a stop in a directory until a collector has
// them, and reads what an earlier process left there or in a log.
//
// A file is one stop of one process: OTLP JSON lines, each written by one
// write(2), so that a kill tears the last one at most. Beside it a file of the
// same name that ends in .taken has the offsets of the lines that the collector
// took, one a line and each with a semicolon. Whoever writes or recovers a file holds a flock on it. The
// kernel gives that up with the process, which a pid does not tell: in a container
// it is always 1.
//
// What is written survives the process, not the machine: nothing is synced.
package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/legible"
)

const (
	// MaxDir is the most that the files of a directory take, in bytes.
	MaxDir = 8 << 20
	// MaxAge is how long after its last write a file is dropped that nobody has
	// recovered.
	MaxAge = 24 * time.Hour
	// FileLine bounds a line of several spans in a file, in bytes.
	FileLine = 64 << 10
	// LogLine bounds each line in a log: container runtimes split those of more
	// than 16 KiB.
	LogLine = 15 << 10
)

// Names of the files. Others in the directory are never touched.
const (
	prefix = "gracetrace-"
	suffix = ".jsonl"
	// cutSuffix is of a file whose writer could write no more and lived on: that
	// its end is missing does not say that it was killed.
	cutSuffix   = ".cut.jsonl"
	takenSuffix = ".taken"
)

var (
	// ErrFull is returned where there is no room left below MaxDir.
	ErrFull = fmt.Errorf("the spool has its %d MiB", MaxDir>>20)
	// ErrUnsupported is returned on systems without flock(2).
	ErrUnsupported = errors.New("no spool on this system: it has no flock")
)

// Dropped is what was removed without being recovered.
type Dropped struct {
	Files  int
	Bytes  int64
	Reason string
}

// Dir is a directory of spool files. Its methods may be called from any
// goroutine, of a File's and a Left's one at a time.
type Dir struct {
	path    string
	root    *os.Root
	dropped func(Dropped)
}

// Open makes the directory, if there is none, readable for us alone, and checks
// that nobody else can write in it. dropped is told of files that are removed
// because they are too old, or to make room; nil: nobody is.
func Open(path string, dropped func(Dropped)) (*Dir, error) {
	if !supported {
		return nil, ErrUnsupported
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	return OpenExisting(path, dropped)
}

// OpenExisting is Open of a directory that is there.
func OpenExisting(path string, dropped func(Dropped)) (*Dir, error) {
	if !supported {
		return nil, ErrUnsupported
	}
	link, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	d := &Dir{path: path, root: root, dropped: dropped}
	if d.dropped == nil {
		d.dropped = func(Dropped) {}
	}
	// What was opened is checked, not what now has the name.
	opened, err := root.Stat(".")
	switch {
	case err != nil:
	case link.Mode()&fs.ModeSymlink != 0 || !os.SameFile(link, opened):
		err = fmt.Errorf("%s: a symbolic link", path)
	case opened.Mode().Perm()&0o022 != 0:
		err = fmt.Errorf("%s: others may write in it (mode %#o)", path, opened.Mode().Perm())
	default:
		err = ours(path, opened)
	}
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	return d, nil
}

// Path is what Open was given.
func (d *Dir) Path() string { return d.path }

// Close closes the directory. Its files stay usable.
func (d *Dir) Close() error { return d.root.Close() }

// found is a file of ours in the directory.
type found struct {
	name string
	size int64
	last time.Time // written
}

func (f found) data() bool { return strings.HasSuffix(f.name, suffix) }

// stem is what a file's name and its companion's have in common.
func stem(name string) string {
	for _, end := range []string{cutSuffix, suffix, takenSuffix} {
		if s, ok := strings.CutSuffix(name, end); ok {
			return s
		}
	}
	return name
}

// list returns the files, the oldest first.
func (d *Dir) list() ([]found, error) {
	dir, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var files []found
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) || stem(name) == name || name != filepath.Base(name) ||
			name != legible.Printable(name) { // it stands in errors
			continue
		}
		info, err := d.root.Lstat(name)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		files = append(files, found{name, info.Size(), info.ModTime()})
	}
	slices.SortFunc(files, func(a, b found) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// makeRoom drops the oldest files that nobody holds until n bytes fit.
func (d *Dir) makeRoom(n int) error {
	files, err := d.list()
	if err != nil {
		return err
	}
	used := int64(n)
	for _, f := range files {
		used += f.size
	}
	gone := Dropped{Reason: "no room"}
	for _, f := range files {
		if used <= MaxDir {
			break
		}
		if f.data() {
			freed := d.drop(f, &gone)
			used -= freed
		}
	}
	if gone.Files > 0 {
		d.dropped(gone)
	}
	if used > MaxDir {
		return ErrFull
	}
	return nil
}

// drop removes a file unless somebody holds it, and returns what that freed.
func (d *Dir) drop(f found, gone *Dropped) int64 {
	held, err := d.claim(f.name)
	if held == nil || err != nil {
		return 0
	}
	defer held.Close()
	freed := f.size
	if info, err := d.root.Lstat(stem(f.name) + takenSuffix); err == nil {
		freed += info.Size()
	}
	if d.remove(f.name) != nil {
		return 0
	}
	gone.Files++
	gone.Bytes += freed
	return freed
}

// remove removes a file and then its companion: a kill in between leaves one that
// Left removes.
func (d *Dir) remove(name string) error {
	err := d.root.Remove(name)
	if e := d.root.Remove(stem(name) + takenSuffix); err == nil && !errors.Is(e, fs.ErrNotExist) {
		err = e
	}
	return err
}

// claim opens a file and locks it. It returns nil if somebody else holds it or it
// is gone.
func (d *Dir) claim(name string) (*os.File, error) {
	before, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	if err := ours(name, before); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_APPEND|openFlags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ok, err := lock(f)
	if ok {
		ok, err = d.holds(f, name)
	}
	if !ok || err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// holds reports whether a file that was locked is still the one of that name:
// whoever held it before may have removed it.
func (d *Dir) holds(f *os.File, name string) (bool, error) {
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	now, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(opened, now), err
}
