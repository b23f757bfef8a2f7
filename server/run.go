// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"google.golang.org/grpc"
)

// Run serves on every listener until SIGTERM or SIGINT arrives or ctx is
// cancelled, and then does what [Server.Shutdown] does within the grace period.
// It returns nil after a graceful stop, a *DeadlineError after a forced one, and
// the error of a Serve that failed, which stops the others. It never exits the
// process; a second signal has its default effect and does.
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
	ctx, release := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer release()
	failed := make(chan error, len(listeners))
	for _, lis := range listeners {
		go func() { failed <- s.Serve(lis) }()
	}
	s.logServing(listeners)

	var serveErr error
	serving := len(listeners)
	select {
	case <-ctx.Done():
		release() // a second signal kills
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

func (s *Server) logServing(listeners []net.Listener) {
	addrs := make([]string, len(listeners))
	for i, lis := range listeners {
		addrs[i] = lis.Addr().String()
	}
	s.t.Logger().Info("serving", "addresses", addrs, "pid", os.Getpid(),
		"grace_period_ms", s.grace.Milliseconds())
}
