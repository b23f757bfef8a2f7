// SPDX-License-Identifier: Apache-2.0

package tracer

import "testing"

// TestReadVersion: the version of the service, in each format.
func TestReadVersion(t *testing.T) {
	const attrs = `"attributes":[{"key":"shutdown.outcome","value":{"stringValue":"graceful"}}]`
	for _, input := range []string{
		`{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"greeter"}},` +
			`{"key":"service.version","value":{"stringValue":"1.4\u001b"}}]},"scopeSpans":[{"spans":[` +
			`{"traceId":"1","spanId":"2","name":"grpc.server.shutdown",` + attrs + `}]}]}]}`,
		`{"data":[{"traceID":"1","processes":{"p1":{"serviceName":"greeter","tags":[` +
			`{"key":"service.version","type":"string","value":"1.4\u001b"}]}},"spans":[{"traceID":"1","spanID":"2",` +
			`"operationName":"grpc.server.shutdown","processID":"p1",` +
			`"tags":[{"key":"shutdown.outcome","type":"string","value":"graceful"}]}]}]}`,
	} {
		r := read(t, []byte(input))
		if r.Service != "greeter" || r.ServiceVersion != "1.4�" {
			t.Errorf("%q %q", r.Service, r.ServiceVersion)
		}
	}
}

// TestReportVersion: a report says what its spans say.
func TestReportVersion(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", keyServiceVersion+"=1.4.2")
	tr, _ := newTestTracer(t)
	s, _ := tr.BeginShutdown(Call{Graceful: true})
	s.Returned()
	if got := s.Finish(t.Context()).ServiceVersion; got != "1.4.2" {
		t.Errorf("%q", got)
	}
}

// TestUnended: an end that was not sent is not the same as a kill that was found.
func TestUnended(t *testing.T) {
	_, spans := reported(t, busy(), Call{Graceful: true})
	for name, tt := range map[string]struct {
		r    *Report
		want bool
	}{
		"finished":  {read(t, formats["OTLP"](service, spans)), false},
		"no root":   {read(t, formats["OTLP"](service, spans[:1])), true},
		"recovered": {&Report{Outcome: OutcomeKilled, Notes: []Note{{Text: madeUp}}}, false},
	} {
		if got := tt.r.Unended(); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
