// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

// htmlReport has one of everything, with text wherever a text stands that
// somebody else wrote.
func htmlReport(text string) *Report {
	after := Duration(-3 * time.Millisecond)
	left := Left{Connections: 2, RPCs: 1}
	rpc := Bar{
		Name: "rpc " + text, Offset: Duration(sec), Duration: Duration(6 * sec), Note: text,
		Kind: HolderRPC, State: stateInRecv, Culprit: true, Open: true, Stack: 1,
	}
	return &Report{
		Version: 1, Service: text, TraceID: text, Call: text, GRPC: text, JaegerURL: text,
		Start: call, Duration: Duration(7 * sec), Outcome: OutcomeForced, Verdict: text,
		RPCsCut: map[string]int{text: 2},
		Clients: Clients{LastAccept: &after, Refused: 3, LateConnections: 2, Unserved: 1},
		Notes:   []Note{{Kind: text, Text: text, Ref: text}},
		Phases: []PhaseReport{
			{Name: PhaseQuit, Duration: Duration(12 * tick)},
			{
				Name: PhaseConnWait, Offset: Duration(sec), Duration: Duration(6 * sec), Open: true,
				LeftAtStart: left, ReleasedBy: text, Gap: Duration(ms),
				Culprit: &Holder{Kind: HolderRPC, Method: text, Peer: text, Detail: text, Source: text},
				Bars: []Bar{
					{Name: "connection", Note: text, Kind: HolderConnection, Culprit: true, Bars: []Bar{rpc}},
					{Name: text, Note: text, Kind: HolderKind(text), State: text, More: 4},
				},
			},
		},
		Checkpoints: []Checkpoint{
			{Offset: Duration(sec), Phase: Phase(text), Left: left, Verdict: text},
			{Offset: Duration(3 * sec), Phase: PhaseConnWait, Verdict: text},
		},
		Stacks: []Stack{{Offset: Duration(3 * sec), Method: text, Function: text, Source: text, Text: text}},
		Spans:  SpanCount{Sent: 9, Lost: map[string]int{text: 1}},
	}
}

