// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Client is an HTTP/2 client that does what its Policy says and nothing else:
// it does not reconnect, sends no PING unasked and does not keep track of the
// flow-control windows for what it sends, which must be small. Its methods may
// be called concurrently.
type Client struct {
	conn   net.Conn
	policy Policy
	reader *http2.Framer
	ready  <-chan struct{} // one of the signals below, or of a stream

	settled signal // SETTINGS exchanged in both directions
	goAway  signal // the first GOAWAY has arrived
	frozen  signal // no more is read
	aborted signal // the connection has been reset
	closing signal // Close has been called
	done    signal // the reader has ended
	tasks   sync.WaitGroup
	close   func() error

	write struct {
		sync.Mutex // guards following
		buf        bytes.Buffer
		framer     *http2.Framer
		hpack      *hpack.Encoder
		block      bytes.Buffer // what hpack encodes into
		nextStream uint32
	}

	mu       sync.Mutex // guards following
	settings struct{ received, acked bool }
	refusing bool // a GOAWAY has refused new streams
	streams  map[uint32]*Stream
	pings    []chan struct{} // by the number in their data
	err      error           // why the reader has ended
}

var _ Peer = (*Client)(nil)

// Connect connects, sends the client's preface and lets policy take it from
// there. It does not wait for the server: Ready does, until SETTINGS have been
// exchanged in both directions.
func Connect(ctx context.Context, dial DialFunc, policy Policy) (*Client, error) {
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	c := newClient(conn, policy)
	if err := c.writePreface(); err != nil {
		_ = conn.Close() // the write's error is the one to report
		return nil, err
	}
	c.tasks.Go(c.read)
	return c, nil
}

func newClient(conn net.Conn, policy Policy) *Client {
	c := &Client{
		conn: conn, policy: policy,
		reader:  http2.NewFramer(nil, conn),
		settled: newSignal(), goAway: newSignal(), frozen: newSignal(),
		aborted: newSignal(), closing: newSignal(), done: newSignal(),
		streams: make(map[uint32]*Stream),
	}
	c.ready = c.settled.ch
	c.reader.ReadMetaHeaders = hpack.NewDecoder(4096, nil) // the default table: RFC 7541
	c.write.framer = http2.NewFramer(&c.write.buf, nil)
	c.write.hpack = hpack.NewEncoder(&c.write.block)
	c.write.nextStream = 1
	c.close = sync.OnceValue(c.shut)
	return c
}

// Ready implements Peer. For a Client made by Connect it means that SETTINGS
// have been exchanged: the server has taken the connection. The other
// constructors say what it means for theirs.
func (c *Client) Ready() <-chan struct{} { return c.ready }

// Done implements Peer.
func (c *Client) Done() <-chan struct{} { return c.done.ch }

// GoAway is closed when the server has announced that it shuts down, with the
// first GOAWAY of however many.
func (c *Client) GoAway() <-chan struct{} { return c.goAway.ch }

// LocalAddr implements Peer.
func (c *Client) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// Err returns why the connection ended, io.EOF if the server closed it, and
// nil while it has not.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Sync sends a PING. The channel is closed when the server acknowledges it,
// which it does after it has taken the streams that were opened before: their
// handlers have been started. A server of grpc-go disconnects a client that
// sends more than three of them.
func (c *Client) Sync() (<-chan struct{}, error) {
	acked := make(chan struct{})
	c.mu.Lock()
	c.pings = append(c.pings, acked)
	number := uint64(len(c.pings))
	c.mu.Unlock()
	return acked, c.flush(func(fr *http2.Framer) error {
		var data [8]byte
		binary.BigEndian.PutUint64(data[:], number)
		return fr.WritePing(false, data)
	})
}

// Abort resets the connection: over TCP the server gets an RST. Close is still
// to be called.
func (c *Client) Abort() error {
	err := abort(c.conn)
	c.aborted.fire()
	return err
}

// Close implements Peer.
func (c *Client) Close() error { return c.close() }

func (c *Client) shut() error {
	c.closing.fire()
	err := c.conn.Close()
	c.tasks.Wait()
	return err
}

func (c *Client) writePreface() error {
	c.write.buf.WriteString(http2.ClientPreface)
	return c.flush(c.policy.writePreface)
}

// flush sends the frames that put writes, in one Write.
func (c *Client) flush(put func(*http2.Framer) error) error {
	c.write.Lock()
	defer c.write.Unlock()
	return c.flushLocked(put)
}

// flushLocked is flush for those who hold c.write.
func (c *Client) flushLocked(put func(*http2.Framer) error) error {
	defer c.write.buf.Reset()
	if err := put(c.write.framer); err != nil {
		return err
	}
	_, err := c.conn.Write(c.write.buf.Bytes())
	return err
}
