// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// markup are texts that mean something to a browser.
var markup = map[string]string{
	"script":        `</script><script>alert(1)</script>`,
	"style":         `</style><style>body{display:none}</style>`,
	"title":         `</title></svg><img src=x onerror=alert(1)>`,
	"attribute":     `" onmouseover="alert(1)" x='y' style='display:none`,
	"comment":       `<!--`,
	"CDATA":         `<![CDATA[`,
	"entity":        `&lt;b&gt;&#x202e;&NewLine;`,
	"template":      "{{.}}${alert(1)}`",
	"javascript":    "javascript:alert(1)",
	"data":          "data:text/html,<script>alert(1)</script>",
	"other scheme":  "//evil.example/x",
	"file":          "file:///etc/passwd",
	"user in a URL": "https://jaeger.example@evil.example/",
	"pre":           "\n</pre></details><iframe src=https://evil.example>",
	"base":          `<base href="https://evil.example/"><meta http-equiv=refresh content="0;url=https://evil.example">`,
}

// skeleton is a page without its texts: elements, attributes and what those
// say, but for what a text is told apart by.
func skeleton(doc *html.Node) string {
	var b strings.Builder
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		b.WriteString("<" + n.Data)
		for _, a := range n.Attr {
			b.WriteString(" " + a.Key + "=" + a.Val)
		}
		b.WriteString(">\n")
	}
	return b.String()
}

// TestHTMLHostile: whatever a client writes, the page is the same but for its
// texts, and these show what cannot be seen as such.
func TestHTMLHostile(t *testing.T) {
	want := skeleton(parsePage(t, writeHTML(t, htmlReport("words"))))
	all := maps.Clone(hostile)
	maps.Copy(all, markup)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		page := writeHTML(t, htmlReport(all[name]))
		doc := parsePage(t, page)
		if got := skeleton(doc); got != want {
			t.Errorf("%s: the page is\n%s\nwant\n%s", name, got, want)
		}
		if !utf8.ValidString(page) {
			t.Errorf("%s: invalid UTF-8", name)
		}
		for _, r := range textOf(doc) {
			if r != '\n' && r != '\t' && dirt(string(r)) != "" {
				t.Errorf("%s: %U in the page", name, r)
				break
			}
		}
		if len(page) > 128<<10 {
			t.Errorf("%s: %d bytes", name, len(page))
		}
	}
	if got := onlyText(t, parsePage(t, writeHTML(t, htmlReport(markup["script"]))), withID("verdict")); got != markup["script"] {
		t.Errorf("the verdict reads %q", got)
	}
}

// TestHTMLPolicy: the browser is told to run our script and no other, to load
// nothing, and the page does without what the policy forbids.
func TestHTMLPolicy(t *testing.T) {
	doc := parsePage(t, writeHTML(t, htmlReport("words")))
	style, script := onlyText(t, doc, tagged("style")), onlyText(t, doc, tagged("script"))
	var policy string
	for _, meta := range elements(doc, tagged("meta")) {
		if attrOf(meta, "http-equiv") == "Content-Security-Policy" {
			policy = attrOf(meta, "content")
		}
	}
	want := "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src " +
		sourceHash(style) + "; script-src " + sourceHash(script)
	if policy != want {
		t.Errorf("policy %q, want %q", policy, want)
	}
	for n := range doc.Descendants() {
		for _, a := range n.Attr {
			if a.Key == "style" || a.Key == "src" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("attribute %s of %s", a.Key, n.Data)
			}
		}
	}
	for _, way := range []string{
		"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(",
		"fetch(", "XMLHttpRequest", "import(", "url(", "@import", "setAttribute('style'",
	} {
		if strings.Contains(style, way) || strings.Contains(script, way) {
			t.Errorf("the page's own code has %s", way)
		}
	}
}

