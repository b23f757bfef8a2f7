// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a directory of the test's own and collects what it drops.
func open(t *testing.T, path string) (*Dir, *[]Dropped) {
	t.Helper()
	var dropped []Dropped
	d, err := Open(path, func(gone Dropped) { dropped = append(dropped, gone) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, &dropped
}

// line is one of a span of that name.
func line(t *testing.T, name string) []byte {
	t.Helper()
	b, err := otlpjson.Line(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &commonpb.InstrumentationScope{}, Spans: []*tracepb.Span{{
			TraceId: bytes.Repeat([]byte{1}, 16), SpanId: bytes.Repeat([]byte{2}, 8), Name: name,
		}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// create makes a file of lines, which is live until it is closed.
func create(t *testing.T, d *Dir, at time.Time, names ...string) *File {
	t.Helper()
	f, err := d.Create(at)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := f.Append(line(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func (f *File) mustClose(t *testing.T) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// names of the spans of the lines for which want holds.
func (l *Left) names(want func(Line) bool) (names []string) {
	for _, line := range l.Lines {
		otlpjson.Each(line.Traces, func(_ *tracepb.ResourceSpans, _ *tracepb.ScopeSpans, s *tracepb.Span) {
			if want(line) {
				names = append(names, s.GetName())
			}
		})
	}
	return names
}

func all(Line) bool { return true }

// left returns the names in each file that is left.
func left(t *testing.T, d *Dir) (found [][]string) {
	t.Helper()
	if err := d.Left(time.Time{}, func(l *Left) bool {
		found = append(found, l.names(all))
		return true
	}); err != nil {
		t.Error(err)
	}
	return found
}

func files(t *testing.T, path string) []string {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

func dirOf(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "spool")
}
