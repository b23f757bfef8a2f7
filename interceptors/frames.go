// SPDX-License-Identifier: Apache-2.0

package interceptors

import "github.com/gracetrace/gracetrace/internal/h2"

// inbound reads the frames that the client sent.
type inbound layer

// Frame implements h2.Visitor.
func (l *inbound) Frame(f *h2.Frame) {
	switch f.Type {
	case h2.FrameHeaders:
		l.rec.StreamOpened(f.Stream, f.EndStream())
	case h2.FrameData:
		if f.EndStream() {
			l.rec.ClientEnded(f.Stream)
		}
	case h2.FrameRSTStream:
		l.rec.StreamClosed(f.Stream)
	case h2.FramePing:
		if f.Ack() {
			l.rec.PingAcked()
		}
		if f.Ack() && f.IsDrainPing() {
			l.rec.DrainPingAcked()
		}
	}
}

// outbound reads the frames that the server sent. They have left the process
// when it sees them.
type outbound layer

// Frame implements h2.Visitor.
func (l *outbound) Frame(f *h2.Frame) {
	switch f.Type {
	case h2.FrameData, h2.FrameHeaders:
		if f.EndStream() {
			l.rec.StreamClosed(f.Stream)
		}
	case h2.FrameRSTStream:
		l.rec.StreamClosed(f.Stream)
	case h2.FramePing:
		if !f.Ack() {
			l.rec.PingSent()
		}
		if !f.Ack() && f.IsDrainPing() {
			l.rec.DrainPingSent()
		}
	case h2.FrameGoAway:
		if f.ErrorCode() != 0 {
			l.rec.GivenUp()
		}
		if f.IsListenerDrain() {
			l.rec.ListenerDrained()
		}
		l.rec.GoAwaySent(f.IsFirstGoAway(), f.LastStream())
	}
}
