#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds bin/jaeger, the Jaeger that e2e runs, unless it is there and no older
# than this and its pins. Six to nine minutes and 2 GB of memory with a cold
# build cache, seconds with a warm one.
#
# go.mod here stands outside go.work and is never tidied: go.sum began as
# Jaeger's own, and tidy would ask for the modules of all its tests.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
out=${1:-$here/../../bin/jaeger}

fresh() {
	[ -x "$out" ] || return 1
	for source in build.sh go.mod go.sum; do
		[ ! "$here/$source" -nt "$out" ] || return 1
	done
}

if fresh; then
	exit 0
fi
echo "building $(cd "$here" && GOWORK=off go list -m github.com/jaegertracing/jaeger)" >&2
mkdir -p "$(dirname -- "$out")"
cd "$here"
# Without cgo it needs no file beside it, so that it can stand in a scratch image.
GOWORK=off CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags='-s -w' -o "$out" \
	github.com/jaegertracing/jaeger/cmd/jaeger
