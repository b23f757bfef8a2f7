// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"
	"os"
	"strings"
	"time"
)

const (
	localCollector = "localhost:4317"
	localJaegerUI  = "http://localhost:16686"
	envUI          = "GRACETRACE_UI_URL"
	dialLimit      = 200 * time.Millisecond
)

// findCollector makes the demo send its trace if there is somewhere to send it:
// where the OTEL_* variables say, or to what answers on this machine. Otherwise
// it turns sending off, so that no warning disturbs.
func findCollector(ctx context.Context) error {
	if set, local := configured(); set {
		if local {
			return defaultEnv(envUI, localJaegerUI)
		}
		return nil
	}
	d := net.Dialer{Timeout: dialLimit}
	conn, err := d.DialContext(ctx, "tcp", localCollector)
	if err != nil {
		return os.Setenv("OTEL_TRACES_EXPORTER", "none")
	}
	_ = conn.Close() // nothing was sent
	return defaultEnv(envUI, localJaegerUI)
}

// configured tells whether the environment says anything about exporting, and
// whether it is to this machine, where Jaeger's UI then is, too.
func configured() (set, local bool) {
	endpoint := ""
	for _, kv := range os.Environ() {
		key, v, _ := strings.Cut(kv, "=")
		if v == "" {
			continue
		}
		switch {
		case key == "OTEL_SDK_DISABLED", key == "OTEL_TRACES_EXPORTER":
			set = true
		case strings.HasPrefix(key, "OTEL_EXPORTER_OTLP_METRICS_"),
			strings.HasPrefix(key, "OTEL_EXPORTER_OTLP_LOGS_"): // not about traces
		case strings.HasPrefix(key, "OTEL_EXPORTER_OTLP_"):
			set = true
		}
	}
	for _, key := range []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		if endpoint == "" {
			endpoint = os.Getenv(key)
		}
	}
	return set, endpoint == "" || isLocal(endpoint)
}

func isLocal(endpoint string) bool {
	_, host, found := strings.Cut(endpoint, "://")
	if !found {
		host = endpoint
	}
	host, _, _ = strings.Cut(host, "/")
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func defaultEnv(key, v string) error {
	if os.Getenv(key) != "" {
		return nil
	}
	return os.Setenv(key, v)
}
