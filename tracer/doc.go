// SPDX-License-Identifier: Apache-2.0

// Package tracer tells why a server is slow to shut down. It holds the model:
// phases, holders, the verdict, the report and the spans. It knows nothing of
// gRPC: package interceptors feeds it, package server announces the stop.
//
// # Usage
//
//	t, err := tracer.New(ctx) // OTEL_* environment variables, own pipeline
//	srv := server.New(t)      // a grpc server with the sensors installed
//
// A shutdown becomes one OpenTelemetry trace whose root is
// grpc.server.shutdown, with a child for each [Phase] and below it what held
// it; log records (shutdown started, shutdown progress, shutdown finished);
// and a [Report] for [WithReport].
//
// # Guarantees
//
//   - Until a shutdown begins, nothing is sent and no goroutine runs, but for
//     one probe of the collector at the start.
//   - Spans are always sampled and go through a provider of their own; the
//     application's global provider is neither used nor set.
//   - What holds a shutdown is sent while it lasts, at 1, 3, 6, 11 ... s, and
//     half a second after a phase that was told of has ended: a process that is
//     killed has told by then.
//   - At most 1,500 spans a shutdown, and 400 for its progress. What has no
//     span of its own is counted in a summary span.
//   - A collector that is down or mute delays the exit by at most 2 s.
//   - Texts that a client can choose are bounded, and never part of a span's
//     name.
//   - Log messages are constant and their keys documented (docs/log.md), as is
//     the JSON of a [Report] (docs/report.md).
//   - What was not seen is said, not guessed.
//
// # Limitations
//
//   - A shutdown is seen from outside grpc-go: a phase's boundaries are
//     exact to some microseconds on an idle machine, and later under load.
//   - Before 3 s the state of a handler is known for streams only (in Recv, in
//     Send). Then one dump of all goroutines tells where each handler is, and
//     one before a forced stop. A dump stops the world, with 10,000 goroutines
//     for 75 to 375 ms; above 20,000 there is none.
//   - What the collector does not take is counted, logged and lost, unless there is
//     a spool: see WithSpool.
//   - A process that is killed before 1 s has told that its stop began, and
//     nothing of what held it.
package tracer
