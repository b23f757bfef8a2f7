// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
)

// fault is what is wrong with a collector, or on the way to it.
type fault struct {
	dial           string        // refused, dropped, dns: there is no way to it
	mute           string        // tcp: it accepts connections; export: it answers no call
	up             time.Duration // since the signal; it is not there before
	away           time.Duration // it goes away then
	back           time.Duration // and comes back
	freeze         time.Duration // its connections carry nothing any more
	slow           time.Duration // of a call
	rtt            time.Duration
	cut            int    // the call during which the connection is reset
	gone           bool   // for good
	keeps          bool   // the spans of that call
	full           string // resource exhausted: always, a number of calls, or >spans
	retry          bool   // with RetryInfo of 3 s
	max            int    // bytes of a message
	rejects, warns int    // of the spans of each call
	token          bool   // it wants another
	span           int    // bytes that are added to each
	big            int    // bytes that are added to one
	tls            string // see secure
	disk           string // of the spool: see diskFault
	http           string // protobuf, json: what it speaks instead of gRPC
}

func readFault(t *testing.T, d *datadriven.TestData) (f fault) {
	t.Helper()
	f.rtt = time.Millisecond
	for _, arg := range d.CmdArgs {
		v := strings.Join(arg.Vals, ",")
		var err error
		switch arg.Key {
		case "dial":
			f.dial = v
		case "mute":
			f.mute = v
		case "up":
			f.up, err = time.ParseDuration(v)
		case "away":
			f.away, err = time.ParseDuration(v)
		case "back":
			f.back, err = time.ParseDuration(v)
		case "freeze":
			f.freeze, err = time.ParseDuration(v)
		case "slow":
			f.slow, err = time.ParseDuration(v)
		case "rtt":
			f.rtt, err = time.ParseDuration(v)
		case "cut":
			f.cut, err = strconv.Atoi(v)
		case "gone":
			f.gone = true
		case "keeps":
			f.keeps = true
		case "exhausted":
			f.full = v
		case "retryinfo":
			f.retry = true
		case "max":
			f.max, err = kibibytes(v)
		case "rejects":
			f.rejects, err = strconv.Atoi(v)
		case "warns":
			f.warns = 1
		case "token":
			f.token = true
		case "span":
			f.span, err = kibibytes(v)
		case "big":
			f.big, err = kibibytes(v)
		case "disk":
			f.disk = v
		case "http":
			f.http = v
		case "tls":
			f.tls = v
		default:
			err = errors.New("unknown argument " + arg.Key)
		}
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
	}
	return f
}

func kibibytes(v string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(v, "KiB"))
	return n << 10, err
}

// faulty is a collector with a fault: a real grpc server in a bubble.
type faulty struct {
	coltracepb.UnimplementedTraceServiceServer
	fault
	net  *memNet
	conf *tls.Config // nil: plain text
	srv  stoppable
	done chan struct{} // closed when srv has ended

	opened time.Time

	mu    sync.Mutex // guards following
	calls int        // that had spans
	most  int        // spans of one of them
	first time.Time
	spans map[string][]byte // by id, as they came
	twice int               // of these
	other int               // that came again, and were not the same
}

