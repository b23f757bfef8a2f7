// SPDX-License-Identifier: Apache-2.0

package h2

import (
	"bytes"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
)

// conversation is what a server reads and writes in a short life: one RPC, a
// drain, and frames of every other type.
func conversation(tb testing.TB) (read, written []byte) {
	tb.Helper()
	var r, w bytes.Buffer
	r.WriteString(http2.ClientPreface)
	client, server := http2.NewFramer(&r, nil), http2.NewFramer(&w, nil)
	for _, err := range []error{
		server.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 16384}),
		client.WriteSettings(),
		client.WriteSettingsAck(),
		server.WriteSettingsAck(),
		client.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 1, BlockFragment: []byte("request"), EndHeaders: true,
		}),
		client.WriteData(1, true, make([]byte, 300)),
		client.WritePriority(3, http2.PriorityParam{}),
		server.WriteWindowUpdate(0, 300),
		server.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("response")}),
		server.WriteContinuation(1, true, []byte("more")),
		server.WriteDataPadded(1, false, make([]byte, 70_000), make([]byte, 255)),
		server.WriteGoAway(1<<32-1, http2.ErrCodeNo, []byte("graceful_stop")),
		server.WritePing(false, drainPing),
		client.WritePing(true, drainPing),
		server.WriteGoAway(1, http2.ErrCodeNo, []byte("graceful_stop")),
		server.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 1, BlockFragment: []byte("trailers"), EndHeaders: true, EndStream: true,
		}),
		client.WriteRSTStream(1, http2.ErrCodeCancel),
		client.WriteRawFrame(0xfa, 0xff, 1<<31|7, nil),
	} {
		if err != nil {
			tb.Fatal(err)
		}
	}
	return r.Bytes(), w.Bytes()
}

func TestScannerRead(t *testing.T) {
	read, _ := conversation(t)
	want := []Frame{
		{Type: FrameSettings},
		{Type: FrameSettings, Flags: 1},
		{Type: FrameHeaders, Flags: 4, Stream: 1, Length: 7},
		{Type: FrameData, Flags: 1, Stream: 1, Length: 300},
		{Type: FramePriority, Stream: 3, Length: 5},
		{Type: FramePing, Flags: 1, Length: 8, Data: drainPing},
		{Type: FrameRSTStream, Stream: 1, Length: 4, Data: [8]byte{3: 8}},
		{Type: 0xfa, Flags: 0xff, Stream: 7},
	}
	got, state := scanChunks((*Scanner).InitRead, read)
	if diff := cmp.Diff(want, got); diff != "" || state != StateHTTP2 {
		t.Errorf("state %v, frames (-want +got):\n%s", state, diff)
	}
}

func TestScannerWrite(t *testing.T) {
	_, written := conversation(t)
	want := []Frame{
		{Type: FrameSettings, Length: 6},
		{Type: FrameSettings, Flags: 1},
		{Type: FrameWindowUpdate, Length: 4},
		{Type: FrameHeaders, Stream: 1, Length: 8},
		{Type: FrameContinuation, Flags: 4, Stream: 1, Length: 4},
		{Type: FrameData, Flags: 8, Stream: 1, Length: 70_256},
		{Type: FrameGoAway, Length: 21, Data: [8]byte{0x7f, 0xff, 0xff, 0xff}, Debug: said("graceful_stop")},
		{Type: FramePing, Length: 8, Data: drainPing},
		{Type: FrameGoAway, Length: 21, Data: [8]byte{3: 1}, Debug: said("graceful_stop")},
		{Type: FrameHeaders, Flags: 5, Stream: 1, Length: 8},
	}
	got, state := scanChunks((*Scanner).InitWrite, written)
	if diff := cmp.Diff(want, got); diff != "" || state != StateHTTP2 {
		t.Errorf("state %v, frames (-want +got):\n%s", state, diff)
	}
}

// TestScannerReportsAtTheEnd pins what "the GOAWAY has left" means: a frame is
// reported with its last byte, neither before nor with the next frame.
func TestScannerReportsAtTheEnd(t *testing.T) {
	read, written := conversation(t)
	for _, test := range []struct {
		init  func(*Scanner)
		parse func([]byte) ([]Frame, State)
		bytes []byte
	}{
		{(*Scanner).InitRead, parseRead, read},
		{(*Scanner).InitWrite, parseWrite, written},
	} {
		var s Scanner
		var got frames
		test.init(&s)
		for i := range test.bytes {
			s.Scan(test.bytes[i:i+1], &got)
			if i%997 != 0 && i < len(test.bytes)-200 && i > 300 {
				continue // the twin is quadratic; beginning and end are looked at closely
			}
			want, state := test.parse(test.bytes[:i+1])
			if diff := cmp.Diff(frames(want), got); diff != "" || s.State() != state {
				t.Fatalf("after %d bytes: state %v, want %v, frames (-want +got):\n%s",
					i+1, s.State(), state, diff)
			}
		}
	}
}

