// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gracetrace/gracetrace/tracer"
)

// printReport prints the timeline and the verdict, and where the trace is.
func printReport(w io.Writer, r *tracer.Report) error {
	if err := r.WriteText(w); err != nil {
		return err
	}
	if r.JaegerURL == "" {
		return nil
	}
	_, err := fmt.Fprintf(w, "jaeger:  %s\n", r.JaegerURL)
	return err
}

// print prints the report to stdout, and to stderr what to do with it.
func (d *demo) print(file string) error {
	fmt.Fprintln(d.stderr)
	write := func(w io.Writer) error { return printReport(w, d.report) }
	if d.flags.json {
		write = d.report.WriteJSON
	}
	if err := write(d.stdout); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if d.flags.json {
		fmt.Fprintf(d.stderr, "verdict: %s\n", d.report.Verdict)
	}
	if file != "" {
		fmt.Fprintf(d.stderr, "\nThe report is in %s.\n", file)
	}
	if d.report.Spans.Sent == 0 {
		fmt.Fprint(d.stderr, "\nTo see it as a trace: docker compose up -d jaeger, then the demo again.\n")
	} else if d.report.JaegerURL == "" {
		fmt.Fprintf(d.stderr, "\nIts trace is %s. For a link to it, set %s to where Jaeger's UI is.\n",
			d.report.TraceID, envUI)
	}
	return nil
}

// reportFile is report.json in the folder of --out. It is made before the demo
// runs, so that a folder that cannot be written to is not found out after it.
type reportFile struct {
	name string // "": nothing is to be written
	temp *os.File
}

func newReportFile(dir string) (*reportFile, error) {
	if dir == "" {
		return &reportFile{}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("--out %q: %w", dir, err)
	}
	temp, err := os.CreateTemp(dir, ".report-*.json")
	if err != nil {
		return nil, fmt.Errorf("--out %q: %w", dir, err)
	}
	return &reportFile{name: filepath.Join(dir, "report.json"), temp: temp}, nil
}

// write puts the report in its place, as a whole or not at all.
func (f *reportFile) write(r *tracer.Report) error {
	if f.name == "" {
		return nil
	}
	err := r.WriteJSON(f.temp)
	if err == nil {
		err = f.temp.Chmod(0o644) // CreateTemp's are private
	}
	if closeErr := f.temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.temp.Name(), f.name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", f.name, err)
	}
	f.temp = nil
	return nil
}

// discard removes what was not put in its place.
func (f *reportFile) discard() {
	if f.temp == nil {
		return
	}
	_ = f.temp.Close() // write may have closed it
	_ = os.Remove(f.temp.Name())
}
