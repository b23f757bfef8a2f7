#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds bin/collector, the OpenTelemetry Collector that e2e runs, unless it is
# there and no older than this and its source. Three minutes with a cold build cache,
# seconds with a warm one.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
out=${1:-$here/../../bin/collector}

fresh() {
	[ -x "$out" ] || return 1
	for source in build.sh main.go go.mod go.sum; do
		[ ! "$here/$source" -nt "$out" ] || return 1
	done
}

if fresh; then
	exit 0
fi
echo "building $(cd "$here" && GOWORK=off go list -m go.opentelemetry.io/collector/otelcol)" >&2
mkdir -p "$(dirname -- "$out")"
cd "$here"
# Without cgo it needs no file beside it, so that it can stand in a scratch image.
CGO_ENABLED=0 GOWORK=off go build -mod=readonly -trimpath -ldflags='-s -w' -o "$out" .