func TestScannerState(t *testing.T) {
	settings := func(length uint32, typ, flags, stream byte) string {
		return string([]byte{
			byte(length >> 16), byte(length >> 8), byte(length), typ, flags, 0, 0, 0, stream,
		})
	}
	read, write := (*Scanner).InitRead, (*Scanner).InitWrite
	for _, test := range []struct {
		name  string
		init  func(*Scanner)
		bytes string
		want  State
	}{
		{"nothing read", read, "", StateUndecided},
		{"half preface", read, "PRI * HTT", StateUndecided},
		{"preface but its last byte", read, clientPreface[:23], StateUndecided},
		{"preface", read, clientPreface, StateHTTP2},
		{"wrong last byte", read, clientPreface[:23] + "\r", StateOther},
		{"HTTP/1.1 request", read, "POST / HTTP/1.1\r\n", StateOther},
		{"TLS ClientHello", read, "\x16\x03\x01\x02\x00\x01", StateOther},
		{"nothing written", write, "", StateUndecided},
		{"half a header", write, settings(6, 4, 0, 0)[:8], StateUndecided},
		{"SETTINGS", write, settings(6, 4, 0, 0), StateHTTP2},
		{"empty SETTINGS", write, settings(0, 4, 0, 0), StateHTTP2},
		{"SETTINGS ack first", write, settings(0, 4, 1, 0), StateOther},
		{"SETTINGS on a stream", write, settings(6, 4, 0, 1), StateOther},
		{"SETTINGS of 7 bytes", write, settings(7, 4, 0, 0), StateOther},
		{"SETTINGS too long", write, settings(16386, 4, 0, 0), StateOther},
		{"GOAWAY first", write, settings(6, 7, 0, 0), StateOther},
		{"HTTP/1.1 response", write, "HTTP/1.1 400 Bad Request\r\n", StateOther},
		{"TLS ServerHello", write, "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", StateOther},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, state := scanChunks(test.init, []byte(test.bytes))
			if state != test.want {
				t.Errorf("state %v, want %v", state, test.want)
			}
			if state == StateOther && len(got) != 0 {
				t.Errorf("reported %v", got)
			}
		})
	}
}

func TestScannerOtherIsFinal(t *testing.T) {
	_, written := conversation(t)
	var s Scanner
	var got frames
	s.InitWrite()
	s.Scan([]byte("HTTP/1.1 "), &got)
	s.Scan(written, &got)
	if len(got) != 0 || s.State() != StateOther {
		t.Errorf("state %v, %d frames, want other and none", s.State(), len(got))
	}
}

func TestScannerZeroValue(t *testing.T) {
	read, _ := conversation(t)
	got, state := scanChunks(func(*Scanner) {}, read)
	if len(got) != 0 || state != StateUndecided {
		t.Errorf("state %v, %d frames, want undecided and none", state, len(got))
	}
}

func TestScannerInitAgain(t *testing.T) {
	_, written := conversation(t)
	var s Scanner
	var got frames
	s.InitRead()
	s.Scan(written, &got)
	s.InitWrite()
	s.Scan(written, &got)
	if len(got) != 10 || s.State() != StateHTTP2 {
		t.Errorf("state %v, %d frames, want http2 and 10", s.State(), len(got))
	}
}

func TestScannerHugeFrame(t *testing.T) {
	var s Scanner
	var got frames
	s.InitWrite()
	s.Scan([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}, &got)
	s.Scan([]byte{0xff, 0xff, 0xff, 7, 0, 0, 0, 0, 0}, &got)
	chunk := make([]byte, 1<<20)
	for range 15 {
		s.Scan(chunk, &got)
	}
	s.Scan(chunk[:1<<20-2], &got)
	if len(got) != 1 {
		t.Fatalf("%d frames one byte before the end, want 1", len(got))
	}
	s.Scan(chunk[:1], &got)
	if len(got) != 2 || got[1].Length != 1<<24-1 {
		t.Errorf("got %+v, want a GOAWAY of 2^24-1 bytes", got)
	}
}

func TestScannerSize(t *testing.T) {
	if size := unsafe.Sizeof(Scanner{}); size > 64 {
		t.Errorf("a Scanner takes %d bytes; two are in every connection, budget 64", size)
	}
}

// said is what is kept of debug data.
func said(s string) (b [8]byte) {
	copy(b[:], s)
	return b
}
