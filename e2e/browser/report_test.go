// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"bytes"
	"flag"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var screenshots = flag.String("screenshots", "", "write pictures of the sample report to this `folder`")

func TestReport(t *testing.T) {
	c := start(t)
	for name, test := range map[string]func(*testing.T, *chromium){
		"opens": testOpens, "bars": testBars, "keyboard": testKeyboard, "zoom": testZoom, "mouse": testMouse,
		"stacks": testStacks, "schemes": testSchemes, "no script": testNoScript, "paper": testPaper,
		"crowd": testCrowd, "hostile": testHostile, "policy": testPolicy, "narrow": testNarrow, "live": testLive,
		"group": testGroup,
	} {
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
}

const rows = `[...document.querySelectorAll('#grid .r')]`

// visible counts the rows that are to be seen.
const visible = rows + `.filter((r) => r.checkVisibility()).length`

func testOpens(t *testing.T, c *chromium) {
	r := sample()
	p := c.open(t, r, wide)
	want(t, p, r.Verdict, `document.getElementById('verdict').textContent`)
	want(t, p, true, `(() => { const v = document.getElementById('verdict'), box = v.getBoundingClientRect();
		return v.checkVisibility() && box.top >= 0 && box.bottom < innerHeight / 3; })()`)
	want(t, p, "forced", `document.querySelector('.badge').textContent`)
	want(t, p, "greeter: forced, 25.0s", `document.title`)
	want(t, p, "culprit", `document.activeElement === document.body ? document.querySelector('.r[tabindex="0"]').id : ''`)
	want(t, p, 18, visible)
	p.quiet(t)
}

// bar is a row's bar on the screen, in pixels from the left end of the axis.
type bar struct {
	Level                      int
	Offset, Length, Total      float64
	Left, Right, Mark, Overall float64
}

const bars = rows + `.map((r) => {
	const axis = r.querySelector('.t svg').getBoundingClientRect();
	const [mark, bar] = [...r.querySelectorAll('rect')].map((x) => x.getBoundingClientRect());
	return {Level: +r.ariaLevel, Offset: +r.dataset.o, Length: +r.dataset.d,
		Total: +document.getElementById('grid').dataset.total,
		Left: bar.left - axis.left, Right: bar.right - axis.left, Mark: mark.width, Overall: axis.width};
})`

func testBars(t *testing.T, c *chromium) {
	p := c.open(t, sample(), wide)
	last := -1.0
	for _, b := range eval[[]bar](t, p, bars) {
		scale := b.Overall / b.Total
		// A bar of no width has its place only in its mark.
		if off := b.Left - b.Offset*scale; off < -1 || off > 1 {
			t.Errorf("the bar of %.0f µs begins %.1f px beside its place", b.Offset, off)
		}
		if b.Left < -1 || b.Right > b.Overall+2 || b.Right-b.Left < b.Length*scale-1.5 {
			t.Errorf("the bar at %.0f µs is from %.1f to %.1f of %.1f px", b.Offset, b.Left, b.Right, b.Overall)
		}
		if b.Mark < 1 {
			t.Errorf("nothing is to be seen at %.0f µs", b.Offset)
		}
		if b.Level == 1 {
			if b.Left < last {
				t.Errorf("the phase at %.0f µs begins left of the one before", b.Offset)
			}
			last = b.Left
		}
	}
	p.quiet(t)
}

func testKeyboard(t *testing.T, c *chromium) {
	p := c.open(t, sample(), wide)
	const name = `document.activeElement.querySelector('.name').textContent`
	must(t, chromedp.Do(p, chromedp.Focus(chromedp.CSS("#culprit"))))
	want(t, p, "rpc Greeter/Watch", name)
	all := eval[int](t, p, visible)
	p.press(t, kb.ArrowUp)
	want(t, p, "GOAWAY ack", name)
	want(t, p, "3", `document.activeElement.ariaLevel`)
	p.press(t, kb.ArrowLeft)
	want(t, p, "connection", name)
	want(t, p, "true", `document.activeElement.ariaExpanded`)
	p.press(t, kb.ArrowLeft)
	want(t, p, "false", `document.activeElement.ariaExpanded`)
	want(t, p, all-2, visible)
	p.press(t, kb.ArrowRight)
	want(t, p, "true", `document.activeElement.ariaExpanded`)
	want(t, p, all, visible)
	p.press(t, kb.ArrowLeft, kb.ArrowLeft)
	want(t, p, "conn wait", name)
	p.press(t, kb.Enter)
	want(t, p, all-9, visible)
	p.press(t, kb.ArrowDown)
	want(t, p, "forced stop", name) // what is folded is passed over
	p.press(t, kb.Home)
	want(t, p, "quit", name)
	p.press(t, kb.ArrowUp)
	want(t, p, "quit", name)
	p.press(t, kb.End)
	want(t, p, "handler Greeter/Watch", name)
	p.press(t, kb.ArrowDown)
	want(t, p, "handler Greeter/Watch", name)
	p.press(t, "c")
	want(t, p, "rpc Greeter/Watch", name) // and unfolded
	want(t, p, all, visible)
	want(t, p, true, `document.getElementById('details').textContent.includes('41 messages in')`)
	want(t, p, 1, `document.querySelectorAll('.r[tabindex="0"]').length`)
	want(t, p, 1, `document.querySelectorAll('.r[aria-selected=true]').length`)
	want(t, p, "3 of 3", `(() => { const r = document.querySelectorAll('.r.blamed.connection')[0];
		return r.ariaPosInSet + ' of ' + r.ariaSetSize; })()`)
	p.quiet(t)
}

func testZoom(t *testing.T, c *chromium) {
	p := c.open(t, sample(), wide)
	must(t, chromedp.Do(p, chromedp.Focus(chromedp.CSS(".r[data-phase='6']")))) // forced stop, 2 ms of 25 s
	const width = `document.querySelector(".r[data-phase='6'] rect:last-child").getBoundingClientRect().width`
	if w := eval[float64](t, p, width); w > 1 {
		t.Errorf("the forced stop is %.1f px wide", w)
	}
	first := `document.querySelector('#axis text').textContent`
	want(t, p, "0", first)
	p.press(t, "z")
	if w := eval[float64](t, p, width); w < 500 {
		t.Errorf("zoomed to it, the forced stop is %.1f px wide", w)
	}
	want(t, p, "25.0000s", first)
	want(t, p, false, `document.querySelector(".r[data-phase='1'] rect").checkVisibility()`)
	p.press(t, kb.Escape)
	want(t, p, "0", first)
	want(t, p, true, `document.querySelector(".r[data-phase='1'] rect").checkVisibility()`)
	p.quiet(t)
}

// The mouse: a row's details while it is over it, a phase by a click on the
// strip above the axis, a part of it by a drag.
func testMouse(t *testing.T, c *chromium) {
	p := c.open(t, sample(), wide)
	const details = `document.querySelector('#details h3').textContent.trim()`
	x, y := p.middle(t, ".r[data-phase='2'] .d")
	p.mouse(t, chromedp.MouseMoved, x, y)
	want(t, p, "listener close", details)
	want(t, p, true, `document.getElementById('details').textContent.includes('Handshakes')`)
	x, y = p.middle(t, "#axis svg.cp")
	p.mouse(t, chromedp.MouseMoved, x, y)
	want(t, p, "checkpoint at 1.0s", details)
	p.mouse(t, chromedp.MouseMoved, 5, 5)
	want(t, p, "rpc Greeter/Watch culprit in Recv stack",
		`document.querySelector('#details h3').innerText.replace(/\s+/g, ' ').trim()`)

	const last = `parseFloat([...document.querySelectorAll('#axis text')].at(-1).textContent)`
	x, y = p.middle(t, "#overview rect:nth-child(3)") // handshake wait, 3 s
	must(t, chromedp.Do(p, chromedp.MouseClickXY(x, y)))
	if at := eval[float64](t, p, last); at < 2 || at > 3.2 {
		t.Errorf("after a click on the handshake wait the axis ends at %.1f s", at)
	}
	must(t, chromedp.Do(p, chromedp.Click(chromedp.CSS("#whole"))))
	want(t, p, 25.0, last)
	x, y = p.middle(t, "#overview")
	p.mouse(t, chromedp.MousePressed, x, y)
	p.mouse(t, chromedp.MouseMoved, x+50, y)
	p.mouse(t, chromedp.MouseMoved, x+100, y)
	p.mouse(t, chromedp.MouseReleased, x+100, y)
	if at := eval[float64](t, p, last); at < 14 || at > 17 {
		t.Errorf("after a drag from the middle the axis ends at %.1f s", at)
	}
	p.quiet(t)
}

func testStacks(t *testing.T, c *chromium) {
	p := c.open(t, sample(), wide)
	want(t, p, false, `document.getElementById('stack-1').checkVisibility()`)
	must(t, chromedp.Do(p, chromedp.Focus(chromedp.CSS("#culprit"))))
	p.press(t, "s")
	want(t, p, true, `document.getElementById('stack-1').checkVisibility()`)
	want(t, p, stackOfWatch, `document.activeElement.textContent`)
	p.quiet(t)
}

// contrast is WCAG's, of an element's text to what is behind it.
const contrast = `((el) => {
	const numbers = (c) => c.match(/[\d.]+/g).map(Number);
	const light = (c) => numbers(c).slice(0, 3).map((v) => v / 255)
		.map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	let behind = el;
	while (numbers(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
	const [a, b] = [getComputedStyle(el).color, getComputedStyle(behind).backgroundColor].map(light);
	return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
})`

func testSchemes(t *testing.T, c *chromium) {
	light := look{width: 1200, height: 1000} // the pictures' size, too
	dark := light
	dark.dark = true
	seen := map[string]bool{}
	for name, l := range map[string]look{"light": light, "dark": dark} {
		p := c.open(t, sample(), l)
		for _, what := range []string{
			"#verdict", ".badge", ".facts dt", ".r .note", ".r .name", ".r.blamed .name", ".tag", "a", ".legend li",
			"thead th", "#details p", "button:enabled",
		} {
			if c := eval[float64](t, p, contrast+`(document.querySelector('`+what+`'))`); c < 4.5 {
				t.Errorf("%s: the contrast of %s is %.1f", name, what, c)
			}
		}
		seen[eval[string](t, p, `getComputedStyle(document.documentElement).backgroundColor`)] = true
		p.quiet(t)
		if *screenshots != "" {
			picture(t, p, "report-"+name+".png")
		}
	}
	if len(seen) != 2 {
		t.Errorf("light and dark have the same background: %v", seen)
	}
}

// picture writes what the window shows, which is small enough for a repository.
func picture(t *testing.T, p *tab, name string) {
	t.Helper()
	shot, err := chromedp.Run(p, chromedp.CaptureScreenshot())
	must(t, err)
	pixels, err := png.Decode(bytes.NewReader(shot))
	must(t, err)
	var b bytes.Buffer
	must(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, pixels))
	must(t, os.WriteFile(filepath.Join(*screenshots, name), stamp(b.Bytes(), sampleHash(t)), 0o644))
}

