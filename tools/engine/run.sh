#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs a command where a container engine answers: the machine's own, or else one
# that this starts, as root, with folders and a socket of its own, and ends with the
# command. Where that cannot be it says so, and the command runs without.
set -euo pipefail

if docker version >/dev/null 2>&1; then
  exec "$@"
fi
if ! command -v dockerd >/dev/null || [ "$(id -u)" != 0 ]; then
  echo 'no container engine: neither does one answer, nor can one be started' >&2
  exec "$@"
fi

dir=$(mktemp -d)
dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" \
  --host "unix://$dir/docker.sock" >"$dir/log" 2>&1 &
engine=$!
trap 'kill $engine 2>/dev/null; wait $engine || true; rm -rf "$dir"' EXIT
for _ in {1..150}; do
  if DOCKER_HOST=unix://$dir/docker.sock docker version >/dev/null 2>&1; then
    export DOCKER_HOST=unix://$dir/docker.sock
    break
  fi
  kill -0 $engine 2>/dev/null || break
  sleep 0.2
done
if [ -z "${DOCKER_HOST:-}" ]; then
  echo 'no container engine: the one that was started does not answer:' >&2
  tail -5 "$dir/log" >&2
fi
"$@"
