#!/usr/bin/env bash
# Follows the events of a master; see ../README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../generate.sh"
python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import google.protobuf' 2>/dev/null || { echo "skipped: needs python3-protobuf" >&2; exit 69; }
generate python_out "$build/python"
PYTHONPATH="$build/python" exec "$python" -u "$here/follow.py" "$@"