func testNoScript(t *testing.T, c *chromium) {
	l := wide
	l.noJS = true
	p := c.open(t, crowd(), l)
	want(t, p, true, rows+`.every((r) => r.checkVisibility())`)
	want(t, p, true, rows+`.length > 300`)
	want(t, p, false, `document.getElementById('expand').checkVisibility()`)
	want(t, p, true, `document.querySelectorAll('#axis text').length > 3`)
	p.quiet(t)
}

// On paper there is nothing to press and nothing is folded away.
func testPaper(t *testing.T, c *chromium) {
	p := c.open(t, sample(), wide)
	want(t, p, true, `dispatchEvent(new Event('beforeprint'))`)
	want(t, p, true, `document.getElementById('stack-1').checkVisibility()`)
	want(t, p, true, `dispatchEvent(new Event('afterprint'))`)
	want(t, p, false, `document.getElementById('stack-1').checkVisibility()`)
	pdf, err := chromedp.Run(p, chromedp.PrintToPDF())
	if err != nil || !bytes.HasPrefix(pdf, []byte("%PDF")) {
		t.Errorf("PDF: %v", err)
	}
	p.quiet(t)
}

// A page of 10,000 connections is there at once.
func testCrowd(t *testing.T, c *chromium) {
	p := c.open(t, crowd(), wide)
	took := eval[float64](t, p, `performance.getEntriesByType('navigation')[0].loadEventEnd`)
	nodes := eval[int](t, p, `document.querySelectorAll('*').length`)
	t.Logf("%d elements, loaded in %.0f ms", nodes, took)
	if nodes > 12_000 || took > 3000 {
		t.Errorf("%d elements, loaded in %.0f ms", nodes, took)
	}
	want(t, p, 5+51+3, visible) // the phases, the culprit's holders and its connection's parts
	want(t, p, 5, rows+`.filter((r) => r.textContent.includes('9950 more')).length`)
	want(t, p, true, `document.getElementById('culprit').checkVisibility()`)
	must(t, chromedp.Do(p, chromedp.Click(chromedp.CSS("#expand"))))
	want(t, p, true, rows+`.every((r) => r.checkVisibility())`)
	must(t, chromedp.Do(p, chromedp.Click(chromedp.CSS("#collapse"))))
	want(t, p, 5, visible)
	p.quiet(t)
}

