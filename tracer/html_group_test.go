// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// htmlGroup has one of everything, with text wherever a text stands that somebody
// else wrote.
func htmlGroup(text string) *Report {
	member := func(name, kind string, at Duration) *Report {
		r := htmlReport(text)
		r.Member = &MemberReport{
			Name: name, Kind: kind, After: []string{text, text}, Offset: at, BudgetLeft: Duration(9 * sec),
			Error: text, Idle: 3, Hijacked: 1,
		}
		return r
	}
	closes := &Report{
		Outcome: OutcomeGraceful, Duration: Duration(sec), Verdict: text,
		Member: &MemberReport{Name: text, Kind: memberClose, Offset: Duration(7 * sec)},
	}
	main := member(text, memberGRPC, 0)
	main.Duration = Duration(7*sec) + 1
	r := htmlReport(text)
	r.Phases, r.Duration = nil, Duration(14*sec)
	r.Members = []*Report{main, member(text, memberHTTP, Duration(7*sec)), closes}
	return r
}

// TestHTMLGroupRows: members are above their phases, on the group's axis; phases
// count through in the tables, stacks in their section.
func TestHTMLGroupRows(t *testing.T) {
	doc := parsePage(t, writeHTML(t, htmlGroup("words")))
	var got []string
	for _, r := range elements(doc, withClass("r")) {
		bar := elements(r, tagged("rect"))
		link := ""
		for _, a := range elements(r, tagged("a")) {
			link = attrOf(a, "href")
		}
		got = append(got, strings.Join([]string{
			attrOf(r, "aria-level"), attrOf(r, "class"), attrOf(r, "id"), attrOf(r, "data-phase"),
			textOf(elements(r, withClass("name"))[0]), attrOf(bar[1], "x"), attrOf(bar[1], "width"), link,
		}, "|"))
	}
	want := []string{
		"1|r member blamed|||words (grpc)|0.000%|50.000%|",
		"2|r phase||1|quit|0.000%|0.000%|",
		"2|r phase||2|conn wait|7.143%|42.857%|",
		"3|r connection blamed|||connection|0.000%|0.000%|",
		"4|r rpc blamed|culprit||rpc words|7.143%|42.857%|#stack-2",
		"3|r more|||words|0.000%|0.000%|",
		"1|r member|||words (http)|50.000%|50.000%|",
		"2|r phase||3|quit|50.000%|0.000%|",
		"2|r phase||4|conn wait|57.143%|42.857%|",
		"3|r connection blamed|||connection|50.000%|0.000%|",
		"4|r rpc blamed|||rpc words|57.143%|42.857%|#stack-3",
		"3|r more|||words|50.000%|0.000%|",
		"1|r member|||words (close)|50.000%|7.143%|",
	}
	if !slices.Equal(got, want) {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n := len(elements(doc, func(n *html.Node) bool { return n.Data == "tr" && phaseRow(n) })); n != 4 {
		t.Errorf("%d rows of phases in tables, want 4", n)
	}
	lanes := elements(elements(doc, withID("overview"))[0], withClass("phase"))
	if len(lanes) != 3 || attrOf(lanes[2], "y") != "66.667%" || attrOf(lanes[2], "height") != "33.333%" {
		t.Errorf("%d lanes in the overview, want one for each member", len(lanes))
	}
}

// phaseRow reports whether a row of a table is one of phases.
func phaseRow(n *html.Node) bool {
	table := n.Parent.Parent
	return n.Parent.Data == "tbody" && withClass("phases")(table)
}

// TestHTMLGroupTells: what there is to know of each member, with its name.
func TestHTMLGroupTells(t *testing.T) {
	doc := parsePage(t, writeHTML(t, htmlGroup("words")))
	details := elements(doc, func(n *html.Node) bool { return n.Data == "details" && withClass("member")(n) })
	if len(details) != 3 {
		t.Fatalf("%d members have details, want 3", len(details))
	}
	for i, d := range details {
		open := slices.ContainsFunc(d.Attr, func(a html.Attribute) bool { return a.Key == "open" })
		if open != (i == 0) {
			t.Errorf("member %d is open: %t", i, open)
		}
	}
	for i, want := range []string{"words (grpc) forced 7.0s", "words (http) forced 7.0s", "words (close) graceful 1.0s"} {
		if got := textOf(elements(details[i], tagged("summary"))[0]); got != want {
			t.Errorf("a member says %q, want %q", got, want)
		}
	}
	page := textOf(doc)
	for _, want := range []string{
		"Members3", "words (grpc), words (http): 2 RPCs cut", "3 connections refused", "3 idle, 1 hijacked",
		"words (grpc): words", "forced, cut 2 RPCs, 9.0s left, after words,", ", connections: 3 idle, 1 hijacked",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("nowhere %q", want)
		}
	}
}

// TestHTMLGroupHostile: the page is the same whatever its texts are.
func TestHTMLGroupHostile(t *testing.T) {
	want := skeleton(parsePage(t, writeHTML(t, htmlGroup("words"))))
	all := maps.Clone(hostile)
	maps.Copy(all, markup)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		page := writeHTML(t, htmlGroup(all[name]))
		doc := parsePage(t, page)
		if got := skeleton(doc); got != want {
			t.Errorf("%s: the page is\n%s\nwant\n%s", name, got, want)
		}
		for _, r := range textOf(doc) {
			if r != '\n' && r != '\t' && dirt(string(r)) != "" {
				t.Errorf("%s: %U in the page", name, r)
				break
			}
		}
	}
}

// TestHTMLGroupSize: the largest and worst group that a file can hold.
func TestHTMLGroupSize(t *testing.T) {
	for name, text := range map[string]string{
		"quotes": strings.Repeat(`"`, 64<<10), "rubbish": strings.Repeat("\xff", 64<<10),
		"letters": strings.Repeat("x", 64<<10),
	} {
		r := htmlGroup(text)
		main := r.Members[0]
		for i := range 40 {
			main.Phases = append(main.Phases, PhaseReport{
				Name: Phase(text), Offset: Duration(sec), Duration: Duration(sec), ReleasedBy: text,
				Culprit: &Holder{Detail: text}, Bars: manyBars(60, i, text),
			})
		}
		for range 100 {
			main.Notes = append(main.Notes, main.Notes[0])
			main.Checkpoints = append(main.Checkpoints, main.Checkpoints[0])
			main.Stacks = append(main.Stacks, main.Stacks[0])
		}
		for range 97 {
			r.Members = append(r.Members, main)
		}
		page := writeHTML(t, r)
		if len(page) >= 1<<20 {
			t.Errorf("%s: %d bytes", name, len(page))
		}
		doc := parsePage(t, page)
		if n := len(elements(doc, withClass("r"))); n > maxGroupRows {
			t.Errorf("%s: %d rows", name, n)
		}
		if !strings.Contains(textOf(doc), "76 more members.") {
			t.Errorf("%s: the page does not say what is missing", name)
		}
		checkBars(t, doc)
		t.Logf("%s: %d KiB", name, len(page)>>10)
	}
}
