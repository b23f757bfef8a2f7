// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// ugly is what a file from outside may have in each of its texts, in JSON: a
// terminal's language, a line of its own, and letters that run backwards.
const ugly = `\u001b]0;owned\u0007\u009b2J\r\nfake: line\u202e`

// uglyFiles are reports of each form that can be read, with that in them.
func uglyFiles(t *testing.T) (files []string, log string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, name := range []string{"report.json", "jaeger-v3.json", "jaeger-ui.json", "jaeger-killed.json"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "tracer", "testdata", "read", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"greeter", "blocked", "127.0.0.1", "(devel)", "conn wait took"} {
			b = bytes.ReplaceAll(b, []byte(text), []byte(text+ugly))
		}
		if name != "jaeger-v3.json" {
			files = append(files, write(name, b))
			continue
		}
		var answer struct {
			Result json.RawMessage `json:"result"`
		}
		if err := json.Unmarshal(b, &answer); err != nil {
			t.Fatal(err)
		}
		log = write("log", append([]byte("2026-01-02T03:04:05Z stderr F \x1b[2J"), append(answer.Result, '\n')...))
		files = append(files, write(name, b), log)
	}
	return append(files,
		write("raw.json", []byte("{\"version\":1,\"\x1b]0;owned\a\": \x1b[2J}")),
		write("torn.json", []byte(`{"version":1,"verdict":"`+ugly)),
		write("wrong.json", []byte(`{"version":"`+ugly+`","phases":7}`)),
		write("noise", []byte("\x1b[2J\xff\xfe not JSON\n"))), log
}

// TestUglyFiles: nothing that a file holds moves the terminal's cursor or makes a
// line of its own, whatever the command does with it.
func TestUglyFiles(t *testing.T) {
	files, log := uglyFiles(t)
	var runs [][]string
	for _, f := range files {
		runs = append(runs, []string{"report", f}, []string{"compare", f, files[0]})
	}
	shown := 0
	for _, args := range runs {
		r := finish(t, gracetrace(t, nil, args...))
		wantPlain(t, args, r)
		if strings.Contains(r.stdout+r.stderr, "owned") {
			shown++
		}
	}
	if shown < 8 {
		t.Errorf("%d of %d runs show the text: this tests less than it says", shown, len(runs))
	}
	in, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd := gracetrace(t, nil, "recover", "--dry-run", "-")
	cmd.Stdin = in
	r := finish(t, cmd)
	wantPlain(t, cmd.Args[1:], r)
	if !strings.Contains(r.stdout, "owned") {
		t.Errorf("recover shows nothing of it:\n%s%s", r.stdout, r.stderr)
	}
}

func wantPlain(t *testing.T, args []string, r result) {
	t.Helper()
	for line := range strings.Lines(r.stdout + r.stderr) {
		line = strings.TrimSuffix(line, "\n")
		bad := func(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) }
		if strings.ContainsFunc(line, bad) || !utf8.ValidString(line) ||
			strings.HasPrefix(line, "fake: line") {
			t.Errorf("%q shows %q", args, line)
		}
	}
}
