// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"

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
func (d *demo) print(files []string) error {
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
	if len(files) > 0 {
		fmt.Fprintf(d.stderr, "\nThe report is in %s.\n", strings.Join(files, " and "))
	}
	if d.report.Spans.Sent == 0 {
		fmt.Fprint(d.stderr, "\nTo see it as a trace: docker compose up -d jaeger, then the demo again.\n")
	} else if d.report.JaegerURL == "" {
		fmt.Fprintf(d.stderr, "\nIts trace is %s. For a link to it, set %s to where Jaeger's UI is.\n",
			d.report.TraceID, envUI)
	}
	return nil
}
