// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"time"
)

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

func writeLiveHTML(w io.Writer, running, finished []*Report) error {
	switch n := len(finished); {
	case len(running) == 1:
		return running[0].WriteHTML(w)
	case len(running) == 0 && n > 0:
		return finished[n-1].WriteHTML(w)
	}
	b := bytes.NewBufferString("<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">" +
		"<title>shutdowns</title>\n")
	if len(running) == 0 {
		b.WriteString("<p>no shutdown is running</p>\n")
	} else {
		b.WriteString("<ol>\n")
	}
	for i, r := range running {
		fmt.Fprintf(b, "<li><a href=\"?format=html&amp;n=%d\">since %s</a>: %s</li>\n",
			i+1, clockTime(r.Start), html.EscapeString(r.Verdict))
	}
	_, err := w.Write(b.Bytes())
	return err
}
