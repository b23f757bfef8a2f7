// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/e2e/internal/check"
	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

// ask decodes the JSON that a URL answers.
func ask(url string, into any) error {
	body, err := get(url)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

func get(url string) ([]byte, error) {
	resp, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.300s", url, resp.Status, body)
	}
	return body, err
}

// value is what Prometheus has for an expression: the sum over all its series.
func (s *stack) value(t *testing.T, expr string) float64 {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	err := ask(s.query+"/api/v1/query?query="+url.QueryEscape("sum("+expr+")"), &answer)
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Data.Result) == 0 {
		return 0
	}
	text, _ := answer.Data.Result[0].Value[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// awaitValue returns when Prometheus has this value.
func (s *stack) awaitValue(t *testing.T, expr string, want float64) {
	t.Helper()
	awaitEqual(t, expr, want, func() float64 { return s.value(t, expr) })
}

// firing are the alerts of a service, sorted.
func (s *stack) firing(t *testing.T, service string) []string {
	t.Helper()
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string            `json:"state"`
				Labels map[string]string `json:"labels"`
			} `json:"alerts"`
		} `json:"data"`
	}
	if err := ask(s.query+"/api/v1/alerts", &answer); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" && a.Labels["service_name"] == service {
			names = append(names, a.Labels["alertname"])
		}
	}
	slices.Sort(names)
	return names
}

// latency is what the Monitor tab shows of an operation: its highest p95 of the
// last minutes, in milliseconds; 0 if it shows none.
func (s *stack) latency(t *testing.T, service, operation string) float64 {
	t.Helper()
	v := url.Values{
		"service": {service}, "quantile": {"0.95"}, "groupByOperation": {"true"},
		"spanKind": {"internal"}, "endTs": {strconv.FormatInt(time.Now().UnixMilli(), 10)},
		"lookback": {"120000"}, "step": {"1000"}, "ratePer": {"60000"},
	}
	var answer struct {
		Metrics []struct {
			Labels       []struct{ Name, Value string }
			MetricPoints []struct {
				GaugeValue struct{ DoubleValue any }
			}
		}
	}
	if err := ask(s.traces.Query+"/api/metrics/latencies?"+v.Encode(), &answer); err != nil {
		t.Fatal(err)
	}
	highest := 0.0
	for _, m := range answer.Metrics {
		for _, label := range m.Labels {
			if label.Name != "operation" || label.Value != operation {
				continue
			}
			for _, p := range m.MetricPoints {
				if ms, ok := p.GaugeValue.DoubleValue.(float64); ok { // "NaN" where there is none
					highest = max(highest, ms)
				}
			}
		}
	}
	return highest
}

// shutdowns finds the traces of a service's shutdowns, by the span that each has.
func (s *stack) shutdowns(t *testing.T, service string) []*timeline.Tree {
	t.Helper()
	trees, err := s.traces.FindTrees(t.Context(), jaegerd.Search{
		Service: service, Operation: check.Started, Since: time.Hour, Limit: 20_000,
	})
	if err != nil {
		t.Fatal(err)
	}
	return trees
}

// lines are those of a page of figures that begin like this.
func lines(t *testing.T, url, prefix string) []string {
	t.Helper()
	body, err := get(url)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, prefix) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// awaitDelivery returns when all that processes have sent is in Jaeger. Jaeger's
// storage in memory keeps the warnings of each look at a trace, so one that was
// looked at too early has a missing parent for ever.
func (s *stack) awaitDelivery(t *testing.T) {
	t.Helper()
	awaitEqual(t, "the queues are empty", 2, func() int {
		empty := 0
		for _, line := range lines(t, s.telemetry, "otelcol_exporter_queue_size{") {
			if strings.HasSuffix(line, " 0") {
				empty++
			}
		}
		return empty
	})
}
