// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/gracetrace/gracetrace/exporter"
)

// plan is a shutdown that is made, span by span, as the library would send it.
type plan struct {
	number int
	spans  int // that it has
	start  time.Time
	took   time.Duration // until conn wait was over or, of one that was killed, it was told of last
	killed bool
	forced bool
	by     *blamed // nil: nobody
}

// blamed is a culprit of conn wait.
type blamed struct{ kind, state, method, agent string }

// connWaitAt is when conn wait begins, handlersFor how long the handlers take after it.
const (
	connWaitAt  = 3 * time.Millisecond
	handlersFor = time.Millisecond
	tick        = time.Microsecond
)

// maker makes the spans of one plan.
type maker struct {
	*plan
	trace trace.TraceID
	ids   uint64
	all   []exporter.Span
}

func (p *plan) make() (trace.TraceID, []exporter.Span) {
	m := &maker{plan: p}
	binary.BigEndian.PutUint64(m.trace[:], 0xa11ce)
	binary.BigEndian.PutUint64(m.trace[8:], uint64(p.number)+1)
	m.ids = uint64(p.number) << 16
	root, started, wait := m.id(), m.id(), m.id()
	call := []attribute.KeyValue{
		attribute.String("rpc.system.name", "grpc"), attribute.String("shutdown.source", "call"),
		attribute.String("shutdown.call", "GracefulStop"), attribute.String("shutdown.grpc.version", "1.85.0"),
	}
	m.span(started, trace.SpanID{}, "grpc.server.shutdown started", tick, 2*tick, call...)
	m.phase(m.id(), root, "quit", 2*tick, 12*tick)
	m.phase(m.id(), root, "listener close", 13*tick, 85*tick)
	m.phase(m.id(), root, "handshake wait", 86*tick, 2*time.Millisecond)
	m.phase(m.id(), root, "GOAWAY", 2*time.Millisecond+tick, connWaitAt)
	m.checkpoints(started)
	last := 3 // conn wait, handler wait and the root
	if p.killed {
		last = 0
	}
	m.connections(wait, p.spans-len(m.all)-last)
	if !p.killed {
		m.phase(wait, root, "conn wait", connWaitAt+tick, p.took)
		m.phase(m.id(), root, "handler wait", p.took+tick, p.took+handlersFor)
		outcome, cut := "graceful", 0
		if p.forced {
			outcome, cut = "forced", 1
		}
		m.span(root, trace.SpanID{}, "grpc.server.shutdown", 0, p.took+handlersFor, append(call,
			attribute.String("shutdown.outcome", outcome), attribute.String("shutdown.verdict", m.verdict()),
			attribute.Int("shutdown.rpcs_cut", cut))...)
	}
	return m.trace, m.all
}

func (m *maker) id() (id trace.SpanID) {
	m.ids++
	binary.BigEndian.PutUint64(id[:], m.ids<<8|1)
	return id
}

func (m *maker) span(id, parent trace.SpanID, name string, from, to time.Duration,
	attrs ...attribute.KeyValue,
) {
	m.all = append(m.all, exporter.Span{
		TraceID: m.trace, SpanID: id, Parent: parent, Name: name,
		Start: m.start.Add(from), End: m.start.Add(to), Attributes: attrs,
	})
}

func (m *maker) verdict() string {
	return fmt.Sprintf("conn wait took %s of %s: rpc greeter.v1.Greeter/Watch from 10.0.0.8:6001, open 3h12m, "+
		"no deadline, handler blocked in Recv at greeter.go:88", m.took, m.took+handlersFor)
}

func left(prefix string, n int) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.Int(prefix+"handshakes", 0), attribute.Int(prefix+"connections", n),
		attribute.Int(prefix+"rpcs", n), attribute.Int(prefix+"handlers", 0),
	}
}

func (m *maker) phase(id, root trace.SpanID, name string, from, to time.Duration) {
	attrs := append([]attribute.KeyValue{attribute.String("shutdown.phase", name)},
		left("shutdown.start.", m.spans/4)...)
	m.span(id, root, name, from, to, append(attrs, left("shutdown.end.", 1)...)...)
}

// checkpoints are at 1, 3 and 6 s and, of one that was killed, at the last that is known.
func (m *maker) checkpoints(started trace.SpanID) {
	from := 2 * tick
	for _, at := range []time.Duration{time.Second, 3 * time.Second, 6 * time.Second, m.took} {
		if at > m.took || at == m.took && !m.killed || from > at {
			continue
		}
		id := m.id()
		m.span(id, started, "checkpoint conn wait", from, at, append([]attribute.KeyValue{
			attribute.String("shutdown.phase", "conn wait"), attribute.Float64("shutdown.elapsed", at.Seconds()),
			attribute.String("shutdown.verdict", m.verdict()),
		}, left("shutdown.end.", 1)...)...)
		if m.by != nil {
			m.holder(m.id(), id, from, at, m.by, true, attribute.Bool("shutdown.open", true))
		}
		from = at + tick
	}
}

// connections are so many spans: each connection with its RPCs, and the culprit.
func (m *maker) connections(wait trace.SpanID, n int) {
	const rpcs = 2 // of each connection; what is over is the last one's
	peaceful := &blamed{"rpc", "in handler", "greeter.v1.Greeter/SayHello", "grpc-go/1.85.0"}
	if m.by != nil && !m.killed {
		m.holder(m.id(), wait, connWaitAt+tick, m.took, m.by, true)
		n--
	}
	for n > 0 {
		id, end := m.id(), connWaitAt+time.Duration(n)*10*tick
		m.holder(id, wait, connWaitAt+tick, end, &blamed{kind: "connection", agent: peaceful.agent}, false)
		n--
		for i := 0; i < rpcs && n > 0; i++ {
			m.holder(m.id(), id, connWaitAt+2*tick, end-tick, peaceful, false)
			n--
		}
	}
}

func (m *maker) holder(id, parent trace.SpanID, from, to time.Duration, by *blamed, culprit bool,
	more ...attribute.KeyValue,
) {
	name := by.kind
	attrs := append([]attribute.KeyValue{
		attribute.String("shutdown.holder.kind", by.kind), attribute.String("shutdown.phase", "conn wait"),
		attribute.Float64("shutdown.holder.age", 11520), attribute.String("user_agent.original", by.agent),
		attribute.String("network.peer.address",
			fmt.Sprintf("10.%d.%d.%d", m.number>>8&255, m.number&255, id[6])),
		attribute.Int("network.peer.port", 1024+int(id[6])<<8),
	}, more...)
	if by.state != "" {
		attrs = append(attrs, attribute.String("shutdown.holder.state", by.state))
	}
	if by.method != "" {
		name += " Greeter"
		attrs = append(attrs, attribute.String("rpc.method", by.method), attribute.String("rpc.system.name", "grpc"),
			attribute.String("shutdown.holder.detail", "no deadline, handler blocked at greeter.go:88, 17 messages in, 3 out"),
			attribute.Int("shutdown.rpc.messages_received", 17), attribute.Int("shutdown.rpc.messages_sent", 3))
	}
	if culprit {
		attrs = append(attrs, attribute.Bool("shutdown.holder.culprit", true))
	}
	m.span(id, parent, name, from, to, attrs...)
}
