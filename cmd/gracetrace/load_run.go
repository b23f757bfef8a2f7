// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/scenario"
)

const (
	// loadOrphan outlives a stop that is otherwise short.
	loadOrphan = 10 * time.Second
	// A client stays for a while and is away for a while, at random: so each
	// stop has other clients.
	minStay, maxStay = 10 * time.Second, 40 * time.Second
	minAway, maxAway = time.Second, 10 * time.Second
	// Between two attempts at a server that is not there.
	minRetry, maxRetry = 100 * time.Millisecond, 3 * time.Second
	// attemptLimit bounds one attempt.
	attemptLimit = 5 * time.Second
	// maxCalls bounds the short calls in flight at a server that hangs.
	maxCalls = 100
)

// load is what the clients of one process share.
type load struct {
	target scenario.Target
	every  time.Duration // between two short calls
	reach  *reach
}

// run keeps one scenario going until ctx is done.
func (l *load) run(ctx context.Context, s scenario.Scenario) {
	if s.Name == scenario.Short {
		l.shortCalls(ctx)
		return
	}
	retry := minRetry
	for ctx.Err() == nil {
		c, err := l.start(ctx, s)
		if err != nil {
			pause(ctx, retry/2+rand.N(retry/2))
			retry = min(2*retry, maxRetry)
			continue
		}
		retry = minRetry
		stay := time.NewTimer(minStay + rand.N(maxStay-minStay))
		select {
		case <-c.Done():
		case <-stay.C:
		case <-ctx.Done():
		}
		stay.Stop()
		c.Close()
		pause(ctx, minAway+rand.N(maxAway-minAway))
	}
}

func (l *load) start(ctx context.Context, s scenario.Scenario) (scenario.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	if err := l.knock(ctx); err != nil {
		return nil, err
	}
	return s.Start(ctx, &l.target)
}

// knock finds out whether the server is there.
func (l *load) knock(ctx context.Context) error {
	err := l.target.Knock(ctx)
	if ctx.Err() == nil || err == nil {
		l.reach.set(err)
	}
	return err
}

// shortCalls calls at the rate it was asked for. The connection looks after
// itself, as every grpc client's does.
func (l *load) shortCalls(ctx context.Context) {
	conn, err := l.target.Dial()
	if err != nil {
		l.reach.set(err)
		return
	}
	defer conn.Close()
	var calls sync.WaitGroup
	defer calls.Wait()
	free := make(chan struct{}, maxCalls)
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case free <- struct{}{}:
		default:
			continue // the server hangs: more calls would tell nothing new
		}
		calls.Go(func() {
			defer func() { <-free }()
			if err := conn.Short(ctx); status.Code(err) == codes.Unavailable {
				_ = l.knock(ctx) // is it away or did it only stop?
			}
		})
	}
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
