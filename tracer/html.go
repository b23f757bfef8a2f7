// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
)

var (
	//go:embed html/page.html
	pageHTML string
	//go:embed html/style.css
	pageCSS string
	//go:embed html/script.js
	pageJS string
)

// htmlFrame is what is the same in every report: policy, style, the page,
// script. The policy comes first: it holds for what follows it. A browser looks
// for an icon unless it is told of one.
const htmlFrame = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="%s">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="gracetrace">
<link rel="icon" href="data:,">
<style>%s</style>
%s
<script>%s</script>
</body>
</html>
`

// WriteHTML writes the report as one page that needs nothing else: it loads
// nothing, opens from disk, and may be served as text/html. It can be read
// without JavaScript too. However large the report and whatever stands in it,
// the page is smaller than 1 MiB; what is left out is counted. Of a group the members
// fold in the timeline, and have a section each.
func (r *Report) WriteHTML(w io.Writer) error {
	// Parsed here and not at the start: a program that never writes a page
	// neither pays for it nor has the linker keep what a template may call.
	t, err := template.New("report").Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	var page, all bytes.Buffer
	if err := t.Execute(&page, newPage(r)); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	style, script := unixLines(pageCSS), unixLines(pageJS)
	fmt.Fprintf(&all, htmlFrame, contentPolicy(style, script), style, page.Bytes(), script)
	_, err = w.Write(all.Bytes())
	return err
}

// contentPolicy lets the browser apply our style, run our script and do nothing
// else. It allows no style attributes either: bars are placed by SVG's own.
func contentPolicy(style, script string) string {
	return "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; " +
		"style-src " + sourceHash(style) + "; script-src " + sourceHash(script)
}

func sourceHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// unixLines does what a browser does before it compares the hash: a checkout
// may have changed the line ends.
func unixLines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }
