#!/usr/bin/env bash
# Follows the events of a master; see ../README.md.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
program=${CARGO_TARGET_DIR:-$root/target}/debug/examples/follow
(cd "$root" && cargo build -q -p scheduler --example follow)
exec "$program" "$@"
