// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/gracetrace/gracetrace/internal/selfsigned"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// defaultAddr is this machine alone: the demo service is for nobody else.
const defaultAddr = "localhost:50051"

const defaultHandshakeTimeout = 3 * time.Second

type serveFlags struct {
	addr             addrValue
	cycle            durationValue
	grace            durationValue
	handshakeTimeout durationValue
	lameDuck         durationValue
	tls              bool
	debug            addrValue
}

func newServe() *cobra.Command {
	f := serveFlags{
		addr:             addrValue{defaultAddr},
		handshakeTimeout: durationValue{defaultHandshakeTimeout},
	}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the demo's server until SIGTERM, or stop and start it in turn",
		Long: `serve runs the server of the demo until SIGTERM or SIGINT, stops it gracefully
and prints on stdout where the time went. With --cycle it also stops and starts
again by itself, so that there are always new traces to look at. Its clients are
those of 'gracetrace load', or your own. With --debug it shows on another port
what holds a stop while it lasts.

Its exit code is that of a program that returns the error of server.Run: 0 when
the last stop was graceful, 1 when it was forced and RPCs were cut. A second
signal reports what holds and ends it, with 128 and the signal's number; a third
kills.`,
		Example: `  gracetrace serve --cycle 30s
  gracetrace serve --addr :50051 --grace 25s --handshake-timeout 3s
  gracetrace serve --debug :6060    # curl localhost:6060/debug/shutdown`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.Var(&f.addr, "addr", "listen on this address")
	flags.Var(&f.cycle, "cycle", "stop and start again after this time (default never)")
	flags.Var(&f.grace, "grace",
		"grace period, from the signal to the exit (default $"+envGrace+" or 25s)")
	flags.Var(&f.lameDuck, "lame-duck",
		"serve on for this long after the signal, for clients that have not heard yet (default not)")
	flags.Var(&f.handshakeTimeout, "handshake-timeout",
		"how long a client may take to say its first word; grpc-go's own default is 120s")
	flags.Var(&f.debug, "debug",
		"show what holds a stop at http://ADDR"+debugPath+"; without a host on this machine alone")
	flags.BoolVar(&f.tls, "tls", false, "serve over TLS, with a certificate made for the occasion")
	return cmd
}

func (f *serveFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := nameService(); err != nil {
		return err
	}
	// First of all, so that a port in use is all there is to read.
	lis, err := listen(ctx, f.addr.addr)
	if err != nil {
		return err
	}
	defer lis.Close()
	t, err := tracer.New(ctx,
		tracer.WithLogger(slog.New(slog.NewTextHandler(stderr, nil))),
		tracer.WithReport(func(r *tracer.Report) {
			_ = printReport(stdout, r) // the log has the verdict, too
			fmt.Fprintln(stdout)
		}))
	if err != nil {
		return err
	}
	defer t.Close()
	endDebug, err := f.serveDebug(ctx, t)
	if err != nil {
		return err
	}
	defer endDebug()
	conf := greeterConfig{grace: f.grace.d, handshakeTimeout: f.handshakeTimeout.d, lameDuck: f.lameDuck.d}
	if f.tls {
		if conf.tls, _, err = selfsigned.Config(); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The second signal is to have its default effect, during any stop.
	defer context.AfterFunc(ctx, stop)()
	for {
		again, err := f.once(ctx, lis, newGreeter(t, conf))
		forced := (*server.DeadlineError)(nil)
		if !again || err != nil && !errors.As(err, &forced) {
			return err
		}
		if lis, err = listen(ctx, f.addr.addr); err != nil {
			return err
		}
	}
}

// once serves until the cycle is over, and then says again, or until the process
// is to end. Run may hear of the signal before ctx does.
func (f *serveFlags) once(ctx context.Context, lis net.Listener, srv *server.Server,
) (again bool, err error) {
	if f.cycle.d == 0 {
		return false, srv.Run(ctx, lis)
	}
	cycle, cancel := context.WithTimeout(ctx, f.cycle.d)
	defer cancel()
	err = srv.Run(cycle, lis)
	return cycle.Err() != nil && ctx.Err() == nil, err
}
