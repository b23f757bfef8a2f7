// SPDX-License-Identifier: Apache-2.0

package servertest

import "context"

// open connects and opens calls. Nothing is left behind by an error.
func open(
	ctx context.Context, dial DialFunc, policy Policy, calls ...Call,
) (*Client, []*Stream, error) {
	c, err := Connect(ctx, dial, policy)
	if err != nil {
		return nil, nil, err
	}
	var streams []*Stream
	for _, call := range calls {
		s, err := c.Open(call)
		if err != nil {
			_ = c.Close() // the call's error is the one to report
			return nil, nil, err
		}
		streams = append(streams, s)
	}
	return c, streams, nil
}

// openTaken is open for a client that is ready when the server has taken the
// connection and the streams of calls.
func openTaken(
	ctx context.Context, dial DialFunc, policy Policy, calls ...Call,
) (*Client, error) {
	c, streams, err := open(ctx, dial, policy, calls...)
	if err != nil || len(streams) == 0 { // SETTINGS are proof enough without
		return c, err
	}
	if c.ready, err = c.Sync(); err != nil {
		_ = c.Close() // the PING's error is the one to report
		return nil, err
	}
	return c, nil
}
