// SPDX-License-Identifier: Apache-2.0

package interceptors

import "google.golang.org/grpc/mem"

// readyReader is what grpc-go from 1.81 on looks for (its
// internal/transport/readyreader.Reader): a read that takes a buffer only once
// there is something to read, so that an idle connection holds none.
type readyReader interface {
	ReadOnReady(size int, pool mem.BufferPool) (buf *[]byte, n int, err error)
}

// layerReadyConn watches a connection that offers such reads by itself, as the
// ALTS credentials' does.
type layerReadyConn struct {
	*layer
	ready readyReader
}

type layerReadySyscallConn struct {
	layerReadyConn
	syscallConn
}

// ReadOnReady implements readyReader.
func (c layerReadyConn) ReadOnReady(size int, pool mem.BufferPool) (*[]byte, int, error) {
	c.rec.ReadBegin()
	buf, n, err := c.ready.ReadOnReady(size, pool)
	var p []byte
	if buf != nil {
		p = (*buf)[:n]
	}
	c.hasRead(p, err)
	return buf, n, err
}
