// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
)

func TestScrub(t *testing.T) {
	const headers, traces = prefixAll + "HEADERS", prefixTraces + "HEADERS"
	basic := base64.StdEncoding.EncodeToString([]byte("ann:hunter22"))
	for _, tt := range []struct {
		name string
		env  []string
		text string
		want string
	}{
		{"nothing is configured", nil, "no such host", "no such host"},
		{"a value", []string{headers, "api-key=s3cret"}, "bad key s3cret!", "bad key [redacted]!"},
		{"that of the other signal", []string{traces, "api-key=s3cret"}, "s3cret", "[redacted]"},
		{
			"a token without its scheme", []string{headers, "authorization=Bearer%20abc.def-ghi"},
			"unknown token abc.def-ghi, sent as Bearer abc.def-ghi",
			"unknown token [redacted], sent as [redacted]",
		},
		{
			"the password of Basic", []string{headers, "authorization=Basic " + basic},
			"ann's password is not hunter22 (ann:hunter22, " + basic + ")",
			"ann's password is not [redacted] ([redacted], [redacted])",
		},
		{
			"as it stands in the environment", []string{headers, "k=a%2Fb%3Dc%20d"},
			"a%2Fb%3Dc%20d is a/b=c d", "[redacted] is [redacted]",
		},
		{
			"a value with = in it", []string{headers, "k=aaaa=bbbb=="}, "got aaaa=bbbb==.",
			"got [redacted].",
		},
		{"quoted", []string{headers, `k=say "x"`}, `desc = "say \"x\""`, `desc = "[redacted]"`},
		{
			"in base64, as a -bin header is sent", []string{headers, "k-bin=0123456789"},
			"k-bin: MDEyMzQ1Njc4OQ, MDEyMzQ1Njc4OQ==", "k-bin: [redacted], [redacted]",
		},
		{
			"a member that is no pair", []string{headers, "a=b,eyJhbGciOi"}, "member eyJhbGciOi",
			"member [redacted]",
		},
		{"bad percent-encoding", []string{headers, "a=100%zz"}, "a is 100%zz", "a is [redacted]"},
		{
			"one in another, whatever comes first", []string{headers, "a=abcd,b=abcdefgh"},
			"abcdefgh abcd", "[redacted] [redacted]",
		},
		{"too short to be one", []string{headers, "tenant=1"}, "127.0.0.1", "127.0.0.1"},
		{
			"an endpoint", []string{prefixAll + "ENDPOINT", "https://ann:p%40ss/word@otel:4317"},
			"ann:p%40ss/word or ann:p@ss/word or p@ss/word", "[redacted] or [redacted] or [redacted]",
		},
		{
			"a token as an endpoint's user", []string{prefixTraces + "ENDPOINT", "https://t0ken@otel"},
			"t0ken", "[redacted]",
		},
		{
			"a proxy", []string{"https_proxy", "http://ann:hunter2%zz@proxy:3128"},
			`parse "http://ann:hunter2%zz@proxy:3128": bad`, `parse "http://[redacted]@proxy:3128": bad`,
		},
		{
			"as a proxy gets it", []string{"HTTPS_PROXY", "http://ann:hunter22@proxy"},
			"Proxy-Authorization: Basic " + basic, "Proxy-Authorization: Basic [redacted]",
		},
		{"a terminal's language", nil, "\x1b]0;owned\a\r\nfake line\u202e", "�]0;owned���fake line�"},
		{"much", nil, strings.Repeat("é", maxError), strings.Repeat("é", maxError/2) + "…"},
		{
			"cut only once it is clean", []string{headers, "k=0123456789"},
			strings.Repeat("x", maxError-5) + "0123456789", strings.Repeat("x", maxError-5) + "[reda…",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t, tt.env...)
			if got := scrub(tt.text); got != tt.want {
				t.Errorf("scrub(%q)\n is %q\nwant %q", tt.text, got, tt.want)
			}
		})
	}
}

func TestScrubbedErrorIsWhatItWas(t *testing.T) {
	clean(t, prefixAll+"HEADERS", "k=s3cret")
	plain := fmt.Errorf("no answer: %w", context.DeadlineExceeded)
	if got := scrubbed(plain); got != plain { //nolint:errorlint // the same error
		t.Errorf("an error without a secret was replaced: %v", got)
	}
	if scrubbed(nil) != nil {
		t.Error("an error out of none")
	}
	got := scrubbed(fmt.Errorf("s3cret: %w", context.Canceled))
	if !errors.Is(got, context.Canceled) || errors.Is(got, context.DeadlineExceeded) {
		t.Errorf("%v is not what it was", got)
	}
	for err := got; err != nil; err = errors.Unwrap(err) {
		if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, "s3cret") {
			t.Errorf("the secret stands in %s", text)
		}
	}
}

// FuzzScrub: no value of a header comes out as it went in, nor anything that a
// terminal obeys, however they are mixed.
func FuzzScrub(f *testing.F) {
	f.Add("s3cret", "the key s3cret is wrong")
	f.Add("Bearer abc\x00def", "\x1b[31mBearer abc\x00def")
	f.Add("[redacted]", "[redacted] [red")
	f.Add("aaaa", "aaaaaaa")
	f.Fuzz(func(t *testing.T, secret, text string) {
		if strings.ContainsAny(secret, "\x00,") || len(secret) < minSecret ||
			strings.Contains(hidden, secret) || strings.TrimSpace(secret) != secret {
			t.Skip()
		}
		clean(t, prefixAll+"HEADERS", "k="+secret)
		got := scrub(text + secret + text)
		if strings.Contains(got, secret) {
			t.Errorf("%q still stands in %q", secret, got)
		}
		if len(got) > maxError+len("…")+3*len(text) {
			t.Errorf("%d bytes", len(got))
		}
		if strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("control characters in %q", got)
		}
	})
}
