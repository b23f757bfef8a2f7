// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc/peer"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// rawConn is what grpc has accepted, madeTransport what became of it.
type rawConn struct {
	net.Conn
	addr net.Addr
	rec  *watch.Conn
}

func (c rawConn) RemoteAddr() net.Addr { return c.addr }
func (c rawConn) Watched() *watch.Conn { return c.rec }

type madeTransport struct{ addr net.Addr }

func (t *madeTransport) Peer() *peer.Peer { return &peer.Peer{Addr: t.addr} }

// TestConnsAreForgotten has a connection's whole life: nothing of it may stay, on a
// grpc without one of the points that end it either.
func TestConnsAreForgotten(t *testing.T) {
	for name, missing := range map[string][]string{
		"all points":                   nil,
		"without removeConn":           {pointRemoveConn},
		"without serveStreams":         {pointStreams},
		"without both":                 {pointRemoveConn, pointStreams},
		"without handleRawConn":        {pointRawConn},
		"without it and removeConn":    {pointRawConn, pointRemoveConn},
		"without addConn":              {pointAddConn},
		"without that and removeConn":  {pointAddConn, pointRemoveConn},
		"without any that makes it so": {pointRawConn, pointAddConn, pointStreams},
	} {
		t.Run(name, func(t *testing.T) {
			has := without(missing...)
			k := newSink(has)
			point := func(f func(string, any, any), name string, recv, arg any) {
				if has.has(name) {
					f(name, recv, arg)
				}
			}
			addr := &net.TCPAddr{}
			raw := rawConn{addr: addr, rec: watch.NewServer().AddListener(addr, "").Accepted(addr, nil)}
			transport := &madeTransport{addr}
			point(k.Begin, pointRawConn, nil, raw)
			point(k.Begin, pointAddConn, nil, transport)
			point(k.End, pointAddConn, nil, transport)
			point(k.End, pointRawConn, nil, raw)
			point(k.Begin, pointStreams, transport, raw)
			point(k.End, pointStreams, transport, raw)
			point(k.Begin, pointRemoveConn, nil, transport)
			point(k.End, pointRemoveConn, nil, transport)
			if n, m := size(&k.conns.shaking), size(&k.conns.served); n != 0 || m != 0 {
				t.Errorf("%d that shake hands and %d that are served are left", n, m)
			}
		})
	}
}

func size(m *sync.Map) (n int) {
	m.Range(func(any, any) bool { n++; return true })
	return n
}
