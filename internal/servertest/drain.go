// SPDX-License-Identifier: Apache-2.0

package servertest

import "context"

// Mute never acknowledges a PING and does everything else (scenario U10). Each
// drain waits 5 s for the answer and, because the peer does not leave either,
// 1 s for the connection to be closed. It is ready when the server has taken
// the connection and the streams of calls.
func Mute(ctx context.Context, dial DialFunc, calls ...Call) (*Client, error) {
	policy := Obedient()
	policy.AckPings = false
	policy.CloseAfterGoAway = false
	return openTaken(ctx, dial, policy, calls...)
}

// Linger acknowledges everything, but keeps the connection open when both
// sides are done with it (scenario U09). A drain waits 1 s for it to be closed.
// It is ready when the server has taken the connection and the streams of
// calls.
func Linger(ctx context.Context, dial DialFunc, calls ...Call) (*Client, error) {
	policy := Obedient()
	policy.CloseAfterGoAway = false
	return openTaken(ctx, dial, policy, calls...)
}