// TestHTMLLineEnds: a browser compares the hash with what it has read, in which
// line ends are one character.
func TestHTMLLineEnds(t *testing.T) {
	if got := unixLines("a\r\nb\n"); got != "a\nb\n" {
		t.Errorf("got %q", got)
	}
	if page := writeHTML(t, htmlReport("words")); strings.Contains(page, "\r") {
		t.Error("there is a carriage return in the page")
	}
}

// TestHTMLSize: the largest and worst report that a file can hold, and the
// largest that we make.
func TestHTMLSize(t *testing.T) {
	const limit = 1 << 20
	for name, text := range map[string]string{
		"quotes": strings.Repeat(`"`, 64<<10), "angles": strings.Repeat("<", 64<<10),
		"rubbish": strings.Repeat("\xff", 64<<10), "letters": strings.Repeat("x", 64<<10),
	} {
		r := htmlReport(text)
		r.Phases, r.RPCsCut = nil, map[string]int{}
		for i := range 40 {
			r.Phases = append(r.Phases, PhaseReport{
				Name: Phase(text), Offset: Duration(sec), Duration: Duration(sec), ReleasedBy: text,
				Culprit: &Holder{Detail: text}, Bars: manyBars(60, i, text),
			})
			r.RPCsCut[text+string(rune('a'+i))] = i
			r.Spans.Lost[text+string(rune('a'+i))] = i
		}
		for range 1000 {
			r.Notes = append(r.Notes, r.Notes[0])
			r.Checkpoints = append(r.Checkpoints, r.Checkpoints[0])
			r.Stacks = append(r.Stacks, r.Stacks[0])
		}
		page := writeHTML(t, r)
		if len(page) >= limit {
			t.Errorf("%s: %d bytes", name, len(page))
		}
		doc := parsePage(t, page)
		if n := len(elements(doc, withClass("r"))); n > maxPageRows {
			t.Errorf("%s: %d rows", name, n)
		}
		if !strings.Contains(textOf(doc), "Not shown on this page: 977 more notes, 902 more checkpoints, "+
			"969 more stacks, 24 more phases.") {
			t.Errorf("%s: the page does not say what is missing", name)
		}
		t.Logf("%s: %d KiB", name, len(page)>>10)
	}
}

// TestHTMLCountsEverything: a bar that has no row is counted in one, and the
// culprit always has its own.
func TestHTMLCountsEverything(t *testing.T) {
	for _, n := range []int{1, 2, 50, 51, 52, 500} {
		r := &Report{Duration: Duration(sec), Phases: make([]PhaseReport, 16)}
		for i := range r.Phases {
			p := &r.Phases[i]
			p.Bars, p.Duration = manyBars(n, n/2, ""), Duration(i)*Duration(ms)
		}
		rows := timelineRows(r, sec)
		if len(rows) > maxPageRows {
			t.Errorf("%d bars a phase: %d rows", n, len(rows))
		}
		shown, culprits := 0, 0
		for _, row := range rows {
			var more int
			if row.Class == "more" {
				more = atoi(t, strings.TrimSuffix(row.Name, " more"))
			}
			switch {
			case row.Level == 2 && more > 0:
				shown += more
			case row.Level == 2:
				shown++
			}
			if row.Culprit && row.Level == 2 {
				culprits++
			}
		}
		if shown != 16*n || culprits != 16 {
			t.Errorf("%d bars a phase: %d of %d are counted, %d culprits of 16", n, shown, 16*n, culprits)
		}
	}
}

// TestHTMLDepth: a file may nest bars in bars.
func TestHTMLDepth(t *testing.T) {
	b := Bar{Name: "connection"}
	for range 1000 {
		b = Bar{Name: "connection", Bars: []Bar{b}}
	}
	rows := timelineRows(&Report{Phases: []PhaseReport{{Bars: []Bar{b}}}}, sec)
	if len(rows) != maxPageDepth+1 || rows[maxPageDepth].Name != "1 more" {
		t.Errorf("%d rows, the last is %q", len(rows), rows[len(rows)-1].Name)
	}
}
