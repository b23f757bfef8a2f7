// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gracetrace/gracetrace/tracer"
)

type reportFlags struct {
	json, html bool
	out        string
	trace      string
	silence    durationValue
	jaeger     jaegerFlags
}

func newReport() *cobra.Command {
	f := reportFlags{silence: durationValue{defaultSilence}}
	cmd := &cobra.Command{
		Use:   "report FILE",
		Short: "Show the report of a file, or of a trace that Jaeger or a collector wrote",
		Long: `report reads a file, or standard input if FILE is -, and prints the timeline
and the verdict of each shutdown in it. It reads

  - report.json, as 'gracetrace demo --out' and the library write it
  - a trace that Jaeger's UI downloaded (the Trace JSON of its menu), and what
    Jaeger's /api/traces and /api/v3/traces answer
  - OTLP JSON, one object or one on each line, as a collector's file exporter
    and the spool write it
  - a log with such lines in it: of a process with GRACETRACE_SPOOL=stderr

or asks a Jaeger, 2.13 or later, if FILE is a link to a trace in its UI, such as
the jaeger_url of the log, or with --jaeger the id of a trace. For a Jaeger behind
a login see 'gracetrace culprits --help'.

Of a shutdown that was killed it shows what was told until then. One whose end is
missing still runs if it was heard of less than a minute ago (--silence), or two if
it had lasted for one. Other traces in the file are left out.`,
		Example: `  gracetrace report report.json
  gracetrace report --jaeger http://localhost:16686 $TRACE_ID
  curl -s localhost:16686/api/traces/$TRACE_ID | gracetrace report -
  kubectl logs --previous POD | gracetrace report -
  gracetrace report --html -o report.html trace.json`,
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.json && f.html {
				return usageError{errors.New("--json and --html exclude each other")}
			}
			if cmd.Flags().Changed("output") && f.out == "" {
				return usageError{errors.New("--output is empty: want the name of a file")}
			}
			reports, err := f.jaeger.reports(cmd.Context(), cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			if reports, err = f.chosen(reports, args[0]); err != nil {
				return err
			}
			asOf(reports, f.silence.d)
			return f.write(reports, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.json, "json", false, "print JSON, one object after another")
	flags.BoolVar(&f.html, "html", false, "print HTML: one page that needs nothing else")
	flags.StringVarP(&f.out, "output", "o", "", "write to this `file`, not to stdout")
	flags.StringVar(&f.trace, "trace", "", "only the shutdown of this trace `id`, or what it begins with")
	flags.Var(&f.silence, "silence", "without an end, and silent for so long: killed")
	f.jaeger.add(cmd, "FILE is the id of a trace")
	return cmd
}

// oneFile wants the name of a file, or - for standard input.
func oneFile(_ *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return usageError{fmt.Errorf("want one FILE, or - for standard input, not %d", len(args))}
}

// stdinName is how standard input is called on a command line.
const stdinName = "-"

// readReports reads the file of that name. Its errors tell the name.
func readReports(stdin io.Reader, name string) ([]*tracer.Report, error) {
	shown := name
	if name == stdinName {
		shown = "standard input"
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		stdin = f
	}
	reports, err := tracer.ReadReports(stdin)
	if err != nil {
		// An *os.PathError has the name in it.
		if path := (*os.PathError)(nil); errors.As(err, &path) {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w", shown, err)
	}
	return reports, nil
}

// asOf tells those that still run from those that were killed.
func asOf(reports []*tracer.Report, silence time.Duration) {
	for _, r := range reports {
		r.AsOf(time.Now(), silence)
	}
}

// chosen are the reports of the trace that was asked for, by default all.
func (f *reportFlags) chosen(reports []*tracer.Report, file string) ([]*tracer.Report, error) {
	if f.trace != "" {
		found := ofTrace(reports, f.trace)
		if len(found) == 0 {
			return nil, fmt.Errorf("--trace %q: %s has none, only %s", f.trace, file, traces(reports))
		}
		reports = found
	}
	if f.html && len(reports) > 1 {
		return nil, fmt.Errorf("--html shows one shutdown, %s has %d: choose one with --trace, of %s",
			file, len(reports), traces(reports))
	}
	return reports, nil
}

// ofTrace returns the reports whose trace id begins with id.
func ofTrace(reports []*tracer.Report, id string) (found []*tracer.Report) {
	for _, r := range reports {
		if strings.HasPrefix(r.TraceID, strings.ToLower(id)) {
			found = append(found, r)
		}
	}
	return found
}

// maxTraces bounds those that an error lists.
const maxTraces = 10

func traces(reports []*tracer.Report) string {
	var ids []string
	for _, r := range reports[:min(len(reports), maxTraces)] {
		ids = append(ids, fmt.Sprintf("%.40q", r.TraceID))
	}
	s := strings.Join(ids, ", ")
	if more := len(reports) - maxTraces; more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

// write writes the reports to the file that was asked for, by default to stdout.
func (f *reportFlags) write(reports []*tracer.Report, stdout io.Writer) error {
	if f.out == "" {
		return f.print(stdout, reports)
	}
	file, err := os.Create(f.out)
	if err != nil {
		return err
	}
	err = f.print(file, reports)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (f *reportFlags) print(w io.Writer, reports []*tracer.Report) error {
	for i, r := range reports {
		var err error
		switch {
		case f.json:
			err = r.WriteJSON(w)
		case f.html:
			err = r.WriteHTML(w)
		default:
			err = printRead(w, r, i > 0)
		}
		if err != nil {
			return fmt.Errorf("print the report: %w", err)
		}
	}
	return nil
}

// printRead prints a report with what tells it from others.
func printRead(w io.Writer, r *tracer.Report, another bool) error {
	if another {
		fmt.Fprintln(w)
	}
	if err := printReport(w, r); err != nil {
		return err
	}
	service := r.Service
	if service == "" {
		service = "(no name)"
	}
	_, err := fmt.Fprintf(w, "service: %.70s\nstopped: %s\n", service,
		r.Start.UTC().Format("2006-01-02 15:04:05.000 MST"))
	if err == nil && r.TraceID != "" {
		_, err = fmt.Fprintf(w, "trace:   %.70s\n", r.TraceID)
	}
	return err
}
