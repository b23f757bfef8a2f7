// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

// ourDocs is where a link into our documentation begins.
const ourDocs = "https://github.com/gracetrace/gracetrace/blob/main/"

// wantInDocs wants a link into our documentation to lead to a heading of a page.
func wantInDocs(t *testing.T, what, link string) {
	t.Helper()
	rest, ours := strings.CutPrefix(link, ourDocs)
	if !ours {
		return
	}
	page, anchor, _ := strings.Cut(rest, "#")
	name, err := url.PathUnescape(anchor) // as GitHub does with what is behind the #
	if err != nil || !slices.Contains(anchors(readText(t, filepath.Join(jaegerd.Root(t), page))), name) {
		t.Errorf("%s: %s has no heading #%s", what, page, anchor)
	}
}

var (
	heading   = regexp.MustCompile("(?m)^#+ (.+)$")
	named     = regexp.MustCompile(`<a name="([^"]+)"></a>`)
	dropped   = regexp.MustCompile(`[^\w\- ]`)
	reference = regexp.MustCompile(`#\{([^}]+)\}`)
)

// anchors are those that GitHub gives a page's headings, and those that it names: the
// UI escapes the space in a kind, where a heading's has a hyphen.
func anchors(page string) (all []string) {
	for _, h := range heading.FindAllStringSubmatch(page, -1) {
		name := dropped.ReplaceAllString(strings.ToLower(h[1]), "")
		all = append(all, strings.ReplaceAll(name, " ", "-"))
	}
	for _, a := range named.FindAllStringSubmatch(page, -1) {
		all = append(all, a[1])
	}
	return all
}

// link is what the UI makes of a pattern at a span, empty if a tag is missing. What
// the span does not have is looked for in its process and above it.
func (p *linkPattern) link(n *timeline.Node) string {
	missing := n.Attributes[p.Key] == nil
	link := reference.ReplaceAllStringFunc(p.URL, func(s string) string {
		v := inherited(n, s[2:len(s)-1])
		missing = missing || v == nil
		return strings.ReplaceAll(url.QueryEscape(fmt.Sprint(v)), "+", "%20") // encodeURIComponent
	})
	for _, m := range reference.FindAllStringSubmatch(p.Text, -1) {
		missing = missing || inherited(n, m[1]) == nil
	}
	if missing {
		return ""
	}
	return link
}

func inherited(n *timeline.Node, key string) any {
	for ; n != nil; n = n.Up {
		if v, ok := n.Attributes[key]; ok {
			return v
		}
		if v, ok := n.Resource[key]; ok {
			return v
		}
	}
	return nil
}

// wantLinks tries each pattern of the UI at each span of a trace, and returns how
// often each was a link. A link into our documentation leads somewhere, one within
// Jaeger to a trace that is there.
func wantLinks(t *testing.T, j *jaegerd.Server, tree *timeline.Tree) map[string]int {
	t.Helper()
	made := make(map[string]int)
	for _, p := range readUI(t).LinkPatterns {
		for _, n := range tree.All() {
			link := p.link(n)
			if link == "" {
				continue
			}
			made[p.Key]++
			wantInDocs(t, n.Name+": "+p.Key, link)
			if rest, ok := strings.CutPrefix(link, "/trace/"); ok {
				id, span, _ := strings.Cut(rest, "?uiFind=")
				own, err := j.Trace(t.Context(), id)
				if err != nil || len(own.Roots) == 0 || own.Roots[0].ID != span {
					t.Errorf("%s: %s leads nowhere: %v", n.Name, link, err)
				}
			}
		}
	}
	return made
}

// TestKindLinks: what helps is told of each kind of holder that there is.
func TestKindLinks(t *testing.T) {
	kinds := 0
	for name, kind := range constants(t, "../tracer/holder.go") {
		if !strings.HasPrefix(name, "Holder") {
			continue
		}
		kinds++
		for _, p := range readUI(t).LinkPatterns {
			if p.Key != "shutdown.holder.kind" && p.Key != "shutdown.culprit.kind" {
				continue
			}
			n := &timeline.Node{Span: &timeline.Span{Attributes: map[string]any{p.Key: kind}}}
			link := p.link(n)
			if link == "" {
				t.Errorf("%s: no link of %q", p.Key, kind)
			}
			wantInDocs(t, p.Key, link)
		}
	}
	if kinds < 8 {
		t.Errorf("%d kinds of holders", kinds)
	}
}
