// SPDX-License-Identifier: Apache-2.0

package spool

import "time"

// Run is a stop of which something was left.
type Run struct {
	Service string
	TraceID string
	Start   time.Time
	Outcome string // killed: its end was made up
	Verdict string
}

// Recovered is what became of what was left.
type Recovered struct {
	Runs    []Run
	Spans   int // sent, or to be sent
	Made    int // of them, those that end a run that was killed
	Foreign int // spans of others, which are not sent
}
