// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/metadata"
)

// Call is an RPC to be opened.
type Call struct {
	// Method is the full name, such as /greeter.v1.Greeter/Watch.
	Method string

	// Message is the serialized request, of which nil is a valid one. It must
	// fit into one frame: 16,379 bytes.
	Message []byte

	// HeadersOnly leaves the message out. Stream.Send sends it, if ever.
	HeadersOnly bool

	// KeepOpen does not end the client's side after the message, as the client
	// of a client or bidirectional stream does not.
	KeepOpen bool

	// Timeout is the RPC's deadline as the server is told it. 0 means none.
	// The client does not enforce it.
	Timeout time.Duration

	// Metadata is sent as it is: binary values are not encoded.
	Metadata metadata.MD
}

// fields returns the request headers of a gRPC call, as described in
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
func (call Call) fields() []hpack.HeaderField {
	fields := []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: call.Method},
		{Name: ":authority", Value: "servertest"},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "te", Value: "trailers"},
	}
	if call.Timeout > 0 {
		fields = append(fields, hpack.HeaderField{
			Name: "grpc-timeout", Value: encodeTimeout(call.Timeout),
		})
	}
	for name, values := range call.Metadata {
		for _, value := range values {
			fields = append(fields, hpack.HeaderField{Name: strings.ToLower(name), Value: value})
		}
	}
	return fields
}

// encodeTimeout writes d in the finest unit in which it has 8 digits, the most
// there may be, and rounds up, because 0 has expired.
func encodeTimeout(d time.Duration) string {
	const limit = 100_000_000
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Nanosecond, "n"}, {time.Microsecond, "u"}, {time.Millisecond, "m"}} {
		if n := (d-1)/unit.size + 1; n < limit {
			return strconv.FormatInt(int64(n), 10) + unit.name
		}
	}
	return strconv.FormatInt(int64((d-1)/time.Second+1), 10) + "S"
}

const (
	maxFrame      = 16_384 // RFC 9113, section 6.5.2, SETTINGS_MAX_FRAME_SIZE
	messagePrefix = 5      // compressed flag and length
	maxStream     = 1<<31 - 1
)

// frameMessage returns msg with the prefix gRPC puts before each message.
func frameMessage(msg []byte) ([]byte, error) {
	if len(msg) > maxFrame-messagePrefix {
		return nil, fmt.Errorf("message of %d bytes does not fit into one frame of %d",
			len(msg), maxFrame)
	}
	data := make([]byte, messagePrefix, messagePrefix+len(msg))
	binary.BigEndian.PutUint32(data[1:], uint32(len(msg)))
	return append(data, msg...), nil
}

// Open opens an RPC and sends what call says. It does not wait for the server.
func (c *Client) Open(call Call) (*Stream, error) {
	var data []byte
	if !call.HeadersOnly {
		var err error
		if data, err = frameMessage(call.Message); err != nil {
			return nil, err
		}
	}
	c.write.Lock()
	defer c.write.Unlock()
	s, err := c.addStream(c.write.nextStream)
	if err != nil {
		return nil, err
	}
	c.write.nextStream += 2
	return s, c.flushLocked(func(fr *http2.Framer) error {
		if err := writeHeaders(fr, s.id, c.encode(call.fields())); err != nil || data == nil {
			return err
		}
		return fr.WriteData(s.id, !call.KeepOpen, data)
	})
}

// writeHeaders writes a header block in as many frames as it needs (RFC 9113,
// section 6.10).
func writeHeaders(fr *http2.Framer, id uint32, block []byte) error {
	first := block[:min(len(block), maxFrame)]
	block = block[len(first):]
	err := fr.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: first, EndHeaders: len(block) == 0,
	})
	for err == nil && len(block) > 0 {
		next := block[:min(len(block), maxFrame)]
		block = block[len(next):]
		err = fr.WriteContinuation(id, len(block) == 0, next)
	}
	return err
}

// encode returns the header block of fields; c.write must be held.
func (c *Client) encode(fields []hpack.HeaderField) []byte {
	c.write.block.Reset()
	for _, field := range fields {
		_ = c.write.hpack.WriteField(field) // writes to a buffer
	}
	return c.write.block.Bytes()
}
