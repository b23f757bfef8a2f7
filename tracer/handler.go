// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// maxAccept bounds, in bytes, what is read of an Accept header.
const maxAccept = 1 << 10

// Handler shows what holds the stop of a server while it lasts, for the
// application's own debug port:
//
//	mux.Handle("/debug/shutdown", t.Handler())
//
// It shows the stops of all servers that share t's pipeline (see
// [Tracer.ForServer]), and those of a group as one. When none runs it says so, and shows the last one that
// did; the status is 200 in either case. The answer is text, or by ?format= or
// the Accept header
//
//   - html: the page of [Report.WriteHTML], of several stops their list;
//   - json: an object with version 1 and two arrays of [Report], "running", whose
//     outcome is running, and "finished", the last 8, oldest first.
//
// With ?n=2 it is about the second of those that run alone.
//
// It answers GET and HEAD and changes nothing. A stop is looked at no more than
// ten times a second, however many ask, and never waits for that. It shows peers,
// methods and user-agents: keep it off ports that clients can reach.
func (t *Tracer) Handler() http.Handler {
	if t == nil {
		return http.NotFoundHandler()
	}
	return http.HandlerFunc(t.serveLive)
}

func (t *Tracer) serveLive(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "a shutdown can only be looked at: GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	f := formatOf(r)
	if f == nil {
		http.Error(w, "no such format, want text, json or html", http.StatusBadRequest)
		return
	}
	n, err := strconv.Atoi(cmp.Or(r.URL.Query().Get("n"), "0"))
	if err != nil || n < 0 {
		http.Error(w, "n is the number of a stop that runs, from 1", http.StatusBadRequest)
		return
	}
	var b bytes.Buffer
	if err := t.show(&b, f, n); err != nil {
		http.Error(w, "a fault in gracetrace, see the log", http.StatusInternalServerError)
		return
	}
	h.Set("Vary", "Accept")
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Security-Policy", f.policy())
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // whoever asked has gone
	}
}

// show writes an answer, about the nth stop alone if n is positive. A fault of
// ours is told to the log and to whoever asks, not to the application.
func (t *Tracer) show(w io.Writer, f *liveFormat, n int) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
		if err != nil {
			defer func() { _ = recover() }() // the logger may be the fault
			t.cfg.log.Error("gracetrace: a fault in the tracer", "panic", err.Error())
		}
	}()
	running, finished := t.live.look()
	if n > 0 {
		running = running[min(n-1, len(running)):min(n, len(running))]
	}
	return f.write(w, running, finished)
}

// liveFormat is a form in which the reports are shown.
type liveFormat struct {
	name        string // of ?format=
	contentType string
	policy      func() string // Content-Security-Policy
	write       func(w io.Writer, running, finished []*Report) error
}

// noFrame keeps a page of ours out of somebody else's.
const noFrame = "; frame-ancestors 'none'"

func nothingLoads() string { return "default-src 'none'" + noFrame }

func pageLoads() string { return contentPolicy(unixLines(pageCSS), unixLines(pageJS)) + noFrame }

// liveFormats are the forms, the default first.
var liveFormats = []*liveFormat{
	{"text", "text/plain; charset=utf-8", nothingLoads, writeLiveText},
	{"json", "application/json", nothingLoads, writeLiveJSON},
	{"html", "text/html; charset=utf-8", pageLoads, writeLiveHTML},
}

// formatOf is the form that a request asks for; nil if there is no such form.
func formatOf(r *http.Request) *liveFormat {
	if name := r.URL.Query().Get("format"); name != "" {
		for _, f := range liveFormats {
			if f.name == name {
				return f
			}
		}
		return nil
	}
	best, weight := liveFormats[0], 0.0
	accept := r.Header.Get("Accept")
	for part := range strings.SplitSeq(accept[:min(len(accept), maxAccept)], ",") {
		kind, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q, err := strconv.ParseFloat(params["q"], 64)
		if err != nil {
			q = 1
		}
		for _, f := range liveFormats {
			if q > weight && strings.HasPrefix(f.contentType, strings.TrimRight(kind, "*/")) {
				best, weight = f, q
				break
			}
		}
	}
	return best
}
