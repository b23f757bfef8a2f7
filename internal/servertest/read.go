// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"encoding/binary"
	"errors"

	"golang.org/x/net/http2"
)

var (
	errLeft    = errors.New("client left after GOAWAY") // ends the reader
	errRefused = errors.New("refused by GOAWAY")        // ends a stream
)

// read reads frames until the connection ends or the policy says otherwise.
func (c *Client) read() {
	defer c.done.fire()
	err := c.readFrames()
	c.mu.Lock()
	c.err = err
	for _, s := range c.streams {
		s.end(lost(err))
	}
	clear(c.streams)
	c.mu.Unlock()
	if c.policy.CloseAfterGoAway {
		_ = c.conn.Close() // Close reports it again
	}
}

func (c *Client) readFrames() error {
	for {
		f, err := c.reader.ReadFrame()
		if err != nil {
			return err
		}
		if err := c.handle(f); err != nil {
			return err
		}
		if _, ok := f.(*http2.DataFrame); ok && c.policy.FreezeAtData {
			c.frozen.fire()
			<-c.closing.ch
		}
		if c.left() {
			return errLeft
		}
	}
}

// left reports whether the client is to leave: its policy says so and the
// server wants nothing more of the connection.
func (c *Client) left() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.policy.CloseAfterGoAway && c.refusing && len(c.streams) == 0
}

func (c *Client) handle(f http2.Frame) error {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		return c.handleSettings(f)
	case *http2.PingFrame:
		return c.handlePing(f)
	case *http2.GoAwayFrame:
		c.handleGoAway(f)
	case *http2.MetaHeadersFrame:
		c.handleHeaders(f)
	case *http2.DataFrame:
		return c.handleData(f)
	case *http2.RSTStreamFrame:
		c.endStream(f.StreamID, reset(f.ErrCode))
	}
	return nil
}

func (c *Client) handleSettings(f *http2.SettingsFrame) error {
	c.mu.Lock()
	if f.IsAck() {
		c.settings.acked = true
	} else {
		c.settings.received = true
	}
	if c.settings.acked && c.settings.received {
		c.settled.fire()
	}
	c.mu.Unlock()
	if f.IsAck() || !c.policy.AckSettings {
		return nil
	}
	return c.flush(func(fr *http2.Framer) error { return fr.WriteSettingsAck() })
}

func (c *Client) handlePing(f *http2.PingFrame) error {
	if !f.IsAck() {
		if !c.policy.AckPings {
			return nil
		}
		data := f.Data
		return c.flush(func(fr *http2.Framer) error { return fr.WritePing(true, data) })
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i := binary.BigEndian.Uint64(f.Data[:]) - 1
	if i < uint64(len(c.pings)) && c.pings[i] != nil {
		close(c.pings[i])
		c.pings[i] = nil
	}
	return nil
}

// handleGoAway gives up the streams that the server has not taken: "those
// streams are not or will not be processed" (RFC 9113, section 6.8).
func (c *Client) handleGoAway(f *http2.GoAwayFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The first of a graceful shutdown refuses nothing.
	c.refusing = c.refusing || f.LastStreamID != maxStream
	for id, s := range c.streams {
		if id > f.LastStreamID {
			delete(c.streams, id)
			s.end(lost(errRefused))
		}
	}
	c.goAway.fire()
}

func (c *Client) handleHeaders(f *http2.MetaHeadersFrame) {
	if s := c.stream(f.StreamID); s != nil {
		s.responded.fire()
	}
	if f.StreamEnded() {
		c.endStream(f.StreamID, trailers(f))
	}
}

func (c *Client) handleData(f *http2.DataFrame) error {
	if s := c.stream(f.StreamID); s != nil {
		s.receive(f.Length)
	}
	if f.StreamEnded() { // a gRPC server ends with trailers
		c.endStream(f.StreamID, reset(http2.ErrCodeNo))
	}
	if f.Length == 0 || !c.policy.UpdateWindows {
		return nil
	}
	return c.flush(func(fr *http2.Framer) error {
		return errors.Join(
			fr.WriteWindowUpdate(0, f.Length),
			fr.WriteWindowUpdate(f.StreamID, f.Length),
		)
	})
}
