// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gracetrace/gracetrace/tracer"
)

// outFile is a file of the folder of --out. It is made before the demo runs, so
// that a folder that cannot be written to is not found out after it.
type outFile struct {
	name   string
	temp   *os.File // nil once it is in its place
	format func(*tracer.Report, io.Writer) error
}

// outFiles are report.json and report.html; none if no folder is named.
type outFiles []*outFile

func newOutFiles(dir string) (files outFiles, err error) {
	if dir == "" {
		return nil, nil
	}
	defer func() {
		if err != nil {
			files.discard()
			err = fmt.Errorf("--out %q: %w", dir, err)
		}
	}()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, f := range []*outFile{
		{name: "report.json", format: (*tracer.Report).WriteJSON},
		{name: "report.html", format: (*tracer.Report).WriteHTML},
	} {
		if f.temp, err = os.CreateTemp(dir, ".*-"+f.name); err != nil {
			return files, err
		}
		f.name = filepath.Join(dir, f.name)
		files = append(files, f)
	}
	return files, nil
}

func (files outFiles) names() (names []string) {
	for _, f := range files {
		names = append(names, f.name)
	}
	return names
}

// write puts the report in its places, each as a whole or not at all.
func (files outFiles) write(r *tracer.Report) error {
	var errs []error
	for _, f := range files {
		if err := f.write(r); err != nil {
			errs = append(errs, fmt.Errorf("write %s: %w", f.name, err))
		}
	}
	return errors.Join(errs...)
}

func (f *outFile) write(r *tracer.Report) error {
	err := f.format(r, f.temp)
	if err == nil {
		err = f.temp.Chmod(0o644) // CreateTemp's are private
	}
	if closeErr := f.temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.temp.Name(), f.name)
	}
	if err == nil {
		f.temp = nil
	}
	return err
}

// discard removes what was not put in its place.
func (files outFiles) discard() {
	for _, f := range files {
		if f.temp != nil {
			_ = f.temp.Close() // write may have closed it
			_ = os.Remove(f.temp.Name())
		}
	}
}
