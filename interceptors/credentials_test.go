// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"errors"
	"net"
	"testing"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gracetrace/gracetrace/interceptors"
)

// fakeCredentials records what reaches it.
type fakeCredentials struct {
	credentials.TransportCredentials
	protocol, override string
	got                net.Conn
	made               func(net.Conn) net.Conn
	err                error
}

type fakeInfo struct{ credentials.CommonAuthInfo }

func (*fakeInfo) AuthType() string { return "fake" }

var theInfo = &fakeInfo{}

func (f *fakeCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: f.protocol}
}

func (f *fakeCredentials) OverrideServerName(s string) error {
	f.override = s
	return nil
}

func (f *fakeCredentials) Clone() credentials.TransportCredentials {
	c := *f
	c.protocol += ", cloned"
	return &c
}

func (f *fakeCredentials) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	f.got = c
	if f.made != nil {
		c = f.made(c)
	}
	return c, theInfo, f.err
}

// xdsCredentials is what grpc's xds server looks for.
type xdsCredentials struct{ *fakeCredentials }

func (xdsCredentials) UsesXDS() bool { return true }

func (x xdsCredentials) Clone() credentials.TransportCredentials {
	return xdsCredentials{x.fakeCredentials}
}

// TestCredentialsForward: all but ServerHandshake is passed on.
func TestCredentialsForward(t *testing.T) {
	tr := newTracer(t)
	inner := &fakeCredentials{protocol: "fake"}
	w := interceptors.Credentials(tr, inner)
	//nolint:staticcheck // deprecated, and still called by who implements a client
	if err := w.OverrideServerName("name"); err != nil || inner.override != "name" {
		t.Errorf("OverrideServerName gave %q, %v", inner.override, err)
	}
	if got, want := w.Info(), inner.Info(); got != want {
		t.Errorf("Info is %v, want %v", got, want)
	}
	if got := w.Clone().Info().SecurityProtocol; got != "fake, cloned" {
		t.Errorf("Clone is of %q", got)
	}
	if _, ok := w.(interface{ UsesXDS() bool }); ok {
		t.Error("UsesXDS appeared from nowhere")
	}
	x := interceptors.Credentials(tr, xdsCredentials{inner})
	for _, c := range []credentials.TransportCredentials{x, x.Clone()} {
		if u, ok := c.(interface{ UsesXDS() bool }); !ok || !u.UsesXDS() {
			t.Errorf("UsesXDS is lost on %T", c)
		}
	}
}

// TestCredentialsOnce: what is watched is not wrapped again, and without a
// Tracer or credentials there is nothing to watch.
func TestCredentialsOnce(t *testing.T) {
	tr := newTracer(t)
	w := interceptors.Credentials(tr, insecure.NewCredentials())
	if interceptors.Credentials(tr, w) != w {
		t.Error("wrapped twice")
	}
	inner := &fakeCredentials{}
	if interceptors.Credentials(nil, inner) != credentials.TransportCredentials(inner) {
		t.Error("wrapped without a Tracer")
	}
	if interceptors.Credentials(tr, nil) != nil {
		t.Error("nil credentials became some")
	}
}

// TestCredentialsHandshake: credentials other than TLS get the connection they
// would get bare, TLS the wrapper; the AuthInfo and the error are theirs.
func TestCredentialsHandshake(t *testing.T) {
	failed := errors.New("no")
	other := func(c net.Conn) net.Conn { return struct{ net.Conn }{c} }
	for _, tt := range []struct {
		name  string
		creds fakeCredentials
	}{
		{"TLS", fakeCredentials{protocol: "tls"}},
		{"another protocol", fakeCredentials{protocol: "fake"}},
		{"TLS that makes a connection", fakeCredentials{protocol: "tls", made: other}},
		{"another protocol that makes one", fakeCredentials{protocol: "fake", made: other}},
		{"an error", fakeCredentials{protocol: "fake", err: failed}},
		{"dispatched", fakeCredentials{protocol: "fake", err: credentials.ErrConnDispatched}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := newTracer(t)
			rec := listen(t, "tcp")
			rec.dial(t)
			c := accept(t, interceptors.Listener(tr, rec))
			bare := <-rec.accepted
			made, info, err := interceptors.Credentials(tr, &tt.creds).ServerHandshake(c)
			if info != credentials.AuthInfo(theInfo) || !errors.Is(err, tt.creds.err) {
				t.Errorf("they said (%v, %v), we say (%v, %v)", theInfo, tt.creds.err, info, err)
			}
			if gotBare := tt.creds.got == bare; gotBare != (tt.creds.protocol != "tls") {
				t.Errorf("the credentials got a %T", tt.creds.got)
			}
			if err == nil && made.RemoteAddr() != c.RemoteAddr() {
				t.Error("the address lost its identity")
			}
			if err == nil && tt.creds.made == nil && made != c {
				t.Errorf("without a connection of their own it is a %T", made)
			}
		})
	}
}

// TestCredentialsElsewhere: a connection of a listener that is not watched is
// passed on as it is.
func TestCredentialsElsewhere(t *testing.T) {
	rec := listen(t, "tcp")
	rec.dial(t)
	bare := accept(t, rec)
	inner := &fakeCredentials{protocol: "tls"}
	made, _, _ := interceptors.Credentials(newTracer(t), inner).ServerHandshake(bare)
	if inner.got != bare || made != bare {
		t.Errorf("the credentials got a %T and made a %T", inner.got, made)
	}
}
