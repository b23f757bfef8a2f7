#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the compiled-in mode costs a build of this program: each in a build cache of
# its own, from nothing, after a change of main.go, and once more without one; then
# the sizes. With the weaver that make weave builds, so that its own build does not
# count.
set -eu
cd "$(dirname "$0")"
dir=$(mktemp -d)
trap "rm -rf $dir" EXIT
cp -r . "$dir/src"
sed -i "s,=> ../..,=> $(cd ../.. && pwd)," "$dir/src/go.mod"
weaver=$(cd ../.. && pwd)/bin/orchestrion
cd "$dir/src"
export GOWORK=off GOFLAGS=-mod=mod DD_ORCHESTRION_IS_GOMOD_VERSION=true

took() { # what command...
	what=$1
	shift
	begin=$(date +%s%N)
	"$@"
	echo "$what: $((($(date +%s%N) - begin) / 1000000)) ms"
}
for kind in plain woven; do
	export GOCACHE="$dir/$kind"
	by=
	[ $kind = plain ] || by=$weaver
	took "$kind, cold" $by go build -o "$dir/$kind.bin" .
	echo "// changed" >>main.go
	took "$kind, main.go changed" $by go build -o "$dir/$kind.bin" .
	took "$kind, nothing changed" $by go build -o "$dir/$kind.bin" .
	$by go build -ldflags='-s -w' -o "$dir/$kind.stripped" .
	echo "$kind: $(wc -c <"$dir/$kind.bin") bytes, stripped $(wc -c <"$dir/$kind.stripped")"
done
