// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/compare"
	"github.com/gracetrace/gracetrace/tracer"
)

func newCompare() *cobra.Command {
	var asJSON bool
	var jaeger jaegerFlags
	silence := durationValue{defaultSilence}
	cmd := &cobra.Command{
		Use:   "compare A B",
		Short: "Show what got slower between two shutdowns, and who held it",
		Long: `compare reads two files, in any format that 'gracetrace report' reads, or asks a
Jaeger for traces as that does, by their links or with --jaeger by their ids, and
prints what changed from A to B: the outcome, RPCs that were cut, phases that
took longer or shorter and who held them, and what clients met; of groups of
servers member by member. The most important comes first.

Of a file with several shutdowns name one by its trace id, or by what it begins
with: FILE#TRACE. One of the two may be - for standard input.

A difference of at most 100 ms, or 10 % of the longer time, is noise: the
scheduler explains it. The exit code is 0 whatever changed.`,
		Example: `  gracetrace compare before.json after.json
  gracetrace compare traces.json#0af7 traces.json#b9c7
  gracetrace compare before.json "$JAEGER_URL"
  gracetrace compare --json before.json after.json | jq '.changes[0].text'`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) != 2:
				return usageError{fmt.Errorf("want two files, A and B, not %d", len(args))}
			case args[0] == stdinName && args[1] == stdinName:
				return usageError{errors.New("only one of the two can be standard input")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := readOne(cmd.Context(), cmd.InOrStdin(), &jaeger, silence.d, args[0])
			if err != nil {
				return err
			}
			b, err := readOne(cmd.Context(), cmd.InOrStdin(), &jaeger, silence.d, args[1])
			if err != nil {
				return err
			}
			c := compare.Compare(a, b)
			if asJSON {
				return c.WriteJSON(cmd.OutOrStdout())
			}
			return c.WriteText(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the comparison as JSON")
	cmd.Flags().Var(&silence, "silence", "without an end, and silent for so long: killed")
	jaeger.add(cmd, "A and B are ids of traces")
	return cmd
}

// readOne reads the one shutdown of a file or of a trace in Jaeger, or the one that
// is named behind a #.
func readOne(ctx context.Context, stdin io.Reader, jaeger *jaegerFlags, silence time.Duration, name string) (
	*tracer.Report, error,
) {
	file, id := name, ""
	if _, err := os.Stat(name); err != nil { // a file's name may have a # in it
		if before, after, ok := cutLast(name, "#"); ok {
			file, id = before, after
		}
	}
	reports, err := jaeger.reports(ctx, stdin, file)
	if err != nil {
		return nil, err
	}
	asOf(reports, silence)
	found := ofTrace(reports, id)
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("%s: no trace %q, only %s", file, id, traces(reports))
	case len(found) > 1:
		return nil, fmt.Errorf("%s: %d shutdowns: name one as FILE#TRACE, of %s", file, len(found),
			traces(found))
	}
	return found[0], nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
