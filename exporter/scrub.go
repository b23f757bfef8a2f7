// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/gracetrace/gracetrace/internal/legible"
)

const (
	// maxError bounds, in bytes, an error that is logged or kept: a collector
	// chooses its status message.
	maxError = 1 << 10
	// minSecret is the shortest text that is taken for a secret: hiding "1"
	// would hide most addresses, and nobody's token.
	minSecret = 4

	hidden = "[redacted]"
)

// scrub makes text that a collector, a proxy or a library chose safe to log:
// values of the configured headers, users and passwords of URLs do not stand in
// it, as they are, in percent-encoding, in base64 or quoted; nothing in it moves
// a terminal's cursor; and it is bounded.
func scrub(text string) string { return legible.Text(hide(text), maxError) }

// hide is the first half of scrub. What cuts a text has to come after it.
func hide(text string) string {
	for _, s := range secrets() {
		text = strings.ReplaceAll(text, s, hidden)
	}
	return text
}

// scrubbed is err with a text that may be logged. Of what err wraps errors.Is
// tells as before, but nothing leads back to the text.
func scrubbed(err error) error {
	if err == nil {
		return nil
	}
	was := err.Error()
	text := scrub(was)
	if text == was {
		return err
	}
	return &scrubbedError{text, err}
}

type scrubbedError struct {
	text string
	err  error
}

func (e *scrubbedError) Error() string { return e.text }

func (e *scrubbedError) Is(target error) bool { return errors.Is(e.err, target) }

// envProxies are the variables that net/http and grpc-go read a proxy from.
var envProxies = []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"}

// secrets are the texts to hide, the longest first: one may be a part of another.
// They are read when there is an error to tell, so that they are what the
// exporter has read.
func secrets() []string {
	found := make(map[string]bool)
	for _, prefix := range []string{prefixAll, prefixTraces} {
		addHeaders(found, os.Getenv(prefix+"HEADERS"))
		addUserinfo(found, os.Getenv(prefix+"ENDPOINT"))
		addQuery(found, os.Getenv(prefix+"ENDPOINT"))
	}
	for _, name := range envProxies {
		addUserinfo(found, os.Getenv(name))
	}
	list := make([]string, 0, len(found))
	for s := range found {
		if len(s) >= minSecret {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	return list
}

// addHeaders takes key=value pairs, and members that are none: the token may be
// all that there is.
func addHeaders(found map[string]bool, v string) {
	for member := range strings.SplitSeq(v, ",") {
		_, value, ok := strings.Cut(member, "=")
		if !ok {
			value = member
		}
		value = strings.TrimSpace(value)
		addForms(found, value)
		if decoded, err := url.PathUnescape(value); err == nil {
			addCredentials(found, strings.TrimSpace(decoded))
		}
	}
}

// addCredentials takes a header's value, what follows its scheme (Bearer abc),
// and the user and the password of Basic. (RFC 9110 section 11.4; RFC 7617.)
func addCredentials(found map[string]bool, value string) {
	addForms(found, value)
	scheme, rest, ok := strings.Cut(value, " ")
	if !ok {
		return
	}
	rest = strings.TrimSpace(rest)
	addForms(found, rest)
	if !strings.EqualFold(scheme, "basic") {
		return
	}
	if pair, err := base64.StdEncoding.DecodeString(rest); err == nil {
		addPair(found, string(pair))
	}
}

// addUserinfo takes user:password@ out of what may be no URL: an error tells of
// it because it is none.
func addUserinfo(found map[string]bool, v string) {
	at := strings.LastIndex(v, "@")
	if at < 0 {
		return
	}
	pair := v[:at]
	if _, rest, ok := strings.Cut(pair, "://"); ok {
		pair = rest
	}
	addPair(found, pair)
	if decoded, err := url.PathUnescape(pair); err == nil {
		addPair(found, decoded)
	}
	// As a proxy gets it. (RFC 7617.)
	if user, err := url.Parse(v); err == nil && user.User != nil {
		password, _ := user.User.Password()
		addForms(found, user.User.Username()+":"+password)
	}
}

// addQuery takes what stands in a URL's query: some backends want a key there.
func addQuery(found map[string]bool, v string) {
	_, query, _ := strings.Cut(v, "?")
	for part := range strings.SplitSeq(query, "&") {
		if _, value, ok := strings.Cut(part, "="); ok {
			part = value
		}
		addForms(found, part)
		if decoded, err := url.QueryUnescape(part); err == nil {
			addForms(found, decoded)
		}
	}
}

func addPair(found map[string]bool, pair string) {
	addForms(found, pair)
	if _, password, ok := strings.Cut(pair, ":"); ok {
		addForms(found, password)
	}
}

// addForms takes a secret in the forms in which it may come back.
func addForms(found map[string]bool, s string) {
	quoted := strconv.Quote(s)
	for _, form := range []string{
		s, quoted[1 : len(quoted)-1], url.PathEscape(s), url.QueryEscape(s),
		base64.StdEncoding.EncodeToString([]byte(s)), base64.RawStdEncoding.EncodeToString([]byte(s)),
		base64.URLEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)),
	} {
		if len(s) >= minSecret {
			found[form] = true
		}
	}
}
