// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/legible"
)

const (
	tries         = 4 // of one question, for a Jaeger that is restarted or busy
	firstPause    = 250 * time.Millisecond
	maxErrorBody  = 300     // of what an error answers, in bytes
	maxServices   = 1 << 20 // of the list of services, in bytes
	maxName       = 120     // of a name that Jaeger answers, in bytes
	acceptedTypes = "application/json"
)

// Client asks one Jaeger. It is safe for concurrent use.
type Client struct {
	base    *url.URL
	headers map[string]string
	timeout time.Duration
	http    *http.Client
	pause   time.Duration // before the second try, doubled for each more
}

// Config is what a Client is made of.
type Config struct {
	URL string // of the query API, without /api: http://localhost:16686
	// Headers are sent with each question. They may be secrets: no error shows them.
	Headers map[string]string
	TLS     *tls.Config   // nil: the system's roots
	Timeout time.Duration // of one answer, to its end
}

// NewClient checks the URL. It connects to nothing.
func NewClient(conf Config) (*Client, error) {
	u, err := BaseURL(conf.URL)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf.TLS, ForceAttemptHTTP2: true,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
	}
	return &Client{
		base: u, headers: conf.Headers, timeout: conf.Timeout, pause: firstPause,
		http: &http.Client{
			Transport: transport,
			// Elsewhere is who asks for a login, and no place for our headers.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// BaseURL checks the URL of a Jaeger, and cuts what stands at its end.
func BaseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, fmt.Errorf("%q: want http://host:port or https://host", legible.URL(s))
	case u.User != nil:
		return nil, fmt.Errorf("%q: a user or a password, which would be in every link", legible.URL(s))
	case u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return nil, fmt.Errorf("%q: want it without ? and #, as in http://host:port", legible.URL(s))
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

// String is the URL.
func (c *Client) String() string { return c.base.String() }

// Close ends the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// questions are the parameters of a search. The names are those that Jaeger 2.13 and
// 2.20 both know: later ones have others besides. Raw traces are as they were sent,
// without Jaeger's corrections of clocks.
func questions(service, operation string, from, to time.Time, limit int) url.Values {
	return url.Values{
		"query.service_name":   {service},
		"query.operation_name": {operation},
		"query.start_time_min": {from.UTC().Format(time.RFC3339Nano)},
		"query.start_time_max": {to.UTC().Format(time.RFC3339Nano)},
		"query.num_traces":     {strconv.Itoa(limit)},
		"query.raw_traces":     {"true"},
	}
}

// again is an error that another try may not meet.
type again struct{ error }

func (e again) Unwrap() error { return e.error }

// retry calls try until it brings another error than again, or none.
func (c *Client) retry(ctx context.Context, try func() error) error {
	pause := c.pause
	for n := 1; ; n++ {
		err := try()
		if once := (again{}); !errors.As(err, &once) || n == tries || ctx.Err() != nil {
			return err
		}
		if err := rest(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
}

// rest leaves Jaeger alone for a while.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// askURL is asked where somebody else than Jaeger's query service has answered.
const askURL = "is it the URL of Jaeger's query service, which is on port 16686 by default?"

// errNoTraces is how the API says that a search found nothing.
var errNoTraces = errors.New("no traces found")

// errDepth is what Jaeger says who keeps fewer traces than it was asked for.
var errDepth = errors.New("asked for more traces than this Jaeger allows")

// get asks, and hands the answer to read. The time of an answer is Jaeger's clock.
func (c *Client) get(ctx context.Context, path string, query url.Values,
	read func(body io.Reader, clock time.Time) error,
) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout,
		fmt.Errorf("no whole answer within %s", c.timeout))
	defer cancel()
	u := *c.base
	u.Path += path
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", acceptedTypes)
	for k, v := range c.headers {
		req.Header.Set(k, v)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return again{c.failed(ctx, err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c.refused(resp)
	}
	clock, _ := http.ParseTime(resp.Header.Get("Date")) // zero: not told
	if err := read(resp.Body, clock); err != nil {
		return c.failed(ctx, err)
	}
	return nil
}

// failed names the reason instead of the URL, which is long and known.
func (*Client) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return again{context.Cause(ctx)}
	}
	if wrong := (*url.Error)(nil); errors.As(err, &wrong) {
		err = wrong.Err
	}
	if strings.Contains(err.Error(), "malformed HTTP response") { // net/http has no error of its own
		return fmt.Errorf("%w; %s", err, askURL)
	}
	return err
}

// refused makes an error of an answer that is none.
func (c *Client) refused(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // what there is of it
	text, ours := apiError(body)
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound && ours:
		return errNoTraces
	case code == http.StatusNotFound:
		return fmt.Errorf("%s has no /api/v3: %s (404: %s)", c.base, askURL, text)
	case code >= 300 && code < 400:
		return fmt.Errorf("%s wants us elsewhere, %s: name that URL, or send a token",
			c.base, legible.Text(legible.URL(resp.Header.Get("Location")), maxErrorBody))
	case strings.Contains(text, "search depth"):
		return fmt.Errorf("%w: %s", errDepth, text)
	case code >= 500, code == http.StatusTooManyRequests:
		return again{fmt.Errorf("%s: %s", legible.Text(resp.Status, maxErrorBody), text)}
	}
	return fmt.Errorf("%s: %s", legible.Text(resp.Status, maxErrorBody), text)
}

// apiError is the message of an error of the API, or the beginning of whatever else
// was answered.
func apiError(body []byte) (text string, ours bool) {
	var e struct {
		Error *struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &e) == nil && e.Error != nil {
		return legible.Text(e.Error.Message, maxErrorBody), true
	}
	return legible.Text(strings.Join(strings.Fields(string(body)), " "), maxErrorBody), false
}

// services are those that Jaeger knows.
func (c *Client) services(ctx context.Context) (names []string, err error) {
	err = c.get(ctx, "/api/v3/services", nil, func(body io.Reader, _ time.Time) error {
		var answer struct {
			Services []string `json:"services"`
		}
		if err := json.NewDecoder(io.LimitReader(body, maxServices)).Decode(&answer); err != nil {
			return err
		}
		for _, s := range answer.Services {
			names = append(names, legible.Text(s, maxName))
		}
		return nil
	})
	return names, err
}
