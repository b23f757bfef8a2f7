// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// recvGrace is how long the Recvs of a stream may wait, in all, once the server
// drains. What has arrived takes microseconds; a starved CPU may take longer.
const recvGrace = 50 * time.Millisecond

// EndRecv ends a Recv that waits when the server drains (see [Server.Draining]),
// on the streams of the named methods, such as "/pkg.Service/Method" or
// "pkg.Service/Method", whose clients send a stream. Nothing else does, but the
// client itself and a forced stop: a context that is cancelled does not
// (https://github.com/grpc/grpc-go/issues/1355). A method that is not registered
// when the server begins to serve, or whose client does not stream, makes Serve
// return an error that names it.
//
// The Recv returns a status, Unavailable "server is draining", which a handler
// mostly returns; the client then tries again elsewhere. All later Recvs of the
// stream return it too. Send goes on to work.
//
// No message is lost that has arrived when a Recv could have taken it: once the
// drain has begun, a stream's Recvs may wait for 50 ms in all, and return
// whatever comes until then. To take one that is already there needs microseconds
// of these: messages that wait behind a slow handler are delivered, and a stream
// whose client sends without a pause ends later. What comes after the error is
// thrown away: to the client Unavailable means that it can't know what was
// received.
//
// A message that is not a proto.Message is received as it always was: its Recv
// does not end. Interceptors that stand outside of this package's (the one of
// grpc.StreamInterceptor, and with [Wrap] all) have their stream's RecvMsg called
// in a goroutine of ours, which may last a little longer than the handler.
//
// It costs such a stream a goroutine and about 900 bytes, and each message that it
// receives about 1 µs and a second message for the garbage collector. By default,
// Recv waits.
func EndRecv(methods ...string) grpc.ServerOption {
	return option{apply: func(s *Server) error {
		if len(methods) == 0 {
			return fmt.Errorf("server: EndRecv(): no method is named")
		}
		if s.ending.recv == nil {
			s.ending.recv = make(map[string]bool)
		}
		for _, m := range methods {
			s.ending.recv[strings.TrimPrefix(m, "/")] = true
		}
		s.ending.needDrained()
		return nil
	}}
}

// checkRecv says what is wrong with a method that EndRecv was given.
func (s *streams) checkRecv(name string, services map[string]grpc.ServiceInfo, wrapped bool) error {
	service, method, _ := strings.Cut(name, "/")
	for _, m := range services[service].Methods {
		switch {
		case m.Name != method:
			continue
		case !m.IsClientStream:
			return fmt.Errorf("server: EndRecv(%q): its client does not stream", name)
		case wrapped && !s.registered[name]:
			return fmt.Errorf("server: EndRecv(%q): not registered through the result of Wrap", name)
		}
		return nil
	}
	return fmt.Errorf("server: EndRecv(%q): no such method is registered", name)
}

func compareErrors(a, b error) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }

// receiver receives in a goroutine of its own, so that a Recv can end before the
// one below it does. Like a stream's, its recvMsg is called by one goroutine at a
// time, but not always by the handler's: one that a handler has left behind may
// call it while the handler returns, and after that.
type receiver struct {
	inner   grpc.ServerStream
	drained chan struct{}
	got     chan received // has room: nobody may be there to take it
	left    time.Duration // of recvGrace
	ended   bool          // a Recv has been ended: the one below it still runs

	mu     sync.Mutex         // guards following
	wanted chan proto.Message // has room for the one; nil: the goroutine does not run
	closed bool               // the handler has returned
}

// received is what came of a Recv.
type received struct {
	msg      proto.Message
	err      error
	exited   bool // it did not return: a panic, or runtime.Goexit
	panicked any
}

func newReceiver(inner grpc.ServerStream) *receiver {
	return &receiver{inner: inner, drained: make(chan struct{}), left: recvGrace}
}

// drain is called once, when the server drains.
func (r *receiver) drain() { close(r.drained) }

// close is called when the handler has returned, which ends the stream and with
// it a Recv that still runs.
func (r *receiver) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.goneLocked()
}

// goneLocked lets the goroutine end, if it runs. r.mu must be held.
func (r *receiver) goneLocked() {
	if r.wanted != nil {
		close(r.wanted)
		r.wanted = nil
	}
}

// want asks the goroutine for a message, unless the handler has returned.
func (r *receiver) want(msg proto.Message) (ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	if r.wanted == nil {
		r.wanted, r.got = make(chan proto.Message, 1), make(chan received, 1)
		go r.receive(r.wanted) // until close, and the end of the stream
	}
	r.wanted <- msg
	return true
}

// exited is called when the goroutine has ended by itself.
func (r *receiver) exited() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.goneLocked()
}

func (r *receiver) recvMsg(m any) error {
	if r.ended {
		return errDraining
	}
	dst, ok := receivable(m)
	// Not into m: the handler may use that again when its Recv has been ended.
	if !ok || !r.want(dst.New().Interface()) {
		return r.inner.RecvMsg(m)
	}
	res, ok := r.wait()
	if !ok {
		r.ended = true
		return errDraining
	}
	if res.exited {
		r.exited()
	}
	return res.deliver(dst)
}

// receivable returns what a message that a Recv is to fill can be filled by.
func receivable(m any) (dst protoreflect.Message, ok bool) {
	if msg, is := m.(proto.Message); is {
		dst = msg.ProtoReflect()
	}
	return dst, dst != nil && dst.IsValid()
}

// receive is the goroutine.
func (r *receiver) receive(wanted <-chan proto.Message) {
	var res received
	defer func() {
		if res.exited {
			res.panicked = recover()
			r.got <- res
		}
	}()
	for msg := range wanted {
		res = received{msg: msg, exited: true}
		res.err = r.inner.RecvMsg(msg)
		res.exited = false
		r.got <- res
	}
}

// wait returns what the goroutine has received; not ok: the drain has ended it.
func (r *receiver) wait() (res received, ok bool) {
	select {
	case res = <-r.got:
		return res, true
	case <-r.drained:
	}
	began := time.Now()
	timer := time.NewTimer(max(r.left, 0))
	defer timer.Stop()
	select {
	case res = <-r.got:
		r.left -= time.Since(began)
		return res, true
	case <-timer.C:
	}
	select {
	case res = <-r.got: // at the same moment
		return res, true
	default:
		return res, false
	}
}

// deliver is the end of a Recv in the handler's goroutine. What an interceptor
// does to the goroutine that it believes to be the handler's is done to that.
func (res *received) deliver(dst protoreflect.Message) error {
	switch {
	case res.panicked != nil:
		panic(res.panicked)
	case res.exited:
		runtime.Goexit()
	case res.err != nil:
		return res.err
	}
	move(dst, res.msg.ProtoReflect())
	return nil
}

// move makes dst what src is, without a copy: nobody else has src.
func move(dst, src protoreflect.Message) {
	proto.Reset(dst.Interface())
	src.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		dst.Set(f, v)
		return true
	})
	if unknown := src.GetUnknown(); len(unknown) > 0 {
		dst.SetUnknown(unknown)
	}
}
