// SPDX-License-Identifier: Apache-2.0

package tracer

// attr is an attribute in the making: nothing of package attribute is built
// until a span is sent.
type attr struct {
	key   string
	value any // string, bool, int, int64, float64 or []string
}

// Attribute keys. The first block are semantic conventions (v1.43.0), written
// out because importing a semconv package ties users to one otel version.
const (
	keyRPCSystem   = "rpc.system.name" // rpcSystem
	keyRPCMethod   = "rpc.method"
	keyRPCOriginal = "rpc.method_original"
	keyPeerAddress = "network.peer.address"
	keyPeerPort    = "network.peer.port"
	keyUserAgent   = "user_agent.original"
	keyErrorType   = "error.type" // package exporter sets it but for killed runs

	// Of the root.
	keyOutcome    = "shutdown.outcome"
	keyVerdict    = "shutdown.verdict"
	keyCall       = "shutdown.call"        // GracefulStop or Stop
	keyExit       = "shutdown.exit.signal" // the second one, that ended the process
	keySource     = "shutdown.source"      // call: server announced it; compiled; listener; group
	keyGRPC       = "shutdown.grpc.version"
	keyCulprit    = "shutdown.culprit" // in words; of a phase, too
	keyCulKind    = "shutdown.culprit.kind"
	keyCulPhase   = "shutdown.culprit.phase" // the phase it held
	keyCulState   = "shutdown.culprit.state"
	keyCulMethod  = "shutdown.culprit.method"
	keyRPCsCut    = "shutdown.rpcs_cut"            // with a dot and a method: of that one
	keyOutlived   = "shutdown.handlers_outlived"   // likewise
	keyLastAccept = "shutdown.clients.last_accept" // seconds before the listeners were closed
	keyRefused    = "shutdown.clients.refused"
	keyLateConns  = "shutdown.clients.late_connections" // accepted after the call
	keyUnserved   = "shutdown.clients.unserved"         // of these
	keyHandshakes = "shutdown.clients.handshakes_closed"
	keyLateRPCs   = "shutdown.clients.late_streams"
	keyArrived    = "shutdown.clients.arrived"       // during the lame duck
	keyLastArrive = "shutdown.clients.last_arrival"  // seconds since its start
	keyLameDuck   = "shutdown.clients.lame_duck"     // seconds that would have been enough
	keyMaxWindow  = "shutdown.clients.goaway_window" // seconds, the longest
	keySummarised = "shutdown.spans.summarised"
	keyLost       = "shutdown.spans.lost" // until the root was sent; with a dot and a reason: for that one
	keyForgotten  = "shutdown.forgotten." // connections, rpcs: too many to keep

	// Of the span that says that it has started: the root's parent, see origin.
	keyParent      = "shutdown.parent" // as a W3C traceparent
	keyParentState = "shutdown.parent.state"

	// Of every span where that parent may have others below it: see spans.mine.
	keyID = "shutdown.id"

	// Of a phase and of a checkpoint.
	keyPhase      = "shutdown.phase"
	keyElapsed    = "shutdown.elapsed" // seconds since the start
	keyStartLeft  = "shutdown.start."  // handshakes, connections, rpcs, handlers
	keyEndLeft    = "shutdown.end."
	keyReleasedBy = "shutdown.released_by"
	keyGap        = "shutdown.gap" // seconds

	// Of a holder. Durations are in seconds.
	keyKind             = "shutdown.holder.kind"
	keyState            = "shutdown.holder.state"
	keyAge              = "shutdown.holder.age"
	keyDetail           = "shutdown.holder.detail"
	keyOpen             = "shutdown.open"
	keyListener         = "shutdown.listener"
	keyConnection       = "shutdown.connection" // its number, where the peer is withheld
	keyBytesRead        = "shutdown.bytes_read"
	keyHandshakeTimeout = "shutdown.handshake.timeout"
	keyHandshakeOK      = "shutdown.handshake.ok"
	keyHandshakeClosed  = "shutdown.handshake.closed_by_us"
	keyGoAwaySent       = "shutdown.goaway.sent"
	keyPingAcked        = "shutdown.ping.acknowledged"
	keyFramesSeen       = "shutdown.frames_seen"
	keyDeadlineLeft     = "shutdown.rpc.deadline_left"
	keyReceived         = "shutdown.rpc.messages_received"
	keySent             = "shutdown.rpc.messages_sent"
	keyCtxCancelled     = "shutdown.rpc.ctx_cancelled" // seconds before the end
	keyOwnTrace         = "shutdown.rpc.trace_id"      // of the application's span of it, which is linked
	keyOwnSpan          = "shutdown.rpc.span_id"
	keyLate             = "shutdown.late_streams"
	keyLastLate         = "shutdown.late_streams.last" // seconds since the call
	keyHalfOpen         = "shutdown.half_open_streams"
	keyWindow           = "shutdown.goaway.window" // seconds between the two
	keyClient           = "shutdown.client"        // behind a proxy, as that says
	keyLocal            = "shutdown.peer.local"
	keyTransport        = "shutdown.rpc.transport" // servehttp, or none
	keyInfrastructure   = "shutdown.rpc.infrastructure"

	// Of a summary span, for what has no span of its own.
	keyCount    = "shutdown.summary.count"
	keyBelow    = "shutdown.summary.rpcs"     // of the connections that it counts
	keyMax      = "shutdown.summary.max"      // seconds
	keyUpTo     = "shutdown.summary.held_le_" // and a duration
	keyMoreThan = "shutdown.summary.held_gt_"
)

// rpcSystem is the value of keyRPCSystem (semantic conventions, RPC).
const rpcSystem = "grpc"
