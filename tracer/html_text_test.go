// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"html/template"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestClipLine(t *testing.T) {
	for s, want := range map[string]string{
		"":                                    "",
		"short":                               "short",
		"twenty bytes exactly":                "twenty bytes exactly",
		"greeter.v1.Greeter/WatchEverything":  "greeter.v1…rything",
		"<<<<<<":                              "<<…<",
		"a\nb\x1b[0m":                         "a\ufffdb\ufffd[0m",
		strings.Repeat("ä", 11):               "äääää…äää",
		"\u202e" + strings.Repeat("x", 1<<20): "\ufffdxxxxxxx…xxxxxxx",
	} {
		if got := clipLine(s, 20); got != want {
			t.Errorf("clipLine(%.40q) = %q, want %q", s, got, want)
		}
	}
	if got := clipLines("goroutine 1:\n\tmain.go\r\n", 100); got != "goroutine 1:\n\tmain.go\ufffd\n" {
		t.Errorf("clipLines: %q", got)
	}
	if got := clipLines(strings.Repeat("ab\n", 100), 4); got != "ab\na…" {
		t.Errorf("clipLines: %q", got)
	}
}

// TestClipBudget: what html/template makes of a clipped text is in its budget.
func TestClipBudget(t *testing.T) {
	alphabet := []rune("ab<>&\"'+`=/\x00\u202e\n äé€😀\ufffd")
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		s := make([]rune, random.IntN(200))
		for i := range s {
			s[i] = alphabet[random.IntN(len(alphabet))]
		}
		limit := 8 + random.IntN(300)
		if got := template.HTMLEscapeString(clipLine(string(s), limit)); len(got) > limit {
			t.Fatalf("%d bytes of %d: %q of %q", len(got), limit, got, string(s))
		}
		if got := template.HTMLEscapeString(clipLines(string(s), limit)); len(got) > limit+len("…") {
			t.Fatalf("%d bytes of %d: %q of %q", len(got), limit, got, string(s))
		}
	}
}

func TestLink(t *testing.T) {
	for s, want := range map[string]string{
		"": "",
		"http://localhost:16686/trace/0a?uiFind=0b":           "http://localhost:16686/trace/0a?uiFind=0b",
		"https://github.com/grpc/grpc-go/issues/9":            "https://github.com/grpc/grpc-go/issues/9",
		"HTTPS://example.com":                                 "https://example.com",
		"javascript:alert(1)":                                 "",
		"https ://example.com":                                "",
		"https://a@example.com/":                              "",
		"https:///path":                                       "",
		"//example.com":                                       "",
		"data:text/html,x":                                    "",
		"https://example.com/" + strings.Repeat("x", maxLink): "",
	} {
		if got := link(s); got != want {
			t.Errorf("link(%.60q) = %q, want %q", s, got, want)
		}
	}
}

func TestAxis(t *testing.T) {
	for total, want := range map[time.Duration]string{
		tick:                "0 1µs",
		12 * tick:           "0 2µs 4µs 6µs 8µs 10µs 12µs",
		730 * tick:          "0 0.1ms 0.2ms 0.3ms 0.4ms 0.5ms 0.6ms 0.7ms",
		999 * ms:            "0 0.2s 0.4s 0.6s 0.8s",
		11 * sec:            "0 2s 4s 6s 8s 10s",
		25 * sec:            "0 5s 10s 15s 20s 25s",
		70 * sec:            "0 10s 20s 30s 40s 50s 60s 70s",
		5 * time.Minute:     "0 1m00s 2m00s 3m00s 4m00s 5m00s",
		223 * time.Minute:   "0 30m00s 1h00m 1h30m 2h00m 2h30m 3h00m 3h30m",
		30 * 24 * time.Hour: "0 96h00m 192h00m 288h00m 384h00m 480h00m 576h00m 672h00m",
	} {
		var labels []string
		for _, tick := range axis(total) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != want {
			t.Errorf("axis of %s: %s, want %s", total, got, want)
		}
	}
	for total := tick; total <= maxTime; total += total/7 + 1 {
		ticks := axis(total)
		if len(ticks) < 2 || len(ticks) > maxTicks {
			t.Fatalf("%s: %d ticks", total, len(ticks))
		}
		labels := make([]string, 0, maxTicks)
		for _, tick := range ticks {
			labels = append(labels, tick.Label)
		}
		slices.Sort(labels)
		if len(slices.Compact(labels)) != len(ticks) {
			t.Fatalf("%s: two ticks are labelled the same: %s", total, labels)
		}
	}
}
