# Sourced by the run.sh of each language: `generate FLAG OUT [PARAMETERS:]` makes code from the schema into OUT, unless it is
# there and newer than the schema.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
protos=$root/crates/proto/proto
build=${CARGO_TARGET_DIR:-$root/target}/clients

need() {
  command -v "$1" >/dev/null || { echo "skipped: needs $1 (Debian: $2)" >&2; exit 69; }
}

generate() {
  need protoc protobuf-compiler
  if [ -e "$2/.done" ] && [ -z "$(find "$protos" "$root/examples/clients/generate.sh" -newer "$2/.done" -type f -print -quit)" ]; then return; fi
  mkdir -p "$2"
  # One by one: the Go generator wants the files of one package at a time.
  (cd "$protos" && find mesos/v1 -name '*.proto') | while read -r file; do protoc -I "$protos" "--$1=${3:-}$2" "$file"; done
  touch "$2/.done"
}
