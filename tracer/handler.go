// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAccept bounds, in bytes, what is read of an Accept header.
const maxAccept = 1 << 10

// Handler shows what holds the stop of a server while it lasts, for the
// application's own debug port:
//
//	mux.Handle("/debug/shutdown", t.Handler())
//
// It shows the stops of all servers that share t's pipeline (see
// [Tracer.ForServer]). When none runs it says so, and shows the last one that
// did; the status is 200 in either case. The answer is text, or by ?format= or
// the Accept header JSON: an object with version 1 and two arrays of [Report],
// "running", whose outcome is running, and "finished", the last 8, oldest first.
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
		http.Error(w, "no such format, want text or json", http.StatusBadRequest)
		return
	}
	var b bytes.Buffer
	if err := t.show(&b, f); err != nil {
		http.Error(w, "a fault in gracetrace, see the log", http.StatusInternalServerError)
		return
	}
	h.Set("Vary", "Accept")
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Security-Policy", f.policy)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // whoever asked has gone
	}
}

// show writes an answer. A fault of ours is told to the log and to whoever asks,
// not to the application.
func (t *Tracer) show(w io.Writer, f *liveFormat) (err error) {
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
	return f.write(w, running, finished)
}

// liveFormat is a form in which the reports are shown.
type liveFormat struct {
	name        string // of ?format=
	contentType string
	policy      string // Content-Security-Policy
	write       func(w io.Writer, running, finished []*Report) error
}

const nothingLoads = "default-src 'none'; frame-ancestors 'none'"

// liveFormats are the forms, the default first.
var liveFormats = []*liveFormat{
	{"text", "text/plain; charset=utf-8", nothingLoads, writeLiveText},
	{"json", "application/json", nothingLoads, writeLiveJSON},
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

func writeLiveJSON(w io.Writer, running, finished []*Report) error {
	none := []*Report{} // an empty array, not null
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Version  int       `json:"version"`
		Running  []*Report `json:"running"`
		Finished []*Report `json:"finished"`
	}{1, append(none, running...), append(none, finished...)})
}

func writeLiveText(w io.Writer, running, finished []*Report) error {
	var b bytes.Buffer
	for i, r := range running {
		if len(running) > 1 {
			fmt.Fprintf(&b, "shutdown %d of %d, since %s\n\n", i+1, len(running), clockTime(r.Start))
		}
		if err := r.WriteText(&b); err != nil {
			return err
		}
		b.WriteByte('\n')
	}
	if len(running) == 0 {
		b.WriteString("no shutdown is running\n")
		if n := len(finished); n > 0 {
			fmt.Fprintf(&b, "\nthe last one, of %s\n\n", clockTime(finished[n-1].Start))
			if err := finished[n-1].WriteText(&b); err != nil {
				return err
			}
		}
	} else {
		for _, r := range finished {
			fmt.Fprintf(&b, "before, of %s: %s\n", clockTime(r.Start), r.Verdict)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func clockTime(t time.Time) string { return t.Format(time.RFC3339) }
