// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"log/slog"
	"slices"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// The points of orchestrion.yml, which has the same names. Each is a function of
// grpc-go, or a call in its stop.
const (
	pointNewServer   = "NewServer"
	pointCreds       = "Creds"
	pointKeepalive   = "KeepaliveParams"
	pointRegister    = "RegisterService"
	pointServe       = "Serve"
	pointInfo        = "GetServiceInfo"
	pointStop        = "stop"
	pointListeners   = "closeListenersLocked"
	pointServeWait   = "serveWG.Wait"
	pointDrain       = "drainAllServerTransportsLocked"
	pointClose       = "closeServerTransportsLocked"
	pointConnWait    = "cv.Wait"
	pointHandlerWait = "handlersWG.Wait"
	pointRawConn     = "handleRawConn"
	pointStreams     = "serveStreams"
	pointAddConn     = "addConn"
	pointRemoveConn  = "removeConn"
	pointGoAway      = "http2Server.Drain"
	pointGoAwayOut   = "http2Server.outgoingGoAwayHandler"
	pointConnClose   = "http2Server.Close"
)

// pointXDS is in programs that import package xds, pointXDSServe is its part in
// them.
const (
	pointXDS      = "xds"
	pointXDSServe = "xds.GRPCServer.Serve"
)

// expected are all of them: grpc-go has them from 1.72 to 1.85.
var expected = []string{
	pointNewServer, pointCreds, pointKeepalive, pointRegister, pointServe, pointInfo,
	pointStop, pointListeners, pointServeWait, pointDrain, pointClose, pointConnWait,
	pointHandlerWait, pointRawConn, pointStreams, pointAddConn, pointRemoveConn,
	pointGoAway, pointGoAwayOut, pointConnClose,
}

// needs are the points without which a boundary is not told.
var needs = map[watch.Boundary][]string{
	watch.ListenersClosing: {pointListeners},
	watch.ListenersClosed:  {pointListeners},
	watch.HandshakesOver:   {pointServeWait},
	watch.GoAwayQueued:     {pointDrain, pointClose},
	watch.ConnsGone:        {pointStop, pointConnWait, pointHandlerWait},
}

// points are those that were woven into this program.
type points []string

func (p points) has(names ...string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(p, n) })
}

// missing are the expected ones that were not.
func (p points) missing() []string {
	all := slices.Clone(expected)
	if p.has(pointXDS) {
		all = append(all, pointXDSServe)
	}
	return slices.DeleteFunc(all, func(n string) bool { return p.has(n) })
}

// say logs which points are missing, if any are.
func (p points) say(log *slog.Logger) {
	if gone := p.missing(); len(gone) > 0 {
		log.Warn("compiled in, but not everywhere: this grpc-go has other functions, "+
			"what they would tell is seen from outside",
			"missing", gone, "grpc_version", grpc.Version)
	}
}

// sayUnwoven logs that no server will be seen, before there is one.
func sayUnwoven(p points) {
	const why = "nothing of grpc-go is compiled in: " +
		"import package weave in orchestrion.tool.go only, and build with orchestrion"
	switch {
	case len(p) == 0:
		slog.Warn(why) //nolint:forbidigo,sloglint // there is no tracer whose logger it could be
	case !p.has(pointNewServer) && !p.has(pointServe):
		p.say(slog.Default())
	}
}
