// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/legible"
	"github.com/gracetrace/gracetrace/tracer"
)

// aTrace is the id of one as Jaeger's UI shows it; zeros at its beginning may be missing.
var aTrace = regexp.MustCompile(`^[0-9a-fA-F]{1,32}$`)

// IsTraceID reports whether a text has as many digits as a trace's id.
func IsTraceID(s string) bool { return len(s) == 2*len(traceID{}) && aTrace.MatchString(s) }

// SplitLink takes a link to a trace in Jaeger's UI apart: the URL of Jaeger, and the
// trace's id.
func SplitLink(link string) (jaeger, id string, err error) {
	u, err := url.Parse(link)
	if err != nil {
		return "", "", fmt.Errorf("%q: no URL", legible.URL(link))
	}
	at := strings.LastIndex(u.Path, "/trace/")
	if at < 0 {
		return "", "", fmt.Errorf("%q: want a link to a trace, as of Jaeger's page: …/trace/ID",
			legible.URL(link))
	}
	id = strings.TrimRight(u.Path[at+len("/trace/"):], "/")
	u.Path, u.RawPath, u.RawQuery, u.Fragment = u.Path[:at], "", "", ""
	return u.String(), id, nil
}

// Trace returns the shutdowns of a trace, with links to it.
func (c *Client) Trace(ctx context.Context, id string) (reports []*tracer.Report, err error) {
	if !aTrace.MatchString(id) {
		return nil, fmt.Errorf("%q: want the id of a trace, up to 32 hexadecimal digits",
			legible.Text(id, maxName))
	}
	err = c.retry(ctx, func() error {
		return c.get(ctx, "/api/v3/traces/"+id, url.Values{"raw_traces": {"true"}},
			func(body io.Reader, _ time.Time) (err error) {
				reports, err = tracer.ReadReports(body)
				return err
			})
	})
	if errors.Is(err, errNoTraces) {
		return nil, fmt.Errorf("%s has no trace %s: its storage may have dropped it", c, id)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c, err)
	}
	for _, r := range reports {
		r.JaegerURL = c.String() + "/trace/" + r.TraceID
	}
	return reports, nil
}
