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

// TestOpenRefuses: a directory in which others can put files, or that they can
// point elsewhere, is none for us.
func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct {
		name, want string
		prepare    func(t *testing.T, path string)
	}{
		{"a symbolic link", "symbolic link", func(t *testing.T, path string) {
			t.Helper()
			must(t, os.Mkdir(path+".real", 0o700))
			must(t, os.Symlink(path+".real", path))
		}},
		{"world-writable", "others may write", func(t *testing.T, path string) {
			t.Helper()
			must(t, os.Mkdir(path, 0o700))
			must(t, os.Chmod(path, 0o777))
		}},
		{"group-writable", "others may write", func(t *testing.T, path string) {
			t.Helper()
			must(t, os.Mkdir(path, 0o700))
			must(t, os.Chmod(path, 0o770))
		}},
		{"somebody else's", "belongs to user 65534", func(t *testing.T, path string) {
			t.Helper()
			if os.Geteuid() != 0 {
				t.Skip("only root can give a directory away")
			}
			must(t, os.Mkdir(path, 0o700))
			must(t, os.Chown(path, 65534, 65534))
		}},
		{"a file", "not a directory", func(t *testing.T, path string) {
			t.Helper()
			must(t, os.WriteFile(path, nil, 0o600))
		}},
		{"below a file", "not a directory", func(t *testing.T, path string) {
			t.Helper()
			must(t, os.WriteFile(filepath.Dir(path)+"/file", nil, 0o600))
			must(t, os.Symlink(filepath.Dir(path)+"/file/below", path))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := dirOf(t)
			test.prepare(t, path)
			d, err := Open(path, nil)
			if err == nil {
				_ = d.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), test.want) && !errors.Is(err, os.ErrExist) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestPrivate: nobody else can read what is spooled, whatever the umask.
func TestPrivate(t *testing.T) {
	path := dirOf(t)
	defer syscall.Umask(syscall.Umask(0))
	d, _ := open(t, path)
	f := create(t, d, time.Now(), "a")
	defer f.mustClose(t)
	must(t, f.Took(0))
	for name, want := range map[string]os.FileMode{
		".": 0o700, f.Name(): 0o600, stem(f.Name()) + takenSuffix: 0o600,
	} {
		info, err := os.Stat(filepath.Join(path, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v, want %v", name, info.Mode().Perm(), err, want)
		}
	}
}

// TestLive: a file is left when its writer is gone, and to one recoverer at once.
func TestLive(t *testing.T) {
	path := dirOf(t)
	d, _ := open(t, path)
	f := create(t, d, time.Now(), "a", "b")
	if got := left(t, d); got != nil {
		t.Fatalf("the file of a running process is left: %v", got)
	}
	f.mustClose(t)
	want := [][]string{{"a", "b"}}
	must(t, d.Left(time.Time{}, func(l *Left) bool {
		if diff := cmp.Diff(want[0], l.names(all)); diff != "" {
			t.Error(diff)
		}
		other, _ := open(t, path)
		if got := left(t, other); got != nil {
			t.Errorf("a second recoverer has it, too: %v", got)
		}
		return true
	}))
	if diff := cmp.Diff(want, left(t, d)); diff != "" {
		t.Errorf("after a recoverer gave it up (-want +got):\n%s", diff)
	}
	must(t, d.Left(time.Time{}, func(l *Left) bool { must(t, l.Remove()); return true }))
	if got := files(t, path); got != nil {
		t.Errorf("left after the removal: %v", got)
	}
}

// TestTaken: what the collector has is known after a kill, but for a last number
// that was torn.
func TestTaken(t *testing.T) {
	path := dirOf(t)
	d, _ := open(t, path)
	f := create(t, d, time.Now(), "a", "b", "c")
	size := int64(len(line(t, "a")))
	must(t, f.Took(size))
	if _, err := f.taken.f.WriteString("0"); err != nil { // of 0;
		t.Fatal(err)
	}
	f.mustClose(t)
	for _, want := range [][]string{{"b"}, {"b", "c"}} {
		must(t, d.Left(time.Time{}, func(l *Left) bool {
			if diff := cmp.Diff(want, l.names(func(l Line) bool { return l.Taken })); diff != "" {
				t.Errorf("taken (-want +got):\n%s", diff)
			}
			must(t, l.Took(&l.Lines[2]))
			return true
		}))
	}
}

// TestDamaged: what can be read is read.
func TestDamaged(t *testing.T) {
	path := dirOf(t)
	d, _ := open(t, path)
	f := create(t, d, time.Now(), "a")
	torn := line(t, "torn")
	for _, text := range []string{"\n", "garbage\n", `{"resourceSpans":[]}` + "\n", string(line(t, "b")), string(torn[:40])} {
		if _, err := f.f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	f.mustClose(t)
	must(t, d.Left(time.Time{}, func(l *Left) bool {
		if diff := cmp.Diff([]string{"a", "b"}, l.names(all)); diff != "" || l.Damaged != 4 {
			t.Errorf("%d damaged, want 4; %s", l.Damaged, diff)
		}
		return true
	}))
}

// TestForeign: what is not ours is neither read nor removed.
func TestForeign(t *testing.T) {
	path := dirOf(t)
	d, _ := open(t, path)
	create(t, d, time.Now(), "a").mustClose(t)
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, line(t, "secret"), 0o600))
	at := func(name string) string { return filepath.Join(path, name) }
	must(t, os.WriteFile(at("notes.jsonl"), line(t, "notes"), 0o600))
	must(t, os.WriteFile(at("gracetrace-x.json"), line(t, "x"), 0o600))
	must(t, os.Symlink(secret, at("gracetrace-link.jsonl")))
	must(t, os.WriteFile(at("gracetrace-\x1b[2J.jsonl"), line(t, "x"), 0o600))
	must(t, os.Mkdir(at("gracetrace-dir.jsonl"), 0o700))
	must(t, syscall.Mkfifo(at("gracetrace-fifo.jsonl"), 0o600))
	old := time.Now().Add(-48 * time.Hour)
	for _, name := range files(t, path) {
		if !strings.HasPrefix(name, "gracetrace-2") && !strings.Contains(name, "link") {
			must(t, os.Chtimes(at(name), old, old))
		}
	}
	before := files(t, path)
	if diff := cmp.Diff([][]string{{"a"}}, left(t, d)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	must(t, d.Left(time.Now().Add(-MaxAge), func(*Left) bool { return true }))
	if diff := cmp.Diff(before, files(t, path)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
}

// TestSomebodyElsesFile: a file that another user has put there is not read.
func TestSomebodyElsesFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := dirOf(t)
	d, _ := open(t, path)
	f := create(t, d, time.Now(), "a")
	f.mustClose(t)
	must(t, os.Chown(filepath.Join(path, f.Name()), 65534, 65534))
	err := d.Left(time.Time{}, func(l *Left) bool { t.Errorf("read: %v", l.names(all)); return true })
	if err == nil || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("error %v", err)
	}
}

// TestOld: files are dropped after a day, with their companions, and counted. One
// that is being written is not.
func TestOld(t *testing.T) {
	path := dirOf(t)
	d, dropped := open(t, path)
	old := time.Now().Add(-25 * time.Hour)
	var live []*File
	for i, name := range []string{"old", "live", "new"} {
		f := create(t, d, old.Add(time.Duration(i)), name)
		must(t, f.Took(0))
		if name != "new" {
			must(t, os.Chtimes(filepath.Join(path, f.Name()), old, old))
		}
		if name == "live" {
			live = append(live, f)
			continue
		}
		f.mustClose(t)
	}
	var got [][]string
	must(t, d.Left(time.Now().Add(-MaxAge), func(l *Left) bool {
		got = append(got, l.names(all))
		return true
	}))
	if diff := cmp.Diff([][]string{{"new"}}, got); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	size := int64(len(line(t, "old")) + len("0;\n"))
	if diff := cmp.Diff([]Dropped{{Files: 1, Bytes: size, Reason: "too old"}}, *dropped); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
	for _, f := range live {
		f.mustClose(t)
	}
	if n := len(files(t, path)); n != 4 {
		t.Errorf("%d files, want two and their companions", n)
	}
}

// TestRoom: the oldest makes room for the newest, unless somebody holds it.
func TestRoom(t *testing.T) {
	path := dirOf(t)
	d, dropped := open(t, path)
	start := time.Now()
	big := make([]byte, MaxDir/4)
	var kept []*File
	for i := range 4 {
		f := create(t, d, start.Add(time.Duration(i)))
		if i < 3 {
			if _, err := f.Append(big); err != nil {
				t.Fatal(err)
			}
		}
		if i == 1 {
			f.mustClose(t)
		} else {
			kept = append(kept, f)
		}
	}
	last := kept[len(kept)-1]
	if _, err := last.Append(big); err != nil || *dropped != nil {
		t.Fatalf("%v, dropped %v: 8 MiB fit", err, *dropped)
	}
	if _, err := last.Append(big); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Dropped{{Files: 1, Bytes: MaxDir / 4, Reason: "no room"}}, *dropped); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
	if _, err := last.Append([]byte("\n")); !errors.Is(err, ErrFull) {
		t.Errorf("%v, want ErrFull: all others are being written", err)
	}
	for _, f := range kept {
		f.mustClose(t)
	}
}

// TestCut: a writer that could not write its end says so, and its file is still
// live.
func TestCut(t *testing.T) {
	path := dirOf(t)
	d, _ := open(t, path)
	f := create(t, d, time.Now(), "a")
	must(t, f.Took(0))
	must(t, f.Cut())
	if got := left(t, d); got != nil {
		t.Errorf("left while it is written: %v", got)
	}
	f.mustClose(t)
	must(t, d.Left(time.Time{}, func(l *Left) bool {
		if !l.Cut || len(l.names(func(l Line) bool { return l.Taken })) != 1 {
			t.Errorf("cut %t, %v", l.Cut, l.Lines)
		}
		must(t, l.Remove())
		return true
	}))
	if got := files(t, path); got != nil {
		t.Errorf("files: %v", got)
	}
}

// TestStray: what a removal has left that was broken off.
func TestStray(t *testing.T) {
	path := dirOf(t)
	d, _ := open(t, path)
	f := create(t, d, time.Now(), "a")
	must(t, f.Took(0))
	f.mustClose(t)
	must(t, os.Remove(filepath.Join(path, f.Name())))
	if got := left(t, d); got != nil || files(t, path) != nil {
		t.Errorf("left %v, files %v", got, files(t, path))
	}
}