func testHostile(t *testing.T, c *chromium) {
	for _, text := range []string{
		`</script><script>document.title = 'taken'</script>`,
		`"><img src=http://127.0.0.1:9/x onerror=alert(1)>`,
		`</title></svg><style>#verdict{display:none}</style>`,
		"javascript:alert(1)",
		"\u202e\x00\x1b[31m\xff",
	} {
		r := sample()
		r.Service, r.Verdict, r.JaegerURL, r.TraceID = text, "verdict "+text, text, text
		r.Notes[0].Text, r.Notes[1].Ref, r.Checkpoints[0].Verdict = text, text, text
		r.Phases[4].Bars[2].Bars[1].Name, r.Phases[4].Bars[2].Note = text, text
		r.Stacks[0].Text, r.Stacks[0].Method = text, text
		p := c.open(t, r, wide)
		must(t, chromedp.Do(p, chromedp.Focus(chromedp.CSS("#culprit"))))
		p.press(t, kb.ArrowUp, kb.ArrowDown, "z", "s")
		want(t, p, true, `document.getElementById('verdict').checkVisibility()`)
		want(t, p, 1, `document.scripts.length`)
		want(t, p, 0, `document.images.length`)
		want(t, p, true, `document.title.endsWith(': forced, 25.0s')`)
		want(t, p, true, `[...document.links].every((a) => a.hash || a.protocol === 'http:')`)
		p.quiet(t)
	}
}

