// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/scenario"
)

type loadFlags struct {
	addr     addrValue
	scenario scenarioValue
	rate     rateValue
	tls      bool
}

func newLoad() *cobra.Command {
	f := loadFlags{
		addr: addrValue{defaultAddr}, scenario: scenarioValue{many: true}, rate: rateValue{5},
	}
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Run the demo's clients against a server, until SIGTERM",
		Long: `load runs the clients of the demo against 'gracetrace serve'. They come and go
at random, so that each stop of the server is held up by others. It waits for a
server that is not there, connects again after each stop, and ends on SIGTERM or
SIGINT with exit code 0.`,
		Example: `  gracetrace load --addr localhost:50051
  gracetrace load --scenario recv --scenario silent`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.Var(&f.addr, "addr", "the server's address")
	flags.Var(&f.scenario, "scenario",
		"only these clients; 'gracetrace demo --list' says which there are")
	flags.Var(&f.rate, "rate", "short calls a second")
	flags.BoolVar(&f.tls, "tls", false, "connect over TLS, to a certificate nobody has signed")
	return cmd
}

func (f *loadFlags) run(ctx context.Context, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	l := &load{
		target: scenario.Target{Addr: f.addr.addr, Orphan: loadOrphan},
		every:  time.Duration(float64(time.Second) / f.rate.perSecond),
		reach:  &reach{out: stderr, addr: f.addr.addr, there: true},
	}
	if f.tls {
		// serve's certificate is its own, and gone when it ends.
		l.target.TLS = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	}
	chosen := f.scenario.scenarios()
	fmt.Fprintf(stderr, "gracetrace: load on %s: %s\n", f.addr.addr,
		strings.Join(scenario.Names(chosen), ", "))
	var running sync.WaitGroup
	for _, s := range chosen {
		running.Go(func() { l.run(ctx, s) })
	}
	running.Wait()
	return nil
}

// reach says when the server comes and goes, once for all clients.
type reach struct {
	addr string

	mu    sync.Mutex // guards following
	out   io.Writer
	there bool
}

func (r *reach) set(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if there := err == nil; there != r.there {
		r.there = there
		if there {
			fmt.Fprintf(r.out, "gracetrace: %s answers again\n", r.addr)
		} else {
			fmt.Fprintf(r.out, "gracetrace: %s does not answer, trying again: %v\n", r.addr, err)
		}
	}
}
