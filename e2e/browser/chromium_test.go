// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/gracetrace/gracetrace/tracer"
)

// limit bounds a test with its browser.
const limit = 50 * time.Second

// chromium is a running browser.
type chromium struct {
	context.Context //nolint:containedctx // chromedp's handle of a browser is a context
}

// start starts a browser of the test's own. It skips the test unless E2E is
// set; with E2E set a missing browser is a failure.
func start(t *testing.T) *chromium {
	t.Helper()
	if os.Getenv("E2E") == "" {
		t.Skip("needs Chromium: run `make e2e`, or set E2E=1")
	}
	bin, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: apt-get install chromium", err)
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(bin), chromedp.UserDataDir(t.TempDir()), chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return &chromium{ctx}
}

// tab is a page that was opened, most from disk, and what the browser said of it.
type tab struct {
	context.Context //nolint:containedctx // chromedp's handle of a tab is a context

	url string

	mu         sync.Mutex // guards following
	requests   []string
	complaints []string
}

// look is how a page is looked at.
type look struct {
	width, height int64
	dark, noJS    bool
}

var wide = look{width: 1400, height: 1000}

// open opens a report.
func (c *chromium) open(t *testing.T, r *tracer.Report, l look) *tab {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	return c.openPage(t, b.Bytes(), l)
}

func (c *chromium) openPage(t *testing.T, page []byte, l look) *tab {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, page, 0o600); err != nil {
		t.Fatal(err)
	}
	return c.openURL(t, (&url.URL{Scheme: "file", Path: file}).String(), l)
}

func (c *chromium) openURL(t *testing.T, address string, l look) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(c)
	t.Cleanup(cancel)
	p := &tab{Context: ctx, url: address}
	must(t, chromedp.Do(ctx))
	must(t, chromedp.Listen(ctx, p.event))
	call(t, p, network.Enable, network.EnableParams{})
	call(t, p, log.Enable, cdp.Empty{})
	call(t, p, audits.Enable, cdp.Empty{})
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	call(t, p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	call(t, p, emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: l.noJS})
	must(t, chromedp.Do(ctx, chromedp.EmulateViewport(l.width, l.height), chromedp.Navigate(p.url)))
	return p
}

func (p *tab) event(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	complain := func(format string, args ...any) {
		p.complaints = append(p.complaints, fmt.Sprintf(format, args...))
	}
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, ev.Request.URL)
	case *runtime.EventConsoleAPICalled:
		complain("console: %s", ev.Type)
	case *runtime.EventExceptionThrown:
		complain("exception: %s", ev.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		complain("log: %s", ev.Entry.Text)
	case *audits.EventIssueAdded:
		complain("issue: %s", ev.Issue.Code)
	}
}

// quiet wants that the browser loaded the page and nothing else, and had
// nothing to complain of.
func (p *tab) quiet(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	// An address without a host leads nowhere; it is the page's empty icon.
	requests := slices.DeleteFunc(slices.Clone(p.requests), func(u string) bool { return u == "data:," })
	if !slices.Equal(requests, []string{p.url}) {
		t.Errorf("requests %q, want the page alone", requests)
	}
	if len(p.complaints) > 0 {
		t.Errorf("the browser complains: %q", p.complaints)
	}
}

// press presses keys, one after the other.
func (p *tab) press(t *testing.T, keys ...string) {
	t.Helper()
	for _, k := range keys {
		must(t, chromedp.Do(p, chromedp.KeyEvent(k)))
	}
}

// middle is where the first element of a selector is in the window.
func (p *tab) middle(t *testing.T, selector string) (x, y float64) {
	t.Helper()
	box := eval[[]float64](t, p, `(() => {
		const b = document.querySelector("`+selector+`").getBoundingClientRect();
		return [b.left + b.width / 2, b.top + b.height / 2]; })()`)
	return box[0], box[1]
}

// mouse moves the mouse to a place or does something there.
func (p *tab) mouse(t *testing.T, what input.DispatchMouseEventType, x, y float64) {
	t.Helper()
	must(t, chromedp.Do(p, chromedp.MouseEvent(what, x, y, chromedp.ButtonLeft)))
}

// eval is the value of an expression in the page.
func eval[T any](t *testing.T, p *tab, expression string) T {
	t.Helper()
	v, err := chromedp.Run(p, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// want wants the value of an expression in the page to be v.
func want[T comparable](t *testing.T, p *tab, v T, expression string) {
	t.Helper()
	if got := eval[T](t, p, expression); got != v {
		t.Errorf("%s is %v, want %v", expression, got, v)
	}
}

func call[P, R any](t *testing.T, p *tab, cmd cdp.Command[P, R], params P) {
	t.Helper()
	if _, err := chromedp.Call(p, cmd, params); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
