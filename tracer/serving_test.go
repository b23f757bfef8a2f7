// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"net"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// served is what the sensors have told of a server with a silent peer and a
// connection that has an RPC.
type served struct {
	lis    *watch.Listener
	silent *watch.Conn
	conn   *watch.Conn
	rpc    *watch.RPC
}

// serving fills a Tracer's table as the sensors do.
func serving(t *Tracer) *served {
	table := t.Table()
	addr := func(last byte) *net.TCPAddr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, last), Port: 40000} }
	caller := addr(2)
	table.Resolve = func(context.Context) watch.Caller { return watch.Caller{Addr: caller} }
	p := &served{lis: table.AddListener(addr(100), "*net.TCPListener")}
	p.lis.AcceptBegin()
	p.silent = p.lis.Accepted(addr(1), closer{})
	p.silent.HandshakeBegin(time.Now().Add(time.Minute))
	p.lis.AcceptBegin()
	p.conn = p.lis.Accepted(caller, closer{})
	p.conn.HandshakeBegin(time.Now().Add(time.Minute))
	p.conn.HandshakeEnd()
	p.lis.AcceptBegin()
	p.rpc = table.Begin(context.Background(), sayHello)
	return p
}

// closeListener is what grpc does first in a stop.
func (p *served) closeListener() {
	p.lis.CloseBegin()
	p.lis.AcceptEnd()
	p.lis.CloseEnd()
}
