// SPDX-License-Identifier: Apache-2.0

// Package accuracy measures how exact the phases of a shutdown are that the public
// hooks see: an instrumented grpc-go stamps the same boundaries in the same process,
// see package woven. It has tests only, which need orchestrion; see make accuracy.
package accuracy
