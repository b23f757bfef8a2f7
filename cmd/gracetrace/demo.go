// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/scenario"
)

// demoGrace leaves the whole demo under 20 s.
const demoGrace = 12 * time.Second

const envGrace = "GRACETRACE_GRACE_PERIOD"

type demoFlags struct {
	scenario scenarioValue
	grace    durationValue
	list     bool
	json     bool
	tls      bool
	out      string
}

func newDemo() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Stop a server that is held up in every way and show why it took so long",
		Long: `demo starts a gRPC server with clients that hold up its stop, sends itself a
SIGTERM and prints where the time went and what to blame. It takes less than
20 s. What it prints on stdout is the report, everything else is on stderr.

The server is forced to stop before the grace period is over, as a server in
production should be: some of the clients would never go away. That is what the
demo is to show, so its exit code is 0.

The trace goes where the OTEL_EXPORTER_OTLP_* variables say or, without any, to
localhost:4317 if something answers there.`,
		Example: `  gracetrace demo
  gracetrace demo --scenario recv --grace 5s
  gracetrace demo --json | jq .verdict
  gracetrace demo --out .   # and open report.html`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.list {
				return list(cmd)
			}
			if cmd.Flags().Changed("out") && f.out == "" {
				return usageError{fmt.Errorf("--out is empty: want the name of a folder")}
			}
			return runDemo(cmd.Context(), &f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.Var(&f.scenario, "scenario", "only this client; --list says which there are")
	flags.BoolVar(&f.list, "list", false, "list the scenarios and what each shows")
	flags.Var(&f.grace, "grace",
		"grace period, from the signal to the exit (default $"+envGrace+" or 12s)")
	flags.BoolVar(&f.json, "json", false, "print the report as JSON")
	flags.StringVar(&f.out, "out", "", "write report.json and report.html to this `folder`, too")
	flags.BoolVar(&f.tls, "tls", false, "serve over TLS, with a certificate made for the occasion")
	return cmd
}

// period is the grace period, and what to tell package server of it: nothing
// where the environment does.
func (f *demoFlags) period() (grace, option time.Duration) {
	switch {
	case f.grace.d > 0:
		return f.grace.d, f.grace.d
	case os.Getenv(envGrace) == "":
		return demoGrace, demoGrace
	}
	grace, _ = time.ParseDuration(os.Getenv(envGrace)) // server reports it if it is wrong
	return grace, 0
}

func list(cmd *cobra.Command) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, s := range scenario.All() {
		fmt.Fprintf(w, "%s\t%s\n", s.Name, s.Shows)
	}
	fmt.Fprintf(w, "%s\tall of them at once\n", allScenarios)
	return w.Flush()
}
