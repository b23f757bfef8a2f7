// SPDX-License-Identifier: Apache-2.0

// Package rollout sends the shutdowns of a large rollout to a real Jaeger, and asks it
// what held them: real grpc servers, their clients and the library's own exporter, in a
// few processes of which some are killed.
package rollout
