// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package spool

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestUmask: neither a generous umask nor a strict one changes who may read, of
// the directories above, too.
func TestUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077} {
		func() {
			above := filepath.Join(t.TempDir(), "above")
			path := filepath.Join(above, "spool")
			defer syscall.Umask(syscall.Umask(umask))
			d, _ := open(t, path)
			f := create(t, d, time.Now(), "a")
			defer f.mustClose(t)
			must(t, f.Took(0))
			for name, want := range map[string]os.FileMode{
				above: 0o700, path: 0o700, filepath.Join(path, f.Name()): 0o600,
				filepath.Join(path, stem(f.Name())+takenSuffix): 0o600,
			} {
				if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
					t.Errorf("umask %#o, %s: mode %v, %v, want %v", umask, filepath.Base(name),
						info.Mode().Perm(), err, want)
				}
			}
		}()
	}
}

// TestInTmp: below a directory that all may write in, ours is ours, and one that
// somebody else has made before is not taken.
func TestInTmp(t *testing.T) {
	tmp := filepath.Join(t.TempDir(), "tmp")
	must(t, os.Mkdir(tmp, 0o700))
	must(t, os.Chmod(tmp, 0o777|os.ModeSticky))
	d, _ := open(t, filepath.Join(tmp, "ours"))
	create(t, d, time.Now(), "a").mustClose(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	for _, mode := range []os.FileMode{0o700, 0o755, 0o777} {
		theirs := filepath.Join(tmp, "theirs-"+mode.String())
		must(t, os.Mkdir(theirs, 0o700))
		must(t, os.Chmod(theirs, mode))
		must(t, os.Chown(theirs, 65534, 65534))
		for _, path := range []string{theirs, filepath.Join(theirs, ".")} {
			if d, err := Open(path, nil); err == nil {
				_ = d.Close()
				t.Errorf("%s was opened", path)
			}
		}
	}
}

// TestSwapped: a directory that is swapped for a link while it is in use is left
// alone: what was opened is written, and the next Open refuses the link.
func TestSwapped(t *testing.T) {
	path, elsewhere := dirOf(t), t.TempDir()
	d, _ := open(t, path)
	must(t, os.Rename(path, path+".moved"))
	must(t, os.Symlink(elsewhere, path))
	f := create(t, d, time.Now(), "a")
	must(t, f.Took(0))
	f.mustClose(t)
	if got := files(t, elsewhere); got != nil {
		t.Errorf("written where the link leads to: %v", got)
	}
	if got := files(t, path+".moved"); len(got) != 2 {
		t.Errorf("in the directory that was opened: %v, want a file and its companion", got)
	}
	if d, err := Open(path, nil); err == nil {
		_ = d.Close()
		t.Error("the link was opened")
	} else if !strings.Contains(err.Error(), "symbolic link") {
		t.Error(err)
	}
}

// TestLinkInAFilesPlace: neither a symbolic nor a hard link in the place of a file
// is read or written through.
func TestLinkInAFilesPlace(t *testing.T) {
	for name, link := range map[string]func(target, name string) error{
		"symbolic": os.Symlink, "hard": os.Link,
	} {
		t.Run(name, func(t *testing.T) {
			path, precious := dirOf(t), filepath.Join(t.TempDir(), "precious")
			d, _ := open(t, path)
			content := line(t, "precious")
			must(t, os.WriteFile(precious, content, 0o600))
			f := create(t, d, time.Now(), "a")
			must(t, link(precious, filepath.Join(path, stem(f.Name())+takenSuffix)))
			if err := f.Took(0); err == nil {
				t.Error("what was taken was written through the link")
			}
			f.mustClose(t)
			must(t, link(precious, filepath.Join(path, "gracetrace-0.jsonl")))
			var read [][]string
			err := d.Left(time.Time{}, func(l *Left) bool { read = append(read, l.names(all)); return true })
			if diff := cmp.Diff([][]string{{"a"}}, read); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
			if name == "hard" && (err == nil || !strings.Contains(err.Error(), "a hard link")) {
				t.Errorf("error %v, want one that names the link", err)
			}
			got, err := os.ReadFile(precious)
			if diff := cmp.Diff(string(content), string(got)); err != nil || diff != "" {
				t.Errorf("the file was changed: %v %s", errors.Unwrap(err), diff)
			}
		})
	}
}
