// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/e2e/internal/check"
	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
)

const (
	servers = 3 // replicas of fleet-server
	// counted is when their ends are in Prometheus at the latest: it asks every 15 s.
	counted = time.Minute
)

// TestComposeFleet stops the servers of the profile fleet, all at once: their traces
// come out behind the collector, and are counted.
func TestComposeFleet(t *testing.T) {
	engine(t)
	p := compose(t, "fleet")
	tags := p.images(t)
	ours(t, tags["fleet-server"]).build(t)
	jaeger(t, tags["fleet-jaeger"]).build(t)
	collector(t, tags["collector"]).build(t)
	prometheus(t, tags["prometheus"]).build(t)
	p.run(t, "up", "--detach", "--no-build", "fleet-load")
	p.run(t, "stop", "fleet-server")

	j := jaegerd.At("http://127.0.0.1:16687")
	trees, err := j.FindTrees(t.Context(), jaegerd.Search{
		Service: service, Operation: check.Started, Since: 10 * time.Minute, Limit: 20,
	})
	if err != nil || len(trees) != servers {
		t.Errorf("%d shutdowns at Jaeger, want %d (%v)", len(trees), servers, err)
	}
	for _, tree := range trees {
		check.Tell(t, tree, check.Finished(tree))
	}
	const ends = `sum(traces_span_metrics_calls_total{span_name="grpc.server.shutdown"})`
	awaitValue(t, "http://127.0.0.1:9090", ends, fmt.Sprint(servers))
}

// awaitValue asks Prometheus until an expression has a value.
func awaitValue(t *testing.T, prometheus, expr, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), counted)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		got, err := value(ctx, prometheus, expr)
		if got == want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s is %s, want %s (%v)", expr, got, want, err)
		}
	}
}

func value(ctx context.Context, prometheus, expr string) (string, error) {
	u := prometheus + "/api/v1/query?query=" + url.QueryEscape(expr)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Result []struct {
				Value []any `json:"value"` // when, and what
			} `json:"result"`
		} `json:"data"`
	}
	err = json.NewDecoder(resp.Body).Decode(&answer)
	if err != nil || len(answer.Data.Result) != 1 || len(answer.Data.Result[0].Value) != 2 {
		return "unknown", err
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1]), nil
}
