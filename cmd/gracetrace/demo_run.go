// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/progress"
	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/scenario"
	"github.com/gracetrace/gracetrace/internal/selfsigned"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

const (
	// startLimit bounds how long the clients may take to get into their states.
	startLimit = 10 * time.Second
	// orphanCall is how long the handler of a vanished client runs. Among
	// others it runs for longer, to outlive all connections, however long the
	// clients took to start.
	orphanCall = 6 * time.Second
)

// demo is one run of the command.
type demo struct {
	flags          *demoFlags
	stdout, stderr io.Writer
	target         scenario.Target
	report         *tracer.Report
	clients        []scenario.Client
}

func runDemo(ctx context.Context, f *demoFlags, stdout, stderr io.Writer) error {
	d := &demo{flags: f, stdout: stdout, stderr: stderr}
	files, err := newOutFiles(f.out)
	if err != nil {
		return err
	}
	defer files.discard()
	if err := errors.Join(nameService(), findCollector(ctx)); err != nil {
		return err
	}
	t, err := tracer.New(ctx, tracer.WithLogger(slog.New(progress.New(stderr))),
		tracer.WithReport(func(r *tracer.Report) { d.report = r }))
	if err != nil {
		return err
	}
	defer t.Close()
	if err := d.serveAndStop(ctx, t); err != nil {
		return err
	}
	if d.report == nil {
		return errors.New("the server stopped without a report")
	}
	if d.report.Spans.Sent == 0 {
		d.report.JaegerURL = "" // it would lead nowhere
	}
	if err := files.write(d.report); err != nil {
		return err
	}
	return d.print(files.names())
}

// serveAndStop runs the server, and returns nil when it has stopped, gracefully
// or by force.
func (d *demo) serveAndStop(ctx context.Context, t *tracer.Tracer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lis, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	begun := make(chan struct{}, 1)
	serverTLS, err := d.aim(lis.Addr().String(), begun)
	if err != nil {
		return errors.Join(err, lis.Close())
	}
	grace, option := d.flags.period()
	d.target.Orphan = orphanCall
	if d.flags.scenario.chosen == nil {
		d.target.Orphan = orphanCall + startLimit + grace
	}
	srv := newGreeter(t, greeterConfig{
		grace: option, tls: serverTLS, begun: begun,
	})
	ran := make(chan error, 1)
	go func() { ran <- srv.Run(ctx, lis) }()

	err = d.startClients(ctx, ran, grace)
	defer d.closeClients()
	if err == nil {
		fmt.Fprintf(d.stderr, "\nProcess %d %s. What holds it:\n", os.Getpid(), terminateWords)
		err = terminate(cancel)
	}
	if err != nil {
		cancel()
	}
	runErr := <-ran
	if forced := (*server.DeadlineError)(nil); runErr == nil || errors.As(runErr, &forced) {
		return err
	}
	return runErr // which is why a client could not start, if none could
}

// aim points the clients at addr, over TLS if asked.
func (d *demo) aim(addr string, begun <-chan struct{}) (*tls.Config, error) {
	d.target = scenario.Target{Addr: addr, Begun: begun}
	if !d.flags.tls {
		return nil, nil
	}
	forServer, forClients, err := selfsigned.Config()
	d.target.TLS = forClients
	return forServer, err
}

// startClients returns when the clients hold the server.
func (d *demo) startClients(ctx context.Context, ran chan error, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	go func() { // a server that has failed leaves nothing to wait for
		select {
		case err := <-ran:
			ran <- err
			cancel()
		case <-ctx.Done():
		}
	}()
	security := "plain text"
	if d.flags.tls {
		security = "TLS"
	}
	// Once it answers, its Run has asked for the signals.
	if err := d.target.Knock(ctx); err != nil {
		return fmt.Errorf("the server on %s does not answer: %w", d.target.Addr, err)
	}
	fmt.Fprintf(d.stderr, "A gRPC server on %s, %s, grace period %s. Its clients:\n\n",
		d.target.Addr, security, grace)
	for _, s := range d.flags.scenario.scenarios() {
		c, err := s.Start(ctx, &d.target)
		if err != nil {
			return fmt.Errorf("client %s: %w", s.Name, err)
		}
		d.clients = append(d.clients, c)
		fmt.Fprintf(d.stderr, "  %-7s %-16s %s\n", s.Name, c.LocalAddr(), s.Does)
	}
	return nil
}

func (d *demo) closeClients() {
	for _, c := range d.clients {
		c.Close()
	}
}
