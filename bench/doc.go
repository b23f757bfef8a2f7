// SPDX-License-Identifier: Apache-2.0

// Package bench measures what gracetrace costs, always against something else
// in the same run: a bare grpc server, an empty interceptor, otelgrpc. Its
// benchmarks assert nothing; docs/bench.md has the results and the budgets, and
// package interceptors the tests that guard the allocations.
package bench
