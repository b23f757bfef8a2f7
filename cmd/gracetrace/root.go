// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitOver    = 3 // culprits --fail-over
)

// usageError is a command line that cannot be meant.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run runs the command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return execute(ctx, root)
}

// execute runs a command whose arguments and streams are set.
func execute(ctx context.Context, root *cobra.Command) int {
	stderr := root.ErrOrStderr()
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "gracetrace: %v\n", err)
	if usage := (usageError{}); errors.As(err, &usage) {
		fmt.Fprintf(stderr, "Run '%s --help' for what there is.\n", cmd.CommandPath())
		return exitUsage
	}
	if over := (overError{}); errors.As(err, &over) {
		return exitOver
	}
	return exitFailure
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "gracetrace",
		Short: "Why is this gRPC server slow to stop?",
		Long: `gracetrace traces the graceful stop of a gRPC server phase by phase and names
what held it. Start with

    gracetrace demo`,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:       version(),
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,
		// For knownCommand; cobra sets it only for its own message.
		SuggestionsMinimumDistance: 2,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetVersionTemplate("gracetrace {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		// The flags of a command that is mistyped are unknown to root.
		if !cmd.HasParent() && cmd.Flags().NArg() > 0 {
			return knownCommand(cmd, cmd.Flags().Args())
		}
		return usageError{err}
	})
	root.AddCommand(newDemo(), newReport(), newCompare(), newCulprits(), newRecover(), newServe(), newLoad())
	root.SetHelpCommand(newHelp())
	return root
}

// newHelp is cobra's help command, but an unknown command is an error to it.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Describe a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return usageError{err}
			}
			if len(rest) > 0 {
				return knownCommand(about, rest)
			}
			return about.Help()
		},
	}
}

// knownCommand is asked about arguments that are no command.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf(", did you mean %s?", strings.Join(near, " or "))
	}
	return usageError{fmt.Errorf("unknown command %q%s", args[0], hint)}
}

// noArgs refuses arguments where there are flags only.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("unexpected argument %q: there are only flags", args[0])}
}

// version is this module's version and what it was built with.
func version() string {
	v := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		v = info.Main.Version
	}
	return fmt.Sprintf("%s (grpc %s, %s)", v, grpc.Version, runtime.Version())
}
