// SPDX-License-Identifier: Apache-2.0

package tracer

import "strings"

// Kinds of notes.
const (
	noteRemedy    = "remedy"
	noteBug       = "known bug"
	noteClients   = "clients"
	noteStopCall  = "stop call"
	notePanic     = "panic"     // of a handler
	noteSignature = "signature" // a wait as long as a constant of grpc-go's
)

// Where the rows below come from.
const (
	kubernetesIssue = "https://github.com/kubernetes/kubernetes/issues/"
	grpcIssue       = "https://github.com/grpc/grpc-go/issues/"
	grpcPull        = "https://github.com/grpc/grpc-go/pull/"
	keepalive       = "https://pkg.go.dev/google.golang.org/grpc/keepalive#ServerParameters"
)

// known is a wait, or a harm to clients, that others have met, and what helps.
type known struct {
	name string
	kind string
	when func(*situation) bool
	text string
	ref  string
}

// knowns are looked through from the top; all that hold are told. Bugs of
// grpc-go before v1.72 are not among them: with that this module can't be built.
// A row about versions does not hold if the version is not known.
var knowns = []known{
	{
		"stop inside a handler", noteRemedy,
		func(s *situation) bool { return s.State == stateFromInside },
		"stop the server from outside of its handlers: this one waits for itself",
		"https://pkg.go.dev/google.golang.org/grpc#Server.GracefulStop",
	}, {
		"health watch", noteRemedy,
		func(s *situation) bool { return s.open() && s.method() == methodHealthWatch },
		"give the server its health.Server (server.Health): Watch streams then end after " +
			"NOT_SERVING, while health.Server.Shutdown leaves them open",
		grpcIssue + "8882",
	}, {
		"debugging tool", noteRemedy,
		func(s *situation) bool { return s.open() && s.Infrastructure && s.method() != methodHealthWatch },
		"end the tool that has this RPC (grpcurl, grpcui, grpcdebug): it is none of your clients",
		"https://github.com/grpc/grpc/blob/master/doc/server-reflection.md",
	}, {
		"stream in Recv", noteRemedy,
		func(s *situation) bool {
			return s.business() && s.State == stateInRecv && !s.endRecv[s.method()]
		},
		"end its Recv when the server drains (server.EndRecv): GracefulStop cancels no context, and " +
			"a Recv returns only when the client sends, ends its side or goes",
		grpcIssue + "1355",
	}, {
		"stream in Send", noteRemedy,
		func(s *situation) bool { return s.business() && s.State == stateInSend && !s.isFrozen() },
		"give the stream a deadline: its client does not read, and while it answers PINGs no " +
			"keepalive ends that",
		"https://github.com/gazette/core/issues/266",
	}, {
		"stream in its handler", noteRemedy,
		func(s *situation) bool {
			return s.business() && s.State == stateInHandler && s.rpc.stream && !s.ctxCancelled(&s.holder)
		},
		"return from the handler when the server drains (Server.Draining, server.CancelStreams): " +
			"GracefulStop cancels no context",
		grpcIssue + "3113",
	}, {
		"stream ignores its context", noteRemedy,
		func(s *situation) bool {
			return s.business() && s.State == stateInHandler && s.rpc.stream &&
				s.ignored(s.rpc, &s.holder) >= promptly
		},
		"return from the handler when its context is cancelled: server.CancelStreams has done it",
		grpcIssue + "3113",
	}, {
		"unary without a deadline", noteRemedy,
		func(s *situation) bool {
			return s.business() && s.State == stateInHandler && !s.rpc.stream && s.rpc.deadline == never
		},
		"give the call a deadline, or the work in the handler a bound", grpcIssue + "2448",
	}, {
		"message incomplete", noteRemedy,
		func(s *situation) bool { return s.State == stateIncomplete },
		"set keepalive's MaxConnectionAge and MaxConnectionAgeGrace: unless it has a deadline, " +
			"nothing else ends an RPC whose message does not come",
		keepalive,
	}, {
		"orphan handler", noteRemedy,
		func(s *situation) bool { return s.Kind == HolderHandler && s.State != stateFromInside },
		"return from the handler when its context is cancelled: its client has gone",
		grpcIssue + "6921",
	}, {
		"Stop blocked by GracefulStop", noteBug,
		func(s *situation) bool {
			return s.before(release{1, 85, 0}) && s.graceful && s.forced != never && s.Kind == HolderHandler
		},
		"upgrade grpc-go to 1.85.0: until then Stop waits for a lock that GracefulStop keeps " +
			"while handlers run",
		grpcIssue + "9393",
	}, {
		"Stop leaves handlers", noteRemedy,
		func(s *situation) bool { return !s.graceful && s.leftBehind() },
		"set grpc.WaitForHandlers(true), or wait for them before you close what they use: Stop " +
			"has returned while handlers were running",
		grpcIssue + "6921",
	}, {
		"silent client", noteRemedy,
		func(s *situation) bool { return s.Kind == HolderHandshake && s.State == stateTCP },
		"lower grpc.ConnectionTimeout, 120 s by default: until it ends this neither GracefulStop " +
			"nor Stop goes on, and no client gets a GOAWAY",
		"https://github.com/prometheus/prometheus/pull/7810",
	}, {
		"half a handshake", noteRemedy,
		func(s *situation) bool {
			return s.Kind == HolderHandshake && (s.State == stateTLS || s.State == statePreface)
		},
		"lower grpc.ConnectionTimeout, 120 s by default: it bounds TLS and HTTP/2 preface together",
		"https://pkg.go.dev/google.golang.org/grpc#ConnectionTimeout",
	}, {
		"code of the application's", noteRemedy,
		func(s *situation) bool { return s.Kind == HolderUserHook || s.State == stateCallback },
		"give this code a bound of its own: grpc waits for it, and not even Stop interrupts it",
		"https://pkg.go.dev/google.golang.org/grpc/tap#ServerInHandle",
	}, {
		"cmux", noteRemedy,
		func(s *situation) bool { return s.accepting() && strings.Contains(s.goType(), "cmux.") },
		"call SetReadTimeout of cmux: it waits for every connection that has not yet said what it is",
		"https://github.com/soheilhy/cmux/issues/76",
	}, {
		"Accept after Close", noteRemedy,
		func(s *situation) bool { return s.accepting() && !strings.Contains(s.goType(), "cmux.") },
		"make the listener's Close unblock its Accept, as net.Listener demands",
		"https://pkg.go.dev/net#Listener",
	}, {
		"mute peer", noteSignature,
		func(s *situation) bool { return s.State == statePingUnacked },
		"5 s, and 1 s of linger: the peer does not answer the PING after its GOAWAY; update its " +
			"HTTP/2 library",
		"https://github.com/nghttp2/nghttp2/issues/1103",
	}, {
		"lingering peer", noteSignature,
		func(s *situation) bool { return s.State == stateLinger },
		"up to 1 s: grpc waits for the peer to close first, so that it loses nothing; let clients " +
			"close when they have got a GOAWAY",
		grpcIssue + "5930",
	}, {
		"answer not read", noteRemedy,
		func(s *situation) bool { return s.State == stateBytesUnsent },
		"set keepalive's MaxConnectionAge and MaxConnectionAgeGrace: a client that does not read its " +
			"answers, but answers PINGs, is ended by nothing else",
		keepalive,
	}, {
		"frozen peer", noteRemedy,
		func(s *situation) bool { return s.State == stateWriteBlocked || s.isFrozen() },
		"set keepalive's Time and Timeout: they end a connection whose peer is frozen",
		grpcIssue + "4172",
	}, {
		"stream quota", noteRemedy,
		func(s *situation) bool { return s.State == stateReaderBlocked },
		"return from handlers when their context is cancelled: until then a cancelled RPC counts " +
			"for MaxConcurrentStreams, and with all in use nothing more is read",
		grpcPull + "6703",
	}, {
		"drained by a control plane", noteRemedy,
		func(s *situation) bool { return (s.State == stateDraining || s.isDraining()) && s.byPlane() },
		"set keepalive's MaxConnectionAge and MaxConnectionAgeGrace: nothing else bounds for how long " +
			"a connection drains whose listener the control plane has changed",
		"https://github.com/grpc/proposal/blob/master/A36-xds-for-servers.md",
	}, {
		"already draining", noteRemedy,
		func(s *situation) bool { return (s.State == stateDraining || s.isDraining()) && !s.byPlane() },
		"set keepalive's MaxConnectionAgeGrace, infinite by default: it bounds how long a connection " +
			"drains",
		keepalive,
	}, {
		"proxy on this machine", noteRemedy,
		func(s *situation) bool { return s.Local == string(localProxy) },
		"look for the client in the log of the proxy: the peer is on this machine; and let a sidecar " +
			"outlive the server",
		"https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/",
	}, {
		"gateway", noteRemedy,
		func(s *situation) bool { return s.Local == string(sameProcess) && s.isClient() },
		"stop the client first, then the server: the peer is this process itself, such as a gateway",
		"https://github.com/grpc-ecosystem/grpc-gateway",
	}, {
		"ServeHTTP", noteClients,
		func(s *situation) bool { return len(s.cutHTTP()) > 0 && s.http.cutAt() == never },
		"serve through the ServeHTTP of package server, which waits for these RPCs: GracefulStop " +
			"cuts what came through grpc's own",
		grpcPull + "9136",
	}, {
		"clients not told", noteClients,
		func(s *situation) bool { return s.untoldClients() != "" && s.lameDuck() == 0 },
		"fail the readiness probe and serve on for 5 s before the stop (lame duck or preStop): " +
			"it takes time until nobody connects any more",
		kubernetesIssue + "43576",
	}, {
		"lame duck too short", noteClients,
		func(s *situation) bool { return s.untoldClients() != "" && s.lameDuck() > 0 },
		"lengthen the lame duck, and the grace period with it: clients still connected when it was over",
		kubernetesIssue + "43576",
	}, {
		"flush", noteRemedy,
		func(s *situation) bool { return s.Kind == HolderFlush },
		"give the flush a bound of its own: a batch span processor waits 10 s and more for a collector " +
			"that does not answer",
		"https://github.com/open-telemetry/opentelemetry-go/issues/8631",
	},
}

// notes tells what is known of a shutdown.
func (tl *timeline) notes(views []phaseView) []Note { return tl.notesOf(tl.longest(views)) }

// notesOf tells the same if a phase is the one to look at.
func (tl *timeline) notesOf(main *phaseView) (notes []Note) {
	s := tl.situation(main)
	for i := range knowns {
		if k := &knowns[i]; k.when(s) {
			notes = append(notes, Note{Kind: k.kind, Text: k.text, Ref: k.ref})
		}
	}
	notes = append(append(notes, tl.unseenNotes()...), tl.stopNotes()...)
	return append(append(notes, tl.panicNotes()...), tl.withheldNotes()...)
}