func newFaulty(f fault, conf *tls.Config) *faulty {
	c := &faulty{
		fault: f, conf: conf, spans: make(map[string][]byte),
		net: &memNet{lag: f.rtt / 2, mute: f.mute == "tcp"},
	}
	c.net.refuse = func(ctx context.Context) error {
		switch f.dial {
		case "refused":
			return errRefused
		case "dns":
			return &net.DNSError{Err: "no such host", Name: "collector", IsNotFound: true}
		case "dropped":
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	return c
}

// begin is at the start of the process, a minute before the signal.
func (c *faulty) begin() {
	if c.up == 0 && c.dial == "" && c.mute != "tcp" {
		c.serve()
	}
}

// signal is told when the process begins to stop. What comes at a time comes half
// a millisecond later, so that nothing of ours is at the same.
func (c *faulty) signal() (stop func()) {
	c.opened = time.Now()
	var timers []*time.Timer
	at := func(d time.Duration, f func()) {
		if d > 0 {
			timers = append(timers, time.AfterFunc(d+500*time.Microsecond, f))
		}
	}
	at(c.up, c.serve)
	at(c.away, c.leave)
	at(c.back, c.serve)
	at(c.freeze, c.net.freeze)
	return func() {
		for _, t := range timers {
			t.Stop()
		}
	}
}

func (c *faulty) serve() {
	var opts []grpc.ServerOption
	if c.max > 0 {
		opts = append(opts, grpc.MaxRecvMsgSize(c.max))
	}
	if c.conf != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(c.conf)))
	}
	srvGRPC := grpc.NewServer(opts...)
	coltracepb.RegisterTraceServiceServer(srvGRPC, c)
	c.srv, c.done = srvGRPC, make(chan struct{})
	if c.http != "" {
		c.srv = overHTTP(c)
	}
	lis, srv, done := c.net.listen(), c.srv, c.done
	go func() {
		defer close(done)
		_ = srv.Serve(lis)
	}()
}

// leave is the end of the collector's process.
func (c *faulty) leave() {
	if c.srv != nil {
		c.net.cut()
		c.srv.Stop()
		<-c.done
		c.srv = nil
	}
}

func (c *faulty) Export(ctx context.Context, req *request) (*response, error) {
	n := spansIn(&tracepb.TracesData{ResourceSpans: req.GetResourceSpans()})
	call := c.called(n)
	if c.mute == "export" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if md, _ := metadata.FromIncomingContext(ctx); c.token && md.Get("authorization")[0] != "Bearer new" {
		return nil, status.Error(codes.Unauthenticated, "invalid token")
	}
	if n == 0 {
		return &response{}, nil // the probe
	}
	select {
	case <-time.After(c.slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c.isFull(call, n) {
		if c.retry {
			return nil, throttled(codes.ResourceExhausted)
		}
		return nil, status.Error(codes.ResourceExhausted, "data refused due to high memory usage")
	}
	if c.cut > 0 && call == c.cut {
		if c.keeps {
			c.keep(req, 0)
		}
		if c.gone {
			go c.leave()
		} else {
			c.net.cut()
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	c.keep(req, min(c.rejects, n))
	resp := &response{}
	if c.rejects+c.warns > 0 {
		resp.PartialSuccess = &coltracepb.ExportTracePartialSuccess{
			RejectedSpans: int64(c.rejects), ErrorMessage: "spans are \x1b[31mtoo old",
		}
	}
	return resp, nil
}

func (c *faulty) called(spans int) (call int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if spans == 0 {
		return 0 // the probe
	}
	c.calls++
	c.most = max(c.most, spans)
	return c.calls
}

func (c *faulty) isFull(call, spans int) bool {
	if c.full == "always" {
		return true
	}
	if v, ok := strings.CutPrefix(c.full, ">"); ok {
		n, _ := strconv.Atoi(v)
		return spans > n
	}
	n, _ := strconv.Atoi(c.full)
	return call <= n
}

// keep takes all spans but the first ones.
func (c *faulty) keep(req *request, but int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	td := &tracepb.TracesData{ResourceSpans: req.GetResourceSpans()}
	otlpjson.Each(td, func(rs *tracepb.ResourceSpans, ss *tracepb.ScopeSpans, s *tracepb.Span) {
		if but--; but >= 0 {
			return
		}
		if c.first.IsZero() {
			c.first = time.Now()
		}
		one, _ := proto.MarshalOptions{Deterministic: true}.Marshal(&tracepb.ResourceSpans{
			Resource: rs.GetResource(), SchemaUrl: rs.GetSchemaUrl(),
			ScopeSpans: []*tracepb.ScopeSpans{{
				Scope: ss.GetScope(), SchemaUrl: ss.GetSchemaUrl(), Spans: []*tracepb.Span{s},
			}},
		})
		id := string(s.GetSpanId())
		switch before, known := c.spans[id]; {
		case !known:
			c.spans[id] = one
		case string(before) == string(one):
			c.twice++
		default:
			c.other++
		}
	})
}
