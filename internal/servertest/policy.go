// SPDX-License-Identifier: Apache-2.0

package servertest

import "golang.org/x/net/http2"

// Policy says which duties of an HTTP/2 client a Client performs. The zero
// value sends the preface and then does nothing by itself; Obedient returns
// the policy of a client without fault.
type Policy struct {
	// AckSettings acknowledges SETTINGS (RFC 9113, section 6.5.3).
	AckSettings bool

	// AckPings answers PINGs (section 6.7), which is what the drain of grpc-go
	// waits 5 s for.
	AckPings bool

	// UpdateWindows gives back the flow-control window that DATA has used
	// (section 6.9).
	UpdateWindows bool

	// CloseAfterGoAway closes the connection when a GOAWAY has refused new
	// streams and the last open stream has ended, or when the server closes.
	// Otherwise the connection stays open until Close.
	CloseAfterGoAway bool

	// FreezeAtData stops reading from the connection for good after the first
	// DATA frame.
	FreezeAtData bool

	// StreamWindow is what the server may send on a stream before it needs a
	// WINDOW_UPDATE, at most 2^31-1. 0 means HTTP/2's default of 65,535.
	StreamWindow uint32

	// ConnWindow is the same for all streams together. It can only be raised:
	// 65,535 or less means the default.
	ConnWindow uint32
}

// Obedient returns the policy of a client that does everything HTTP/2 asks of
// it and leaves when it is told to.
func Obedient() Policy {
	return Policy{
		AckSettings:      true,
		AckPings:         true,
		UpdateWindows:    true,
		CloseAfterGoAway: true,
	}
}

const (
	defaultWindow = 65_535    // RFC 9113, section 6.9.2
	maxWindow     = 1<<31 - 1 // RFC 9113, section 6.9.1
)

func (p Policy) streamWindow() uint32 {
	if p.StreamWindow == 0 {
		return defaultWindow
	}
	return p.StreamWindow
}

// writePreface writes what a client sends first, windows included.
func (p Policy) writePreface(fr *http2.Framer) error {
	settings := []http2.Setting{{ID: http2.SettingEnablePush, Val: 0}}
	if p.StreamWindow != 0 {
		settings = append(settings, http2.Setting{
			ID: http2.SettingInitialWindowSize, Val: p.StreamWindow,
		})
	}
	if err := fr.WriteSettings(settings...); err != nil {
		return err
	}
	if p.ConnWindow <= defaultWindow {
		return nil
	}
	return fr.WriteWindowUpdate(0, p.ConnWindow-defaultWindow)
}
