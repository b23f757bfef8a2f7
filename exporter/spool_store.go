// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"errors"
	"io"
	"time"

	"github.com/gracetrace/gracetrace/internal/spool"
)

// spools starts what [Config] asks for.
func (e *Exporter) spools() (all []*spooler) {
	start := func(st store, limit int, name string) *spooler {
		p := newSpooler(st, limit, func(err error) { e.spoolOff(name, err) })
		all = append(all, p)
		return p
	}
	if dir := e.cfg.SpoolDir; dir != "" {
		start(&fileStore{path: dir, dropped: e.spoolDropped}, spool.FileLine, dir)
	}
	if w := e.cfg.SpoolLog; w != nil {
		p := start(&logStore{w}, spool.LogLine, "log")
		p.cut, p.hold = true, logHold
	}
	for _, p := range all {
		go p.run()
	}
	return all
}

// spoolOff says once what is wrong with a spool.
func (e *Exporter) spoolOff(name string, err error) {
	if _, said := e.said.LoadOrStore(name, true); !said {
		e.log.Warn("spool off", "spool", name, "err", err)
	}
}

func (e *Exporter) spoolDropped(d spool.Dropped) {
	e.log.Warn("spool dropped", "spool", e.cfg.SpoolDir, "files", d.Files, "bytes", d.Bytes,
		"reason", d.Reason)
}

// fileStore is a file of a directory, which is looked at anew each time: it may
// have been removed since the start.
type fileStore struct {
	path    string
	dropped func(spool.Dropped)
	dir     *spool.Dir
	f       *spool.File
	cut     bool
}

func (s *fileStore) open() (err error) {
	if s.dir, err = spool.Open(s.path, s.dropped); err != nil {
		return err
	}
	s.f, err = s.dir.Create(time.Now())
	return err
}

func (s *fileStore) write(line []byte) (int64, error) { return s.f.Append(line) }
func (s *fileStore) took(at int64) error              { return s.f.Took(at) }

func (s *fileStore) broken() error {
	if s.f == nil || s.cut {
		return nil
	}
	if s.cut = s.f.Cut() == nil; !s.cut && s.f.Gone() {
		return errGone
	}
	return nil
}

func (s *fileStore) close(all bool) (err error) {
	if s.f != nil {
		switch {
		case all:
			err = s.f.Remove()
		case s.f.Gone():
			err = errGone
		}
		err = errors.Join(err, s.f.Close())
	}
	if s.dir != nil {
		err = errors.Join(err, s.dir.Close())
	}
	return err
}

// logStore writes to the log. What is there stays.
type logStore struct{ w io.Writer }

func (*logStore) open() error      { return nil }
func (*logStore) took(int64) error { return nil }
func (*logStore) broken() error    { return nil }
func (*logStore) close(bool) error { return nil }

func (s *logStore) write(line []byte) (int64, error) {
	_, err := s.w.Write(line)
	return 0, err
}
