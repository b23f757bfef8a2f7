// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
)

// envGracePeriod sets the grace period.
const envGracePeriod = "GRACETRACE_GRACE_PERIOD"

// defaultGracePeriod leaves 5 s of the 30 s after which Kubernetes kills
// (terminationGracePeriodSeconds, which counts preStop).
const defaultGracePeriod = 25 * time.Second

// option is one of this package's own.
type option struct {
	grpc.EmptyServerOption
	apply func(*Server) error
	group func(*Group) error // nil: it is none of a Group's
}

// GracePeriod sets how long [Server.Shutdown] and [Server.Run] may take, from
// the call or signal to their return; of a [Group] its Stop and Run. It must be
// positive. By default, the environment variable GRACETRACE_GRACE_PERIOD (such as
// 25s), or else 25 s.
func GracePeriod(d time.Duration) grpc.ServerOption {
	var err error
	if d <= 0 {
		err = fmt.Errorf("server: GracePeriod(%s): must be positive", d)
	}
	return option{
		apply: func(s *Server) error {
			s.grace, s.ownGrace = d, true
			return err
		},
		group: func(g *Group) error {
			g.grace = d
			return err
		},
	}
}

// gracePeriod reads the environment.
func gracePeriod(broken error) (time.Duration, error) {
	v := os.Getenv(envGracePeriod)
	if v == "" {
		return defaultGracePeriod, broken
	}
	d, err := time.ParseDuration(v)
	if err == nil && d <= 0 {
		err = errors.New("must be positive")
	}
	if err != nil {
		err = fmt.Errorf("server: %s=%q: %w", envGracePeriod, v, err)
	}
	return d, errors.Join(broken, err)
}

// configure takes this package's own options out of opts and applies them.
func (s *Server) configure(opts []grpc.ServerOption) []grpc.ServerOption {
	var rest []grpc.ServerOption
	for _, o := range opts {
		if own, ok := o.(option); ok {
			s.broken = errors.Join(s.broken, own.apply(s))
		} else {
			rest = append(rest, o)
		}
	}
	return rest
}
