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

type graceOption struct {
	grpc.EmptyServerOption
	d time.Duration
}

// GracePeriod sets how long [Server.Shutdown] and [Server.Run] may take, from
// the call or signal to their return. It must be positive. By default, the
// environment variable GRACETRACE_GRACE_PERIOD (such as 25s), or else 25 s.
func GracePeriod(d time.Duration) grpc.ServerOption { return graceOption{d: d} }

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
		g, ok := o.(graceOption)
		if !ok {
			rest = append(rest, o)
			continue
		}
		if g.d <= 0 {
			s.broken = errors.Join(s.broken,
				fmt.Errorf("server: GracePeriod(%s): must be positive", g.d))
		}
		s.grace = g.d
	}
	return rest
}
