// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	envDisabled      = "OTEL_SDK_DISABLED"
	envExporter      = "OTEL_TRACES_EXPORTER"
	envServiceName   = "OTEL_SERVICE_NAME"
	envResourceAttrs = "OTEL_RESOURCE_ATTRIBUTES"

	prefixAll    = "OTEL_EXPORTER_OTLP_"
	prefixTraces = "OTEL_EXPORTER_OTLP_TRACES_"

	// defaultTimeout is the specification's limit of one export call.
	defaultTimeout = 10 * time.Second
)

// getenv trims as the SDK does; an empty value is an unset one.
func getenv(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// signal returns the value for traces or, without one, for all signals, and
// the variable that holds it.
func signal(suffix string) (name, value string) {
	if v := getenv(prefixTraces + suffix); v != "" {
		return prefixTraces + suffix, v
	}
	return prefixAll + suffix, getenv(prefixAll + suffix)
}

// bad is the one form of a configuration error.
func bad(name, value, format string, args ...any) error {
	return fmt.Errorf("%s=%q: %s", name, value, fmt.Sprintf(format, args...))
}

// isTrue follows the specification: all but "true" is false, and said.
func isTrue(name, value string, log *slog.Logger) bool {
	if value != "" && !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") &&
		log != nil {
		log.Warn("not a boolean, taken as false", "variable", name, "value", value)
	}
	return strings.EqualFold(value, "true")
}

// envEnabled says whether to export at all. Which exporters have a name is
// only checked when the exporter is ours.
func envEnabled(ours bool, log *slog.Logger) (bool, error) {
	if isTrue(envDisabled, getenv(envDisabled), log) {
		return false, nil
	}
	switch v := getenv(envExporter); {
	case strings.EqualFold(v, "none"):
		return false, nil
	case v == "", strings.EqualFold(v, "otlp"), !ours:
		return true, nil
	default:
		return false, bad(envExporter, v, "not supported, want otlp or none")
	}
}

// eachSignal checks both forms of a variable. The one for all signals is
// checked although it may be overridden: the SDK would complain about it at
// the signal, when it is too late.
func eachSignal(suffix string, check func(name, value string) error) error {
	var errs []error
	for _, name := range []string{prefixAll + suffix, prefixTraces + suffix} {
		if v := getenv(name); v != "" {
			errs = append(errs, check(name, v))
		}
	}
	return errors.Join(errs...)
}

func checkCompression(name, v string) error {
	if v == "gzip" || v == "none" {
		return nil
	}
	return bad(name, v, "not supported, want gzip or none")
}

func checkTimeout(name, v string) error {
	if ms, err := strconv.Atoi(v); err != nil || ms < 0 {
		return bad(name, v, "not a number of milliseconds")
	}
	return nil
}

// timeoutOf is called with checked values. Zero is no limit but ours.
func timeoutOf(v string) time.Duration {
	if v == "" {
		return defaultTimeout
	}
	ms, _ := strconv.Atoi(v)
	return time.Duration(ms) * time.Millisecond
}

// parseHeaders reads key=value pairs, values percent-encoded. Errors hold no
// value, and of a member only a name that can be a header's: what stands before
// the '=' of a bare token in base64 may be most of it.
func parseHeaders(name, v string) (map[string]string, error) {
	headers := make(map[string]string)
	for i, member := range strings.Split(v, ",") {
		key, value, found := strings.Cut(member, "=")
		key = strings.TrimSpace(key)
		if !found {
			return nil, fmt.Errorf("%s: member %d has no '=' (values not shown)", name, i+1)
		}
		if !validHeaderKey(key) {
			return nil, fmt.Errorf("%s: member %d: not a header name before '=' (not shown)", name, i+1)
		}
		value, err := url.PathUnescape(value)
		if err != nil {
			return nil, fmt.Errorf("%s: header %q: bad percent-encoding (value not shown)", name, key)
		}
		value = strings.TrimSpace(value)
		if !strings.HasSuffix(strings.ToLower(key), "-bin") && !printable(value) {
			return nil, fmt.Errorf("%s: header %q: not printable ASCII (value not shown)", name, key)
		}
		maps.DeleteFunc(headers, func(k, _ string) bool { return strings.EqualFold(k, key) })
		headers[key] = value // of two with one name the last counts
	}
	return headers, nil
}

// validHeaderKey is the intersection of what the SDK and grpc's metadata
// accept; grpc lowers the case.
func validHeaderKey(key string) bool {
	return key != "" && strings.Trim(strings.ToLower(key),
		"abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
