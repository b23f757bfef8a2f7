// SPDX-License-Identifier: Apache-2.0

package tracertest

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/gracetrace/gracetrace/tracer"
)

// expect fails the test, once for each report, with all that was not as wanted,
// the timeline and the verdict below it.
func (k *Kit) expect(r *tracer.Report, want []Expectation) {
	k.tb.Helper()
	var wrong []string
	for _, e := range want {
		if w := e.check(r); w != "" {
			wrong = append(wrong, w)
		}
	}
	if len(wrong) == 0 {
		return
	}
	var b strings.Builder
	_ = r.WriteText(&b) // a Builder takes everything
	k.tb.Errorf("shutdown: %s\n\n%s%s", strings.Join(wrong, "\n  and "), b.String(), k.keep(r))
}

// keep writes the report where go test -artifacts wants it, and says where.
func (k *Kit) keep(r *tracer.Report) string {
	dir, ok := k.tb.(interface{ ArtifactDir() string }) // since Go 1.26
	f := flag.Lookup("test.artifacts")
	if !ok || f == nil || f.Value.String() != "true" {
		return ""
	}
	paths := []string{""}
	for pattern, write := range map[string]func(io.Writer) error{
		"shutdown-*.html": r.WriteHTML, "shutdown-*.json": r.WriteJSON,
	} {
		path, err := create(dir.ArtifactDir(), pattern, write)
		if err != nil {
			path = fmt.Sprintf("the report was not written: %v", err)
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return strings.Join(paths, "\n") + "\n"
}

func create(dir, pattern string, write func(io.Writer) error) (path string, err error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return "", err
	}
	err = write(f)
	if e := f.Close(); err == nil {
		err = e
	}
	return f.Name(), err
}

// soFar is what holds the stop now.
func (k *Kit) soFar() string {
	w := &answer{header: http.Header{}}
	req, err := http.NewRequest(http.MethodGet, "/?format=text", nil) //nolint:noctx // it is not sent
	if err != nil {
		return err.Error()
	}
	k.tracer.Handler().ServeHTTP(w, req)
	return w.body.String()
}

// answer is a ResponseWriter. That of httptest would bring a flag along.
type answer struct {
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }
func (*answer) WriteHeader(int)               {}
