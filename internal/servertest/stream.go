// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"fmt"
	"strconv"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Stream is an RPC that a Client has opened. Responses are counted and thrown
// away.
type Stream struct {
	client *Client
	id     uint32

	responded signal
	exhausted signal
	ended     signal
	status    *status.Status // set before ended fires
	received  uint32         // bytes of DATA, written by the reader alone
}

// ID returns the HTTP/2 stream identifier: 1, 3, 5 in the order of opening.
func (s *Stream) ID() uint32 { return s.id }

// Responded is closed when the first frame of the response has arrived.
func (s *Stream) Responded() <-chan struct{} { return s.responded.ch }

// Exhausted is closed when the server has used up the stream's flow-control
// window and, unless the policy updates windows, can send no more.
func (s *Stream) Exhausted() <-chan struct{} { return s.exhausted.ch }

// Ended is closed when the RPC has ended or its connection has.
func (s *Stream) Ended() <-chan struct{} { return s.ended.ch }

// Status waits for the end of the RPC and returns how it ended, as a gRPC
// client would report it.
func (s *Stream) Status() *status.Status {
	<-s.ended.ch
	return s.status
}

// Send sends a message. The limits of Call.Message apply.
func (s *Stream) Send(msg []byte) error {
	data, err := frameMessage(msg)
	if err != nil {
		return err
	}
	return s.client.flush(func(fr *http2.Framer) error {
		return fr.WriteData(s.id, false, data)
	})
}

// CloseSend ends the client's side of the stream.
func (s *Stream) CloseSend() error {
	return s.client.flush(func(fr *http2.Framer) error {
		return fr.WriteData(s.id, true, nil)
	})
}

// Cancel resets the stream, which cancels the handler's context.
func (s *Stream) Cancel() error {
	c := s.client
	c.endStream(s.id, reset(http2.ErrCodeCancel))
	err := c.flush(func(fr *http2.Framer) error {
		return fr.WriteRSTStream(s.id, http2.ErrCodeCancel)
	})
	if c.left() {
		_ = c.conn.Close() // the reader may have nothing more to read
	}
	return err
}

// receive counts n bytes of DATA.
func (s *Stream) receive(n uint32) {
	s.responded.fire()
	s.received += n
	if s.received >= s.client.policy.streamWindow() {
		s.exhausted.fire()
	}
}

// end is called once, by whoever removed the stream from its client.
func (s *Stream) end(st *status.Status) {
	s.status = st
	s.ended.fire()
}

func (c *Client) addStream(id uint32) (*Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, fmt.Errorf("connection has ended: %w", c.err)
	}
	s := &Stream{
		client: c, id: id,
		responded: newSignal(), exhausted: newSignal(), ended: newSignal(),
	}
	c.streams[id] = s
	return s, nil
}

// stream returns an open stream or nil.
func (c *Client) stream(id uint32) *Stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams[id]
}

func (c *Client) endStream(id uint32, st *status.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.streams[id]; s != nil {
		delete(c.streams, id)
		s.end(st)
	}
}

// trailers returns the status in the last headers of a response.
func trailers(f *http2.MetaHeadersFrame) *status.Status {
	code, message := codes.Unknown, ""
	for _, field := range f.RegularFields() {
		switch field.Name {
		case "grpc-status":
			if n, err := strconv.ParseUint(field.Value, 10, 32); err == nil {
				code = codes.Code(n)
			}
		case "grpc-message":
			message = field.Value
		}
	}
	return status.New(code, message)
}

// reset returns the status of a stream that was reset, by the rules of gRPC
// over HTTP/2 for the codes that a server uses.
func reset(code http2.ErrCode) *status.Status {
	result := codes.Internal
	switch code {
	case http2.ErrCodeRefusedStream:
		result = codes.Unavailable
	case http2.ErrCodeCancel:
		result = codes.Canceled
	case http2.ErrCodeEnhanceYourCalm:
		result = codes.ResourceExhausted
	}
	return status.Newf(result, "stream reset: %v", code)
}

// lost returns the status of a stream whose connection is of no more use.
func lost(err error) *status.Status {
	return status.Newf(codes.Unavailable, "connection lost: %v", err)
}
