#!/usr/bin/env bash
# Keeps copies of a command running; see README.md.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
program=${CARGO_TARGET_DIR:-$root/target}/debug/examples/service
(cd "$root" && cargo build -q -p scheduler --example service)
exec "$program" "$@"
