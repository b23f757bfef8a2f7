// SPDX-License-Identifier: Apache-2.0

package h2

import "testing"

func TestFrameAck(t *testing.T) {
	for _, test := range []struct {
		frame Frame
		want  bool
	}{
		{Frame{Type: FramePing, Flags: 1}, true},
		{Frame{Type: FramePing}, false},
		{Frame{Type: FrameSettings, Flags: 1}, true},
		{Frame{Type: FrameSettings, Flags: 0xfe}, false},
		{Frame{Type: FrameData, Flags: 1}, false},
	} {
		if got := test.frame.Ack(); got != test.want {
			t.Errorf("%+v: Ack() = %v, want %v", test.frame, got, test.want)
		}
	}
}

func TestFrameEndStream(t *testing.T) {
	for _, test := range []struct {
		frame Frame
		want  bool
	}{
		{Frame{Type: FrameData, Flags: 1}, true},
		{Frame{Type: FrameHeaders, Flags: 5}, true},
		{Frame{Type: FrameHeaders, Flags: 4}, false},
		{Frame{Type: FramePing, Flags: 1}, false},
		{Frame{Type: FrameContinuation, Flags: 1}, false},
	} {
		if got := test.frame.EndStream(); got != test.want {
			t.Errorf("%+v: EndStream() = %v, want %v", test.frame, got, test.want)
		}
	}
}

func TestFrameNumbers(t *testing.T) {
	data := [8]byte{0x80, 0, 0, 5, 0, 0, 0, 11}
	for _, test := range []struct {
		frame      Frame
		last, code uint32
	}{
		{Frame{Type: FrameGoAway, Data: data}, 5, 11},
		{Frame{Type: FrameRSTStream, Data: [8]byte{0, 0, 0, 8}}, 0, 8},
		{Frame{Type: FramePing, Data: data}, 0, 0},
	} {
		if got := test.frame.LastStream(); got != test.last {
			t.Errorf("%+v: LastStream() = %d, want %d", test.frame, got, test.last)
		}
		if got := test.frame.ErrorCode(); got != test.code {
			t.Errorf("%+v: ErrorCode() = %d, want %d", test.frame, got, test.code)
		}
	}
}

func TestFrameDrain(t *testing.T) {
	first := [8]byte{0x7f, 0xff, 0xff, 0xff}
	reserved := [8]byte{0xff, 0xff, 0xff, 0xff}
	failed := [8]byte{0x7f, 0xff, 0xff, 0xff, 7: 2}
	for _, test := range []struct {
		name          string
		frame         Frame
		goAway, aPing bool
	}{
		{"first", Frame{Type: FrameGoAway, Data: first}, true, false},
		{"reserved bit set", Frame{Type: FrameGoAway, Data: reserved}, true, false},
		{"final", Frame{Type: FrameGoAway, Data: [8]byte{0, 0, 0, 3}}, false, false},
		{"error", Frame{Type: FrameGoAway, Data: failed}, false, false},
		{"drain ping", Frame{Type: FramePing, Length: 8, Data: drainPing}, false, true},
		{"its ack", Frame{Type: FramePing, Flags: 1, Length: 8, Data: drainPing}, false, true},
		{"keepalive", Frame{Type: FramePing, Length: 8}, false, false},
		{"not a ping", Frame{Type: FrameGoAway, Length: 8, Data: drainPing}, false, false},
	} {
		if got := test.frame.IsFirstGoAway(); got != test.goAway {
			t.Errorf("%s: IsFirstGoAway() = %v, want %v", test.name, got, test.goAway)
		}
		if got := test.frame.IsDrainPing(); got != test.aPing {
			t.Errorf("%s: IsDrainPing() = %v, want %v", test.name, got, test.aPing)
		}
	}
}

func TestFrameTypeString(t *testing.T) {
	for typ, want := range map[FrameType]string{
		FrameData: "DATA", FrameGoAway: "GOAWAY", FrameContinuation: "CONTINUATION", 0xfa: "0xfa",
	} {
		if got := typ.String(); got != want {
			t.Errorf("FrameType(%d).String() = %q, want %q", uint8(typ), got, want)
		}
	}
}

// TestIsListenerDrain: grpc-go says why it drains a connection.
func TestIsListenerDrain(t *testing.T) {
	for reason, want := range map[string]bool{
		"draining": true, "": false, "graceful_stop": false, "max_age": false, "max_idle": false,
	} {
		f := Frame{Type: FrameGoAway, Debug: said(reason)}
		if got := f.IsListenerDrain(); got != want {
			t.Errorf("a GOAWAY that says %q is one for its listener: %v, want %v", reason, got, want)
		}
	}
	if f := (Frame{Type: FramePing, Debug: said("draining")}); f.IsListenerDrain() {
		t.Error("a PING is taken for a GOAWAY")
	}
}
