// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/internal/woven"
	"github.com/gracetrace/gracetrace/tracer"
)

// TestFallback: the control plane wants no security, so package xds's credentials
// fall back to what the application has given them.
func TestFallback(t *testing.T) {
	t.Parallel()
	for name, watch := range map[string]bool{"watched": true, "as they are": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := compare(t, setup{creds: true, watch: watch}, func(s *scene) {
				s.hold("first", s.dial(), held)
				s.stop()()
				s.is("first is known by insecure")
			})
			want(t, r, tracer.PhaseConnWait, theRPC)
		})
	}
}

// TestMutualTLS: a wrapper around the credentials, or around the connection, must not
// make them fall back: who has no certificate is not let in.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	for name, watch := range map[string]bool{"watched": true, "as they are": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := compare(t, setup{creds: true, mTLS: true, watch: watch}, func(s *scene) {
				s.call("without TLS", s.dialWith(insecure.NewCredentials()), 0)
				nobody := s.clientTLS()
				nobody.Certificates = nil
				s.call("without a certificate", s.dialWith(credentials.NewTLS(nobody)), 0)
				s.hold("first", s.dial(), held)
				s.stop()()
				s.is("first is known by a certificate")
			})
			want(t, r, tracer.PhaseConnWait, theRPC)
			seen, want := !strings.Contains(r.Verdict, "frames"), watch || len(woven.Points()) > 0
			if seen != want {
				t.Errorf("frames are seen: %v, want %v: %s", seen, want, r.Verdict)
			}
		})
	}
}

func TestMutualTLSHolds(t *testing.T) {
	t.Parallel()
	r := compare(t, setup{creds: true, mTLS: true, watch: true}, func(s *scene) {
		c, err := servertest.Linger(t.Context(), s.dialer())
		s.ready(c, err)
		s.stop()()
	})
	want(t, r, tracer.PhaseConnWait, tracer.Holder{Kind: tracer.HolderConnection, State: "linger"})
}

// TestHalfTLS: a handshake that the client does not end.
func TestHalfTLS(t *testing.T) {
	t.Parallel()
	with := setup{creds: true, mTLS: true, watch: true,
		opts: []grpc.ServerOption{grpc.ConnectionTimeout(time.Second)}}
	r := compare(t, with, func(s *scene) {
		s.call("first", s.dial(), 0)
		c, err := servertest.HalfTLS(t.Context(), servertest.DialTCP(s.addr.String()))
		s.ready(c, err)
		s.call("second", s.dial(), 0)
		s.stop()()
	})
	want(t, r, tracer.PhaseHandshakeWait, tracer.Holder{Kind: tracer.HolderHandshake, State: "tls"})
}

// TestNoCertificate: the server has none to show yet, so each handshake waits for one,
// for as long as grpc.ConnectionTimeout lets it. The client is not to blame.
func TestNoCertificate(t *testing.T) {
	t.Parallel()
	with := setup{
		creds: true, mTLS: true, watch: true, stuck: true,
		opts: []grpc.ServerOption{grpc.ConnectionTimeout(4 * time.Second)},
	}
	r := compare(t, with, func(s *scene) {
		c, err := servertest.HalfTLS(t.Context(), servertest.DialTCP(s.addr.String()))
		s.ready(c, err)
		s.within(noCertificates.of(s.addr.String()), "a certificate is asked for")
		s.stop()()
	})
	want(t, r, tracer.PhaseHandshakeWait, tracer.Holder{Kind: tracer.HolderHandshake, State: "callback"})
	says(t, r, "waiting.KeyMaterial")
}

// says wants words in a verdict.
func says(t *testing.T, r *tracer.Report, words string) {
	t.Helper()
	if !strings.Contains(r.Verdict, words) {
		t.Errorf("the verdict says nothing of %s: %s", words, r.Verdict)
	}
}

// is wants a line in how the RPCs have ended.
func (s *scene) is(want string) {
	s.Helper()
	if got := s.outcome(); !strings.Contains(got, want) {
		s.Errorf("it says not %q but\n%s", want, got)
	}
}