// testPolicy sees that the policy holds, and that the other tests would notice:
// a page with something foreign in it is not quiet.
func testPolicy(t *testing.T, c *chromium) {
	var b bytes.Buffer
	must(t, sample().WriteHTML(&b))
	foreign := `<script>document.title = 'taken'</script><p id="f" style="color: red" onclick="alert(1)">` +
		`<img src="http://127.0.0.1:9/x"></p></body>`
	p := c.openPage(t, bytes.Replace(b.Bytes(), []byte("</body>"), []byte(foreign), 1), wide)
	want(t, p, "greeter: forced, 25.0s", `document.title`)
	want(t, p, false, `getComputedStyle(document.getElementById('f')).color === 'rgb(255, 0, 0)'`)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.complaints) < 3 {
		t.Errorf("the browser says only %q", p.complaints)
	}
}

// testNarrow: nothing sticks out of a small window.
func testNarrow(t *testing.T, c *chromium) {
	for _, width := range []int64{700, 400} {
		p := c.open(t, sample(), look{width: width, height: 900})
		want(t, p, true, `document.documentElement.scrollWidth <= innerWidth`)
		want(t, p, true, `document.querySelector('#culprit .name').checkVisibility()`)
		p.quiet(t)
		if *screenshots != "" && width == 700 {
			picture(t, p, "narrow.png")
		}
	}
}
