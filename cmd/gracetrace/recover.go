// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/gracetrace/gracetrace/internal/spool"
	"github.com/gracetrace/gracetrace/tracer"
)

// defaultRecoverTimeout is for a collector that comes back.
const defaultRecoverTimeout = 30 * time.Second

// noSpoolInLog says what may be wrong with a log that has nothing for us.
const noSpoolInLog = `gracetrace: no spans in standard input. A process writes them to its log with
GRACETRACE_SPOOL=stderr, and only of a stop of which the collector took nothing for
1 s. Lines may have anything before their {, but must not be quoted, as in a JSON
log: unquote them first, with "jq -r .log" or whatever its key is.`

type recoverFlags struct {
	dry     bool
	timeout durationValue
}

func newRecover() *cobra.Command {
	f := recoverFlags{timeout: durationValue{defaultRecoverTimeout}}
	cmd := &cobra.Command{
		Use:   "recover DIR",
		Short: "Send what killed processes left in a spool, or in a log",
		Long: `recover sends what the collector did not take of the stops of other processes:
what is in their spool, GRACETRACE_SPOOL_DIR, or in a log that is read from
standard input if DIR is -. A process that was killed gets an end that says so,
with the verdict of its last checkpoint. The log must be of a process that has
ended: of one that is still stopping it would say that it was killed. Other lines
may be in between, and a time or a pod's name in front of each.

Where to send it is in the OTEL_* variables, as for the server. A file is removed
when the collector has all of it; those of running processes are left alone. What
is sent twice is the same, byte by byte: Jaeger shows it once.

It prints a line for each stop. The exit code is 1 if something could not be
read or sent.`,
		Example: `  gracetrace recover --dry-run /var/lib/greeter/gracetrace
  kubectl logs --previous POD | gracetrace recover -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] != "" {
				return nil
			}
			return usageError{fmt.Errorf("want one DIR, or - for standard input, not %d", len(args))}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args[0], cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.dry, "dry-run", false, "say what would be sent; send and remove nothing")
	flags.Var(&f.timeout, "timeout", "try for this long if the collector does not answer")
	return cmd
}

func (f *recoverFlags) run(ctx context.Context, from string, stdin io.Reader, stdout, stderr io.Writer,
) error {
	// What else it has to say, the command says.
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	t, err := tracer.New(ctx, tracer.WithLogger(log), tracer.WithSpool(""))
	if err != nil {
		return err
	}
	defer t.Close()
	ctx, cancel := context.WithTimeout(ctx, f.timeout.d)
	defer cancel()
	r := &recoverer{recoverFlags: f, t: t, stdout: stdout}
	if from == stdinName {
		left, err := spool.ReadLog(stdin)
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		if len(left.Lines) == 0 && left.Damaged == 0 {
			fmt.Fprintln(stderr, noSpoolInLog)
		}
		r.one(ctx, left)
	} else if err := r.directory(ctx, from); err != nil {
		return err
	}
	return r.summary()
}

// recoverer counts what it has recovered.
type recoverer struct {
	*recoverFlags
	t       *tracer.Tracer
	stdout  io.Writer
	runs    int
	spans   int
	damaged int
	errs    error
}

func (r *recoverer) directory(ctx context.Context, path string) error {
	dir, err := spool.OpenExisting(path, nil)
	if err != nil {
		return err
	}
	defer dir.Close()
	err = dir.Left(time.Time{}, func(left *spool.Left) bool {
		r.one(ctx, left)
		return true
	})
	r.errs = errors.Join(r.errs, err)
	return nil
}

// one recovers a file or a log.
func (r *recoverer) one(ctx context.Context, left *spool.Left) {
	done, err := r.t.Recover(ctx, left, r.dry)
	r.spans += done.Spans
	r.damaged += left.Damaged
	if err != nil {
		name := left.Name
		if name == "" {
			name = "standard input"
		}
		r.errs = errors.Join(r.errs, fmt.Errorf("%s: %w", name, err))
	}
	for _, run := range done.Runs {
		r.runs++
		service := run.Service
		if service == "" {
			service = "(no name)"
		}
		fmt.Fprintf(r.stdout, "%s  %.70s  %s  %s  trace %s\n", run.Start.UTC().Format("2006-01-02 15:04:05 MST"),
			service, run.Outcome, run.Verdict, run.TraceID)
	}
}

// summary is the last line.
func (r *recoverer) summary() error {
	sent := "sent"
	if r.dry {
		sent = "to be sent"
	}
	line := fmt.Sprintf("%s, %s %s", count(r.runs, "stop"), count(r.spans, "span"), sent)
	if r.damaged > 0 {
		line += ", " + count(r.damaged, "line") + " torn or damaged"
	}
	if _, err := fmt.Fprintln(r.stdout, line); err != nil {
		return err
	}
	return r.errs
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
