// SPDX-License-Identifier: Apache-2.0

package stack

import "strings"

// Reading is what a dump tells about one server.
type Reading struct {
	Handlers []Handler
	Hooks    []Hook
	Stop     StopPlace
	// Goroutines counts those that were read: less than there were if the dump
	// was cut.
	Goroutines int
}

// Stack is where a goroutine is.
type Stack struct {
	Function string // the application's innermost frame; empty: there is none
	Source   string // of that frame: greeter.go:88
	Text     string // of all frames above those that are grpc's on every stack
}

// Handler is an RPC's goroutine.
type Handler struct {
	Stack
	// Entry is the address of the RPC's entry; empty where the dump does not
	// show it.
	Entry string
	// Method is what generated code's name tells of it: Greeter_SayHello.
	Method string
	// Decoding says that grpc still waits for the RPC's message.
	Decoding bool
}

// Hook is user code that grpc runs and waits for, where no RPC of ours is.
type Hook struct {
	Stack
	Kind HookKind
}

// A mark is a function of package interceptors whose first argument is an RPC's
// entry, and below which its handler runs.
const mark = "mark"

func (f *Frame) marks() bool {
	return f.Package() == sensors && strings.HasPrefix(f.local(), mark)
}

// Read reads a dump. server is the address of the *grpc.Server as the dump shows
// it; of other servers' goroutines nothing is told. If it is empty, it is not
// known, and where there are several, handlers are all that is told.
func Read(dump, server string) Reading {
	var r Reading
	stops := make(map[StopPlace]bool)
	servers := make(map[string]bool)
	for g := range All(dump) {
		r.Goroutines++
		marked := false
		for i := range g.Frames {
			if f := &g.Frames[i]; f.marks() {
				r.Handlers = append(r.Handlers, handler(g.Frames[:i], f.Arg))
				marked = true
			}
		}
		of := serverOf(g.Frames)
		if of != "" && server == "" && !servers[of] {
			servers[strings.Clone(of)] = true
		}
		if marked || of != "" && server != "" && of != server {
			continue
		}
		if place, ok := stopPlace(g.Frames); ok {
			stops[place] = true
		} else if h, ok := hook(g.Frames); ok {
			r.Hooks = append(r.Hooks, h)
		}
	}
	if r.Stop = first(stops); len(servers) > 1 {
		r.Hooks, r.Stop = nil, StopUnknown // whose they are is not known
	}
	return r
}

// serverOf returns the address of the *grpc.Server whose goroutine this is; empty
// if it is none's, or the dump does not show it.
func serverOf(frames []Frame) string {
	for i := range frames {
		f := &frames[i]
		if f.Arg != "" && strings.HasPrefix(f.Function, grpc+".(*Server).") &&
			!strings.Contains(f.local(), ".") { // a function literal has other arguments
			return f.Arg
		}
	}
	return ""
}

// handler reads the frames above a mark.
func handler(frames []Frame, entry string) Handler {
	h := Handler{Entry: strings.Clone(entry)}
	inner := frames // above the generated code: the handler, if it runs
	for i := range frames {
		if m := frames[i].wraps(); m != "" {
			inner, h.Method = frames[:i], strings.Clone(m)
			break
		}
	}
	h.Decoding = decoding(inner)
	h.Stack = place(frames)
	if h.Decoding {
		h.Function, h.Source = "", "" // no handler runs yet: it would be an interceptor
	}
	return h
}

// decoding reports whether frames are of grpc's waiting for a message on no
// application's behalf.
func decoding(frames []Frame) bool {
	waits := false
	for i := range frames {
		// An interceptor may have wrapped the stream.
		if frames[i].application() && frames[i].Method() != "RecvMsg" {
			return false
		}
		waits = waits || frames[i].is(grpc, "recvAndDecompress") || frames[i].is(grpc, "recv")
	}
	return waits
}

func place(frames []Frame) Stack {
	at := site(frames)
	s := Stack{Text: text(frames, at)}
	if at >= 0 {
		s.Function, s.Source = frames[at].Name(), frames[at].Source()
	}
	return s
}
