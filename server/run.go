// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"time"

	"google.golang.org/grpc"
)

// Run serves on every listener until SIGTERM or SIGINT arrives or ctx is
// cancelled, and then does what [Server.Shutdown] does within the grace period.
// It returns nil after a graceful stop, a *DeadlineError after a forced one, and
// the error of a Serve that failed, which stops the others.
//
// A second signal ends the process: what holds is reported, the trace is flushed,
// for at most 2 s, and the exit code is 128 and the signal's number. A third kills.
// Nothing else here exits. The same signal again within 100 ms is no second one:
// timeout(1) and make send theirs twice.
func (s *Server) Run(ctx context.Context, listeners ...net.Listener) error {
	if s.broken != nil {
		return s.broken
	}
	if len(listeners) == 0 {
		return errors.New("server: Run needs at least one listener")
	}
	if slices.Contains(listeners, nil) {
		return errors.New("server: Run: a listener is nil")
	}
	first, release := hear(ctx, func(sig os.Signal) {
		s.abort(sig)
		os.Exit(exitCode(sig)) //nolint:forbidigo // the second signal asks for it
	})
	defer release()
	failed := make(chan error, len(listeners))
	for _, lis := range listeners {
		go func() { failed <- s.Serve(lis) }()
	}
	s.logServing(listeners, s.plan(s.grace))
	warnOf(s.t.Logger(), shellIsFirst("/proc"))

	var serveErr error
	serving := len(listeners)
	select {
	case <-first.Done():
	case serveErr = <-failed:
		serving--
	}
	err := s.Shutdown(context.WithoutCancel(ctx))
	for ; serving > 0; serving-- {
		// A signal may come before the listeners are served.
		if e := <-failed; e != nil && serveErr == nil && !errors.Is(e, grpc.ErrServerStopped) {
			serveErr = e
		}
	}
	if serveErr != nil {
		return fmt.Errorf("server: %w", serveErr)
	}
	return err
}

// abortLimit bounds what a second signal waits for.
const abortLimit = 2 * time.Second

// abort gets the evidence out before a second signal ends the process.
func (s *Server) abort(sig os.Signal) {
	aborting(s.t.Logger(), sig, func(ctx context.Context) { s.interrupt(ctx, sig) })
}

// aborting logs a second signal and calls f. It does not wait for ever for a logger
// or an exporter that blocks.
func aborting(log *slog.Logger, sig os.Signal, f func(ctx context.Context)) {
	done := make(chan struct{})
	go func() { // the process ends with it
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), abortLimit)
		defer cancel()
		log.Warn("second signal", "signal", sig.String(), "exit_code", exitCode(sig))
		f(ctx)
	}()
	within(abortLimit, done)
}

// interrupt ends the trace of a stop that is going to be cut short. There may be
// none: the second signal can come so shortly after the first that nothing has begun.
func (s *Server) interrupt(ctx context.Context, sig os.Signal) {
	if st := s.stopping(); st != nil {
		st.trace.Interrupted(signalName(sig))
		st.finish(ctx)
	}
}
