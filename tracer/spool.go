// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gracetrace/gracetrace/exporter"
	"github.com/gracetrace/gracetrace/internal/spool"
)

const (
	// envSpool is stderr or off.
	envSpool = "GRACETRACE_SPOOL"
	// envSpoolDir is the directory of the spool.
	envSpoolDir = "GRACETRACE_SPOOL_DIR"
	// envStateDir is what systemd.exec(5) sets for a unit with StateDirectory=.
	envStateDir = "STATE_DIRECTORY"
	// spoolSubdir is ours in a directory that is the application's.
	spoolSubdir = "gracetrace"
)

// WithSpool keeps the spans of a stop in a directory until the collector has them.
// What it does not take, and what is left of a process that is killed in the
// middle of its stop, the next start that has the same directory sends in the
// background, with an end that says killed; so does `gracetrace recover`. The
// directory is made if there is none. It must belong to the process's user and
// nobody else may write in it: otherwise one warning is logged, and there is no
// spool. It takes at most 8 MiB, and files are dropped after 24 h. A disk that is
// full or hangs is said, and holds the exit for at most 250 ms. Linux, macOS and
// BSD only.
//
// An empty dir turns the spool off, and GRACETRACE_SPOOL=off does whatever dir is.
// By default, it is GRACETRACE_SPOOL_DIR, else the folder gracetrace of systemd's
// STATE_DIRECTORY, else there is none.
func WithSpool(dir string) Option {
	return optionFunc(func(c *config) (err error) {
		c.spool.dir, err = absolute("WithSpool", dir)
		return err
	})
}

// spoolConfig says where spans are kept.
type spoolConfig struct {
	dir string    // empty: nowhere
	log io.Writer // nil: nowhere
	off bool      // whatever an option says: the operator's word counts
}

// String is for people.
func (c spoolConfig) String() string {
	switch {
	case c.log == nil:
		return c.dir
	case c.dir == "":
		return "log"
	}
	return c.dir + " and log"
}

// absolute is the directory wherever the application goes after the start.
func absolute(name, dir string) (string, error) {
	if dir == "" {
		return "", nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("%s %q: %w", name, dir, err)
	}
	return abs, nil
}

// readSpool reads the environment.
func (c *config) readSpool() (err error) {
	mode := strings.TrimSpace(os.Getenv(envSpool))
	switch mode {
	case "":
	case "off":
		c.spool.off = true
	case "stderr":
		c.spool.log = os.Stderr
	default:
		return fmt.Errorf("%s=%q: want stderr or off", envSpool, mode)
	}
	// Of several directories of the unit the first is its main one.
	state, _, _ := strings.Cut(os.Getenv(envStateDir), ":")
	switch dir := os.Getenv(envSpoolDir); {
	case c.spool.off:
	case dir != "":
		c.spool.dir, err = absolute(envSpoolDir, dir)
	case filepath.IsAbs(state):
		c.spool.dir = filepath.Join(state, spoolSubdir)
	}
	return err
}

// recoverLeft does what a start does with what an earlier run left.
func (t *Tracer) recoverLeft(ctx context.Context, left *spool.Left) {
	guard(t.cfg.log, func() {
		done, err := t.Recover(ctx, left, false)
		logRecovered(t.cfg.log, left, done, err)
	})
}

// spanCount is what became of a shutdown's spans.
func spanCount(r exporter.Result, summarised int) SpanCount {
	return SpanCount{
		Sent: r.Sent, Spooled: r.Spooled, Lost: r.Lost, Pending: r.Pending, Summarised: summarised,
	}
}
