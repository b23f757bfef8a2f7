// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestSevered: a Stop on top of a GracefulStop closes all that is left at once.
// One connection that was cut while others went on was not: it was too old.
func TestSevered(t *testing.T) {
	const cut, later = 2 * time.Second, 5 * time.Second
	one := func(severed bool, streams int, done, gone time.Duration) connLine {
		c := connLine{transport: true, exchange: true, goAway: 0, streams: streams, streamsDone: done}
		c.severed, c.closed, c.gone = severed, gone, gone
		return c
	}
	for name, tt := range map[string]struct {
		others []connLine
		want   time.Duration
	}{
		"alone":                        {nil, cut},
		"all at once":                  {[]connLine{one(true, 3, never, cut+1)}, cut},
		"another had ended":            {[]connLine{one(false, 0, time.Second, time.Second)}, cut},
		"another was idle":             {[]connLine{one(false, 0, never, cut+1)}, cut},
		"another went on":              {[]connLine{one(false, 0, later, later)}, never},
		"another's peer went later":    {[]connLine{one(false, 1, never, later)}, never},
		"another is there":             {[]connLine{one(false, 1, never, never)}, never},
		"another is there and is idle": {[]connLine{one(false, 0, never, never)}, never},
	} {
		t.Run(name, func(t *testing.T) {
			tl := &timeline{
				unannounced: true, graceful: true, forced: never, now: 10 * time.Second,
				conns: append(tt.others, one(true, 1, never, cut)),
			}
			tl.infer()
			if tl.forced != tt.want || !tl.graceful {
				t.Errorf("forced %s after the call, want %s; graceful is %t", tl.forced, tt.want, tl.graceful)
			}
			tl.conns[len(tl.conns)-1].goAway, tl.forced = -1, never
			if tl.infer(); tl.forced != never {
				t.Errorf("drained before the stop: forced %s after the call", tl.forced)
			}
		})
	}
}

// TestGivenUpTwice: whoever ends a shutdown that was found to be none meanwhile does not
// begin to send it.
func TestGivenUpTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, _ := newTestTracer(t)
		p := serving(tr)
		p.silent.Closed()
		p.silent.HandshakeEnd()
		p.closeListener()
		current := func() *Shutdown {
			tr.mu.Lock()
			defer tr.mu.Unlock()
			return tr.current
		}
		s := current()
		if s == nil {
			t.Fatal("the listener's end is not seen")
		}
		time.Sleep(2 * doubtLimit) // of the bubble's
		tr.Table().End(p.rpc)
		p.conn.Closed()
		if current() != nil || !tr.Table().Empty() {
			t.Fatal("it is still there")
		}
		s.giveUp()
		if s.session != nil {
			t.Error("it was sent")
		}
	})
}