func writeHTML(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// parsePage reads a page as a browser does.
func parsePage(t *testing.T, page string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// elements returns those that match.
func elements(doc *html.Node, match func(*html.Node) bool) (found []*html.Node) {
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && match(n) {
			found = append(found, n)
		}
	}
	return found
}

func tagged(name string) func(*html.Node) bool {
	return func(n *html.Node) bool { return n.Data == name }
}

func withClass(name string) func(*html.Node) bool {
	return func(n *html.Node) bool { return slices.Contains(strings.Fields(attrOf(n, "class")), name) }
}

func withID(id string) func(*html.Node) bool {
	return func(n *html.Node) bool { return attrOf(n, "id") == id }
}

func attrOf(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// onlyText is the text of the one element that matches.
func onlyText(t *testing.T, doc *html.Node, match func(*html.Node) bool) string {
	t.Helper()
	found := elements(doc, match)
	if len(found) != 1 {
		t.Fatalf("%d elements, want one", len(found))
	}
	return textOf(found[0])
}

func TestHTMLTellsEverything(t *testing.T) {
	r := htmlReport("words")
	r.JaegerURL, r.Notes[0].Ref = "https://jaeger.example/trace/1?uiFind=2", "https://example.com/issues/9394"
	doc := parsePage(t, writeHTML(t, r))
	for what, want := range map[string]string{
		"verdict": "words", "culprit": "rpc words", "h-clients": "What clients met",
		"stack-1": "words", "h-story": "What held it, checkpoint by checkpoint",
	} {
		if got := onlyText(t, doc, withID(what)); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	if got := onlyText(t, doc, withClass("badge")); got != "forced" {
		t.Errorf("the badge says %q", got)
	}
	if got := textOf(elements(doc, tagged("title"))[0]); got != "words: forced, 7.0s" {
		t.Errorf("title %q", got)
	}
	page := textOf(doc)
	for _, want := range []string{
		"2026-01-02 03:04:05.123 UTC", "9 sent, 1 lost (words)", "2 RPCs cut", "3 connections refused",
		"3.0ms after the listeners were closed", "2 → 0", "released by words",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("nowhere %q", want)
		}
	}
	var links []string
	for _, a := range elements(doc, tagged("a")) {
		links = append(links, attrOf(a, "href"))
	}
	want := []string{"#culprit", r.JaegerURL, r.Notes[0].Ref, "#stack-1"}
	if !slices.Equal(links, want) {
		t.Errorf("links %q, want %q", links, want)
	}
}

// TestHTMLRows: the tree of the report is the tree of the page, for a screen
// reader too, and bars are where the time was.
func TestHTMLRows(t *testing.T) {
	doc := parsePage(t, writeHTML(t, htmlReport("words")))
	var got []string
	for _, r := range elements(doc, withClass("r")) {
		bar := elements(r, tagged("rect"))
		got = append(got, strings.Join([]string{
			attrOf(r, "aria-level"), attrOf(r, "aria-expanded"), attrOf(r, "class"),
			textOf(elements(r, withClass("name"))[0]), attrOf(bar[1], "x"), attrOf(bar[1], "width"),
		}, "|"))
	}
	want := []string{
		"1||r phase|quit|0.000%|0.000%",
		"1|true|r phase|conn wait|14.286%|85.714%",
		"2|true|r connection blamed|connection|0.000%|0.000%",
		"3||r rpc blamed|rpc words|14.286%|85.714%",
		"2||r more|words|0.000%|0.000%",
	}
	if !slices.Equal(got, want) {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestHTMLOfLittle: what has just begun, was killed, or was never filled in.
func TestHTMLOfLittle(t *testing.T) {
	running := unfinishedAt(2*sec, oneListener, conn(told(0)), stream(-sec, never, inRecv(3*sec)))
	live := running.report(running.views(), call)
	tests := map[string]struct {
		report *Report
		want   []string
	}{
		"zero":    {&Report{}, []string{"unknown service", "no outcome", "There is no verdict.", "No phase has begun."}},
		"running": {live, []string{"running", "2.0s so far", "open", live.Verdict}},
		"killed": {
			&Report{Outcome: OutcomeKilled, Duration: Duration(17 * sec), Verdict: "killed in conn wait"},
			[]string{"killed", "17.0s known of", "killed in conn wait"},
		},
		"no such outcome": {&Report{Outcome: `"><script>`}, []string{`"><script>`}},
	}
	for name, test := range tests {
		doc := parsePage(t, writeHTML(t, test.report))
		for _, want := range test.want {
			if !strings.Contains(textOf(doc), want) {
				t.Errorf("%s: nowhere %q", name, want)
			}
		}
		checkBars(t, doc)
	}
}

// TestHTMLOfNonsense: a file may claim any time.
func TestHTMLOfNonsense(t *testing.T) {
	lengths := []time.Duration{0, -1, -never, never, never / 2, 1, 24 * time.Hour, 1000 * time.Hour}
	for _, length := range lengths {
		for _, offset := range []time.Duration{0, -sec, never, never - 1, -never} {
			d, at := Duration(length), Duration(offset)
			r := htmlReport("words")
			r.Duration, r.Phases[0].Offset, r.Stacks[0].Offset = d, at, d
			r.Checkpoints[0].Offset = at
			r.Phases[1].Bars[0].Offset, r.Phases[1].Bars[0].Duration = at, d
			checkBars(t, parsePage(t, writeHTML(t, r)))
		}
	}
}

// checkBars wants every bar inside the axis.
func checkBars(t *testing.T, doc *html.Node) {
	t.Helper()
	for _, rect := range elements(doc, tagged("rect")) {
		x, err1 := strconv.ParseFloat(strings.TrimSuffix(attrOf(rect, "x"), "%"), 64)
		width, err2 := strconv.ParseFloat(strings.TrimSuffix(attrOf(rect, "width"), "%"), 64)
		if !strings.HasSuffix(attrOf(rect, "width"), "%") {
			width = 0 // a mark, in pixels
		}
		if err := errors.Join(err1, err2); err != nil || x < 0 || width < 0 || x+width > 100.01 {
			t.Fatalf("a bar at %s, %s wide: %v", attrOf(rect, "x"), attrOf(rect, "width"), err)
		}
	}
}

func TestHTMLWriteError(t *testing.T) {
	r, w := io.Pipe()
	_ = r.CloseWithError(errors.New("disk full"))
	if err := htmlReport("words").WriteHTML(w); err == nil || err.Error() != "disk full" {
		t.Errorf("error %v", err)
	}
}

// manyBars are n connections, with an RPC each, of which one is to blame.
func manyBars(n, culprit int, text string) []Bar {
	bars := make([]Bar, n)
	for i := range bars {
		part := Bar{Name: "GOAWAY ack" + text, Duration: Duration(ms), Note: text, State: text}
		rpc := Bar{
			Name: "rpc Greeter/Chat" + text, Duration: Duration(sec), Note: text,
			Kind: HolderRPC, State: text, Culprit: i == culprit,
		}
		bars[i] = Bar{
			Name: "connection", Duration: Duration(sec), Note: fmt.Sprintf("peer 10.0.0.1:%d%s", i, text),
			Kind: HolderConnection, Culprit: i == culprit, Bars: []Bar{part, rpc, part},
		}
	}
	return bars
}

// TestHTMLFolds: a long phase is folded, the way to the culprit is open.
func TestHTMLFolds(t *testing.T) {
	r := &Report{Duration: Duration(2 * sec), Phases: []PhaseReport{
		{Name: PhaseHandshakeWait, Duration: Duration(ms), Bars: manyBars(20, -1, "")},
		{Name: PhaseGoAway, Duration: Duration(ms), Bars: manyBars(2, -1, "")},
		{Name: PhaseConnWait, Duration: Duration(sec), Bars: manyBars(50, 33, "")},
	}}
	doc := parsePage(t, writeHTML(t, r))
	got := map[string]int{}
	for _, row := range elements(doc, withClass("r")) {
		if attrOf(row, "aria-expanded") == "" {
			continue
		}
		state := "open "
		if slices.ContainsFunc(row.Attr, func(a html.Attribute) bool { return a.Key == "data-fold" }) {
			state = "folded "
		}
		got[state+textOf(elements(row, withClass("name"))[0])]++
	}
	want := map[string]int{
		"folded handshake wait": 1, "open GOAWAY": 1, "open conn wait": 1,
		"folded connection": 20 + 49, "open connection": 2 + 1, // a few, and the culprit's
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if culprit := elements(doc, withID("culprit")); len(culprit) != 1 || !withClass("rpc")(culprit[0]) {
		t.Error("the culprit is not its RPC")
	}
}
