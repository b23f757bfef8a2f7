// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
)

// A stack is what docker-compose.yml's profile starts, on loopback ports, with
// the files of fleet/. Only times are shorter.
type stack struct {
	jaeger, collector, prometheus daemon

	endpoint  string // takes OTLP
	metrics   string // URL of what the collector has counted
	telemetry string // URL of how the collector is
	query     string // URL of Prometheus
	traces    *jaegerd.Server
}

func newStack(t *testing.T) *stack {
	t.Helper()
	port := jaegerd.Ports(t, 11)
	s := &stack{
		endpoint:  "http://127.0.0.1:" + port[5],
		telemetry: "http://127.0.0.1:" + port[7] + "/metrics",
		metrics:   "http://127.0.0.1:" + port[8] + "/metrics",
		query:     "http://127.0.0.1:" + port[10],
		traces:    jaegerd.At("http://127.0.0.1:" + port[2]),
	}
	s.jaeger = daemon{
		name: "jaeger",
		args: []string{binary(t, "jaeger"), "--config", "jaeger/config.yaml", "--config", "fleet/monitor.yaml"},
		env: []string{
			"JAEGER_LISTEN_HOST=127.0.0.1", "JAEGER_OTLP_GRPC_PORT=" + port[0], "JAEGER_OTLP_HTTP_PORT=" + port[1],
			"JAEGER_QUERY_HTTP_PORT=" + port[2], "JAEGER_QUERY_GRPC_PORT=" + port[3],
			"JAEGER_HEALTH_PORT=" + port[4], "PROMETHEUS_URL=" + s.query,
		},
		health: "http://127.0.0.1:" + port[4] + "/status",
	}
	s.collector = daemon{
		name: "collector",
		args: []string{binary(t, "collector"), "--config", "fleet/collector.yaml"},
		env: []string{
			"COLLECTOR_LISTEN_HOST=127.0.0.1", "COLLECTOR_OTLP_GRPC_PORT=" + port[5],
			"COLLECTOR_OTLP_HTTP_PORT=" + port[6], "COLLECTOR_TELEMETRY_PORT=" + port[7],
			"COLLECTOR_METRICS_PORT=" + port[8], "COLLECTOR_HEALTH_PORT=" + port[9],
			"COLLECTOR_QUEUE_DIR=" + t.TempDir(), "JAEGER_OTLP_ENDPOINT=127.0.0.1:" + port[0],
			"COLLECTOR_DECISION_WAIT=1s", "COLLECTOR_METRICS_INTERVAL=200ms",
			"COLLECTOR_SAMPLING_PERCENTAGE=0", // what no policy keeps is gone for sure
		},
		health: "http://127.0.0.1:" + port[9] + "/",
	}
	s.prometheus = daemon{
		name: "prometheus",
		args: []string{
			debian(t, "prometheus"), "--config.file=" + prometheusConfig(t, port[7], port[8]),
			"--storage.tsdb.path=" + t.TempDir(), "--web.listen-address=127.0.0.1:" + port[10],
		},
		health: s.query + "/-/ready",
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return s
}

// prometheusConfig writes a copy of fleet/prometheus.yaml, and the rules beside
// it, with other addresses and shorter times.
func prometheusConfig(t *testing.T, telemetry, metrics string) string {
	t.Helper()
	dir := t.TempDir()
	for name, changes := range map[string][]string{
		"prometheus.yaml": {
			"scrape_interval: 15s", "scrape_interval: 250ms",
			"evaluation_interval: 15s", "evaluation_interval: 250ms",
			"collector:8888", "127.0.0.1:" + telemetry, "collector:8889", "127.0.0.1:" + metrics,
		},
		// Nothing runs longer than two seconds unseen here.
		"alerts.yaml": {
			"for: 1m", "for: 0s", "for: 5m", "for: 0s",
			"offset 2m", "offset 2s", "offset 62m", "offset 3602s", "[62m]", "[3602s]",
		},
	} {
		text := jaegerd.File(t, "fleet/"+name)
		for i := 0; i < len(changes); i += 2 {
			if !strings.Contains(text, changes[i]) {
				t.Errorf("fleet/%s has no %q any more", name, changes[i])
			}
		}
		text = strings.NewReplacer(changes...).Replace(text)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "prometheus.yaml")
}
