// SPDX-License-Identifier: Apache-2.0

// Package exporter is the way out: it carries the spans of a shutdown to an
// OpenTelemetry collector while the process is on its way to the exit.
//
// # Usage
//
//	e, err := exporter.New(ctx, exporter.Config{ScopeName: "..."}) // at start
//	s := e.Open()                                                // at the signal
//	s.Emit(exporter.Span{...})                                   // as spans end
//	res := s.Flush(ctx)                                          // last thing
//	e.Close()
//
// The OTEL_* variables of the OpenTelemetry specification configure it:
// OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER (otlp or none), OTEL_SERVICE_NAME,
// OTEL_RESOURCE_ATTRIBUTES and OTEL_EXPORTER_OTLP_ followed, with or without
// TRACES_, by ENDPOINT, INSECURE, HEADERS, CERTIFICATE, CLIENT_CERTIFICATE,
// CLIENT_KEY, COMPRESSION, TIMEOUT (milliseconds) and PROTOCOL: grpc, the
// default, http/protobuf or http/json.
//
// Over gRPC they mean what they mean to otlptracegrpc, with one exception: when
// no endpoint, certificate or INSECURE variable is set, spans go to
// localhost:4317 in plain text, which is where a local collector or Jaeger
// listens, and not over TLS.
//
// Over HTTP the endpoint is a URL, http://localhost:4318 by default. v1/traces
// is appended to OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
// is taken as it is. The scheme decides about TLS and INSECURE does not count; a
// user and a password in the URL are sent as Basic authentication; proxies are
// net/http's. Redirects are not followed.
//
// # Guarantees
//
//   - The pipeline is its own. The global provider and error handler are
//     neither read nor set, every span is sampled whatever OTEL_TRACES_SAMPLER
//     says, and no OTEL_SPAN_* limit cuts one.
//   - [New] reports bad configuration, with the variable and the value in it.
//     Header values are never shown. otlptracegrpc itself reports none of it.
//   - Nothing is held while the server serves: one probe at start, then no
//     connection and no goroutine until [Exporter.Open], which builds the
//     exporter anew, so rotated certificates and tokens are read again.
//   - [Session.Emit] never blocks. [Session.Flush] takes at most two seconds,
//     never passes its context, and adds no delay when there is no collector.
//   - Every span is in [Result], as sent, as spooled or as lost for a reason.
//   - A request that is too large for the collector, or too much for it now, is
//     halved and sent again, down to one span; the size that it takes is kept to.
//   - Where the collector has answered before and lets a call of Flush wait, what is
//     behind it goes over a second connection, and what gets no answer follows: a
//     span may arrive twice, the same byte by byte. What comes of each fault of a
//     collector is in testdata/faults.txt.
//   - With [Config.SpoolDir] spans are written before they are sent, in a
//     goroutine of its own: a disk that is full or hangs is said once, counted,
//     and holds Flush for at most 250 ms.
//
// # Limitations
//
//   - OTLP over HTTP is HTTP/1.1: a server that has HTTP/2 only is not reached.
//   - Nothing is kept on disk by default: what the collector did not take is lost.
//   - A spool survives the process, not the machine: it is not synced.
//   - An exporter from [Config.Factory] that ignores its context keeps its
//     goroutine after Flush has given up on it.
//   - The SDK prints one line through the global error handler for a value of
//     OTEL_TRACES_SAMPLER that it does not know, although it is not used here.
package exporter
