// SPDX-License-Identifier: Apache-2.0

package stack

// StopPlace is where in grpc's stop its goroutine is.
type StopPlace string

// The places in grpc's stop.
const (
	StopUnknown StopPlace = ""
	StopInCond  StopPlace = "Cond.Wait"      // waits until no connection is left
	StopInWait  StopPlace = "WaitGroup.Wait" // for accept loops and handshakes, or for handlers
	StopInDrain StopPlace = "Drain"          // of a connection, whose lock a tap handle holds
	StopInMutex StopPlace = "Mutex.Lock"     // another stop call holds the server's lock
	StopInUser  StopPlace = "user code"      // a listener's Close
)

// stopPlaces is the order in which one is chosen when there are several calls:
// the one that all others wait for comes first.
var stopPlaces = []StopPlace{StopInDrain, StopInUser, StopInWait, StopInCond, StopInMutex}

func first(found map[StopPlace]bool) StopPlace {
	for _, p := range stopPlaces {
		if found[p] {
			return p
		}
	}
	return StopUnknown
}

// stopPlace reads a goroutine that is in (*grpc.Server).stop.
func stopPlace(frames []Frame) (StopPlace, bool) {
	at := -1
	for i := range frames {
		if frames[i].is(grpc, "(*Server).stop") {
			at = i
		}
	}
	for i := at - 1; i >= 0; i-- { // outwards in
		f := &frames[i]
		switch {
		case f.is(transport, "(*http2Server).Drain"):
			return StopInDrain, true
		case f.application(), f.is(sensors, "(*listener).Close"):
			return StopInUser, true // ours waits for the user's
		case f.is("sync", "(*Cond).Wait"):
			return StopInCond, true
		case f.is("sync", "(*WaitGroup).Wait"):
			return StopInWait, true
		case f.is("sync", "(*Mutex).Lock"):
			return StopInMutex, true
		}
	}
	return StopUnknown, at >= 0
}
