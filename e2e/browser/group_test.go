// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/gracetrace/gracetrace/tracer"
)

// group is a server that is forced, another one beside it, and what is closed after
// them.
func group() *tracer.Report {
	member := func(name, kind string, at tracer.Duration) *tracer.Report {
		r := sample()
		r.JaegerURL = ""
		r.Member = &tracer.MemberReport{
			Name: name, Kind: kind, Offset: at, BudgetLeft: 30*sec - at,
		}
		return r
	}
	api, admin := member("api", "grpc", 0), member("admin", "grpc", sec)
	admin.Duration--
	database := &tracer.Report{
		Outcome: tracer.OutcomeGraceful, Duration: 2 * sec, Verdict: "failed after 2.0s: disk full",
		Member: &tracer.MemberReport{
			Name: "database", Kind: "close", Offset: 27 * sec, BudgetLeft: 3 * sec,
			After: []string{"api", "admin"}, Error: "disk full",
		},
	}
	return &tracer.Report{
		Version: 1, Service: "shop", TraceID: api.TraceID, Start: api.Start, Duration: 29 * sec,
		Outcome: tracer.OutcomeForced, Verdict: "api took 25.0s of 29.0s: " + api.Verdict,
		Members: []*tracer.Report{api, admin, database},
	}
}

// testGroup: members fold, their phases' details are their own, and everything that
// a row links to is there.
func testGroup(t *testing.T, c *chromium) {
	const name = `document.activeElement.querySelector('.name').textContent`
	const detail = `[...document.querySelectorAll('#details dd')].map((x) => x.textContent)`
	p := c.open(t, group(), wide)
	want(t, p, "shop: forced, 29.0s", `document.title`)
	want(t, p, 3, rows+`.filter((r) => r.ariaLevel === '1').length`)
	want(t, p, 3, `document.querySelectorAll('#overview .phase').length`)
	want(t, p, "0",
		`[...document.querySelectorAll('details.member')].flatMap((d, i) => d.open ? [i] : []).join()`)

	must(t, chromedp.Do(p, chromedp.Focus(chromedp.CSS("#culprit"))))
	want(t, p, "rpc Greeter/Watch", name)
	p.press(t, kb.Home)
	want(t, p, "api", name)
	all := eval[int](t, p, visible)
	p.press(t, kb.ArrowLeft)
	want(t, p, 3, visible) // the others are folded from the start
	p.press(t, kb.ArrowDown)
	want(t, p, "admin", name)
	p.press(t, kb.ArrowRight, kb.ArrowRight)
	want(t, p, "quit", name)
	want(t, p, "1.0s", detail+`[0]`) // on the group's axis
	p.press(t, kb.ArrowLeft, kb.ArrowLeft, kb.Home, kb.Enter)
	want(t, p, all, visible)
	want(t, p, true, `[...document.querySelectorAll('.stk')].every((a) => document.querySelector(a.hash))`)
	want(t, p, len(samplePhases())*2, `document.querySelectorAll('.phases tbody tr').length`)

	// The same phase of the second server has its own numbers.
	want(t, p, true, `(() => {
		const r = `+rows+`.filter((r) => r.dataset.phase).at(-1);
		const tr = document.querySelectorAll('.phases tbody tr')[r.dataset.phase - 1];
		return tr.children[0].textContent === r.querySelector('.name').textContent &&
			tr.closest('details').querySelector('summary .x').textContent === 'admin';
	})()`)
	p.press(t, "z")
	p.quiet(t)
}
