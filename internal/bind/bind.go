// SPDX-License-Identifier: Apache-2.0

// Package bind listens on an address. Where it cannot, it finds out why, and if
// asked to it tries again until whoever has the address has gone.
package bind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/procnet"
)

const (
	minBackoff = 50 * time.Millisecond
	maxBackoff = 500 * time.Millisecond
	// lookLimit bounds the search for the holder of an address.
	lookLimit = time.Second
)

// unixPrefix makes an address the path of a Unix socket, as in gRPC's targets.
const unixPrefix = "unix:"

// Attempt is how listening on one address went.
type Attempt struct {
	Address    string // as it was asked for
	Begin, End time.Time
	Retries    int
	// Holder had the address: at first, or in the end if Err is not nil.
	Holder procnet.Holder
	Err    error // nil: it listens
}

// Troubled reports whether the address was not free at once.
func (a *Attempt) Troubled() bool { return a.Err != nil || a.Retries > 0 }

// Listen listens on a TCP address, or on a Unix socket's path after "unix:". An
// address in use is tried again for retry, every 50 ms at first and 500 ms later,
// but not once ctx is done; inUse is told before that. The error is the last one
// of net.Listen's, and what is known besides.
func Listen(
	ctx context.Context, address string, retry time.Duration, inUse func(procnet.Holder),
) (net.Listener, Attempt) {
	a := Attempt{Address: address, Begin: time.Now()}
	var lis net.Listener
	lis, a.Err = listen(ctx, address)
	if errors.Is(a.Err, errInUse) {
		a.Holder = holderOf(a.Err)
		if retry > 0 {
			inUse(a.Holder)
			lis = a.again(ctx, retry)
		}
	}
	a.End = time.Now()
	if a.Err != nil {
		a.Err = a.explain()
		return nil, a
	}
	return lis, a
}

// again tries again until the address is free or the time is over, which is when
// it tries for the last time: once at least, however long the search for the holder
// has taken.
func (a *Attempt) again(ctx context.Context, retry time.Duration) (lis net.Listener) {
	for pause := minBackoff; ; pause = min(2*pause, maxBackoff) {
		timer := time.NewTimer(min(pause, retry-time.Since(a.Begin)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		if ctx.Err() != nil { // both may have come
			a.Err = fmt.Errorf("%w; %w", a.Err, context.Cause(ctx))
			return nil
		}
		a.Retries++
		lis, a.Err = listen(ctx, a.Address)
		if !errors.Is(a.Err, errInUse) {
			return lis
		}
		if time.Since(a.Begin) >= retry {
			a.Holder = holderOf(a.Err) // it may be another one by now
			return nil
		}
	}
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		return lc.Listen(ctx, "unix", path)
	}
	return lc.Listen(ctx, "tcp", address)
}

// holderOf asks who has the address that an error of net.Listen's is about.
func holderOf(err error) procnet.Holder {
	var op *net.OpError
	if !errors.As(err, &op) || op.Addr == nil {
		return procnet.Holder{}
	}
	return procnet.HolderOf(op.Addr, lookLimit)
}

// explain adds what net.Listen does not say.
func (a *Attempt) explain() error {
	var more []string
	switch {
	case errors.Is(a.Err, errInUse):
		if who := a.Holder.String(); who != "" {
			more = append(more, who)
		}
	case errors.Is(a.Err, fs.ErrPermission) && !strings.HasPrefix(a.Address, unixPrefix):
		more = append(more, "ports below 1024 are for those that may bind them "+
			"(on Linux CAP_NET_BIND_SERVICE)")
	}
	if a.Retries > 0 {
		more = append(more, fmt.Sprintf("still after %d retries in %s", a.Retries,
			a.End.Sub(a.Begin).Round(time.Millisecond)))
	}
	if len(more) == 0 {
		return a.Err
	}
	return fmt.Errorf("%w: %s", a.Err, strings.Join(more, "; "))
}

// Type is the kind of an attempt's error, of which there are few, for the
// attribute error.type.
func (a *Attempt) Type() string {
	var dns *net.DNSError
	var address *net.AddrError
	switch {
	case a.Err == nil:
		return ""
	case errors.Is(a.Err, errInUse):
		return "address_in_use"
	case errors.Is(a.Err, fs.ErrPermission):
		return "permission_denied"
	case errors.Is(a.Err, errNotAvailable):
		return "address_not_available"
	case errors.As(a.Err, &dns), errors.As(a.Err, &address):
		return "address_invalid"
	case errors.Is(a.Err, context.Canceled), errors.Is(a.Err, context.DeadlineExceeded):
		return "cancelled"
	}
	return "_OTHER"
}
