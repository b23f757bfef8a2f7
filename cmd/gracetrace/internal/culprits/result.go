// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

// Result is what was found. docs/culprits.md describes its JSON.
type Result struct {
	Version int    `json:"version"` // of this format: 1
	Service string `json:"service"`
	Only    string `json:"service_version,omitempty"` // that was asked for
	// Unknown says that Jaeger has never heard of the service: its name may be mistyped.
	Unknown bool      `json:"service_unknown,omitempty"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Counts  Counts    `json:"shutdowns"`
	// Complete says that all are counted that Jaeger has; if not, Incomplete says why.
	Complete   bool       `json:"complete"`
	Incomplete []string   `json:"incomplete,omitempty"`
	Notes      []string   `json:"notes,omitempty"`
	Duration   Times      `json:"duration"`
	Phases     []Phase    `json:"phases"`
	Culprits   []Culprit  `json:"culprits"` // the longest held first
	Others     *Others    `json:"other_culprits,omitempty"`
	Versions   []Version  `json:"versions"`
	Over       *Over      `json:"fail_over,omitempty"`
	Search     SearchInfo `json:"search"`

	shown time.Time // To, or now: what lies ahead of it is for clocks that do
}

// Counts are shutdowns by outcome. Of a group of servers the group counts, once.
type Counts struct {
	All      int `json:"all"`
	Graceful int `json:"graceful"`
	Forced   int `json:"forced"`
	Killed   int `json:"killed"`
	Running  int `json:"running"`
	Unknown  int `json:"unknown,omitempty"` // an outcome that this gracetrace does not know
	RPCsCut  int `json:"rpcs_cut"`
}

// Times are durations of shutdowns, or of a phase, that are not running.
type Times struct {
	Shutdowns int `json:"shutdowns"`
	// Open counts those that had not ended when the process was killed: they took at
	// least so long.
	Open int             `json:"open,omitempty"`
	P50  tracer.Duration `json:"p50_us"`
	P95  tracer.Duration `json:"p95_us"`
	Max  tracer.Duration `json:"max_us"`
}

// Phase is one phase in all shutdowns; the members of a group have theirs each.
type Phase struct {
	Name string `json:"name"`
	Times
}

// Version is the shutdowns of one service.version.
type Version struct {
	Name string `json:"name"` // "": it has none
	Counts
	Duration Times `json:"duration"`
}

// Culprit is who held, in all shutdowns.
type Culprit struct {
	Who
	Phases []string `json:"phases"`
	// Shutdowns is in how many.
	Shutdowns int             `json:"shutdowns"`
	Held      tracer.Duration `json:"held_us"` // in all of them
	Max       tracer.Duration `json:"max_us"`  // in a phase
	Worst     Worst           `json:"worst"`
}

// Worst is where to look first.
type Worst struct {
	TraceID string          `json:"trace_id"`
	SpanID  string          `json:"span_id,omitempty"`
	Held    tracer.Duration `json:"held_us"`
	URL     string          `json:"url"`
}

// worse orders them fully, so that the order of the answers does not matter.
func (w *Worst) worse(than *Worst) bool {
	return than.TraceID == "" || cmp.Or(cmp.Compare(w.Held, than.Held),
		strings.Compare(than.TraceID, w.TraceID), strings.Compare(than.SpanID, w.SpanID)) > 0
}

// Others are culprits that are too many to be named, those that held least. One that
// comes again later may be counted twice, as may a shutdown that several of them held.
type Others struct {
	Culprits  int             `json:"culprits"`
	Shutdowns int             `json:"shutdowns"`
	Held      tracer.Duration `json:"held_us"`
}

// Over are the shutdowns that broke --fail-over.
type Over struct {
	Limit     tracer.Duration `json:"limit_us"`
	Shutdowns int             `json:"shutdowns"`
	Forced    int             `json:"forced"`
	Killed    int             `json:"killed"`
	Longer    int             `json:"longer"` // neither, but longer than Limit
	Worst     *Worst          `json:"worst,omitempty"`

	worst Worst
}

// SearchInfo is what the search took.
type SearchInfo struct {
	Answers    int   `json:"answers"`
	Bytes      int64 `json:"bytes"` // of JSON
	Traces     int   `json:"traces"`
	Unreadable int   `json:"unreadable,omitempty"`
	// Slow counts answers that came too late: less was asked for then.
	Slow int `json:"slow,omitempty"`
}

// result makes one of the sums.
func (c *collector) result() *Result {
	t := c.tally
	r := &Result{
		Version: 1, Service: c.q.Service, Only: c.q.Version, From: c.q.From.UTC(), To: c.q.To.UTC(),
		Counts: t.total.Counts, Complete: len(c.incomplete) == 0, Incomplete: c.incomplete,
		Duration: t.total.took.times(), Phases: t.phaseList(), Versions: t.versionList(),
		Culprits: []Culprit{},
		Search: SearchInfo{
			Answers: c.answers, Bytes: c.bytes, Traces: len(c.seen) - c.foreign, Unreadable: c.strange,
			Slow: c.slow,
		},
	}
	if r.shown = r.To; c.q.Now.Before(r.To) {
		r.shown = c.q.Now.UTC()
	}
	c.clocks()
	r.Notes, r.Unknown = c.notes, c.unknown
	t.culprits.prune()
	for _, g := range t.culprits.ranked() {
		g.worst.URL = c.link(&g.worst)
		r.Culprits = append(r.Culprits, Culprit{
			Who: g.Who, Phases: g.phases, Shutdowns: g.shutdowns, Held: g.held, Max: g.worst.Held,
			Worst: g.worst,
		})
	}
	if o := t.culprits.others; o.Culprits > 0 {
		r.Others = &o
	}
	if c.q.FailOver > 0 {
		r.Over = &t.over
		r.Over.Limit = tracer.Duration(c.q.FailOver)
		if r.Over.Shutdowns > 0 {
			t.over.worst.URL = c.link(&t.over.worst)
			r.Over.Worst = &t.over.worst
		}
	}
	return r
}

// clocks says what makes killed and running doubtful.
func (c *collector) clocks() {
	if d := c.drift.Round(time.Second); c.drift.Abs() > maxDrift {
		way := "ahead of"
		if d < 0 {
			way = "behind"
		}
		c.notef("Jaeger's clock is %s %s this machine's, which tells killed from running", d.Abs(), way)
	}
	if n := c.tally.future; n > 0 {
		c.notef("%d of them began in the future of this machine's clock, which tells killed from running", n)
	}
	if c.headless > 0 {
		c.notef("%d of them have lost their first span: they were found by their ends", c.headless)
	}
	if c.foreign > 0 {
		c.notef("%d other traces have a span of the same name", c.foreign)
	}
}

// link opens a trace in Jaeger at a span.
func (c *collector) link(w *Worst) string {
	link := c.q.UI + "/trace/" + w.TraceID
	if w.SpanID != "" {
		link += "?uiFind=" + w.SpanID
	}
	return link
}

// phaseOrder is the order of a shutdown. Members of a group that are no grpc servers
// have others.
var phaseOrder = []tracer.Phase{
	tracer.PhaseNotServing, tracer.PhaseLameDuck, "ServeHTTP wait", tracer.PhaseQuit,
	tracer.PhaseListenerClose, tracer.PhaseHandshakeWait, tracer.PhaseGoAway, tracer.PhaseConnWait,
	tracer.PhaseForcedStop, tracer.PhaseHandlerWait, tracer.PhaseAppFlush,
}

func (t *tally) phaseList() []Phase {
	list := make([]Phase, 0, len(t.phases))
	for name, d := range t.phases {
		list = append(list, Phase{Name: name, Times: d.times()})
	}
	place := func(p Phase) int {
		if i := slices.Index(phaseOrder, tracer.Phase(p.Name)); i >= 0 {
			return i
		}
		return len(phaseOrder)
	}
	slices.SortFunc(list, func(a, b Phase) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), strings.Compare(a.Name, b.Name))
	})
	return list
}

// versionList has the most frequent version first.
func (t *tally) versionList() []Version {
	list := make([]Version, 0, len(t.versions))
	for name, s := range t.versions {
		list = append(list, Version{Name: name, Counts: s.Counts, Duration: s.took.times()})
	}
	slices.SortFunc(list, func(a, b Version) int {
		return cmp.Or(cmp.Compare(b.All, a.All), strings.Compare(a.Name, b.Name))
	})
	return list
}

// WriteJSON writes the result as indented JSON.
func (r *Result) WriteJSON(w io.Writer) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("culprits: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
