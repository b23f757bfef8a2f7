// SPDX-License-Identifier: Apache-2.0

package stack

import "strings"

// HookKind is what kind of user code grpc called.
type HookKind string

// The kinds of hooks.
const (
	HookTap         HookKind = "tap handle"        // grpc.InTapHandle
	HookStats       HookKind = "stats handler"     // any of its four methods
	HookCredentials HookKind = "credentials"       // their ServerHandshake
	HookCallback    HookKind = "callback"          // one that a handshake calls, of a tls.Config
	HookInterceptor HookKind = "outer interceptor" // or a handler that no sensor sees
)

// statsMethods are those of a stats.Handler.
var statsMethods = words("TagConn HandleConn TagRPC HandleRPC")

// connMethods are those of a connection. Waiting in one of a user's own is
// waiting for the peer, which the sensors of connections tell.
var connMethods = words(`Read Write Close LocalAddr RemoteAddr SetDeadline SetReadDeadline
	SetWriteDeadline ReadOnReady`)

// hook tells the user code that grpc's server runs on a goroutine. What kind it
// is follows from where grpc called it: from the outermost frame of the
// application above grpc's.
func hook(frames []Frame) (h Hook, ok bool) {
	root := -1 // grpc's outermost
	for i := range frames {
		if serves(&frames[i]) {
			root = i
		}
	}
	entry := root - 1
	for entry >= 0 && !frames[entry].application() {
		entry--
	}
	if entry < 0 || connMethods[frames[entry].Method()] || readsPeer(frames[:entry]) {
		return h, false
	}
	if h.Kind, ok = kindOf(&frames[entry], frames[entry+1:]); !ok {
		return h, false
	}
	if h.Kind == HookCredentials && reads(frames[:entry]) {
		return h, false
	}
	h.Stack = place(frames[:root+1])
	return h, true
}

// serves reports whether a frame is of a goroutine that grpc's server has
// started.
func serves(f *Frame) bool {
	return strings.HasPrefix(f.Function, grpc+".(*Server).") || f.is(transport, "NewServerTransport") ||
		strings.HasPrefix(f.Function, transport+".(*http2Server).")
}

// readsPeer reports whether frames wait in a Read of the watched connection.
func readsPeer(frames []Frame) bool {
	for i := range frames {
		if frames[i].Package() == sensors && frames[i].Method() == "Read" {
			return true
		}
	}
	return false
}

// reads reports whether frames wait in a Read of whatever. Credentials that are
// given the bare connection mostly wait for their peer there, and where they do
// not it cannot be told.
func reads(frames []Frame) bool {
	for i := range frames {
		if frames[i].Method() == "Read" {
			return true
		}
	}
	return false
}

// kindOf tells what called entry. below are the frames outwards from it.
func kindOf(entry *Frame, below []Frame) (kind HookKind, ok bool) {
	switch name := entry.Method(); {
	case statsMethods[name]:
		return HookStats, true
	case name == "ServerHandshake":
		return HookCredentials, true
	}
	for i := range below {
		f := &below[i]
		switch {
		case f.is(transport, "(*http2Server).operateHeaders"):
			return HookTap, true
		case f.is(grpc, "(*Server).handleStream"), f.is(grpc, "(*Server).processUnaryRPC"),
			f.is(grpc, "(*Server).processStreamingRPC"):
			return HookInterceptor, true
		case f.is(grpc, "(*Server).handleRawConn"):
			return HookCallback, true
		case f.is(grpc, "(*Server).serveStreams"):
			return "", false // nothing that has a name
		}
	}
	return "", false
}
