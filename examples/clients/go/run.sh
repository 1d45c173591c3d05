#!/usr/bin/env bash
# Follows the events of a master; see ../README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../generate.sh"
need go golang-go
need protoc-gen-go golang-goprotobuf-dev
# Version 1.3 of the generator does not know where newer ones keep this file.
generate go_out "$build/go/src" Mgoogle/protobuf/duration.proto=github.com/golang/protobuf/ptypes/duration:
program=$build/go/follow
if [ ! -x "$program" ] || [ -n "$(find "$here" "$build/go/src/.done" -newer "$program" -print -quit)" ]; then
  # Debian keeps the sources of its Go packages under /usr/share/gocode.
  (cd "$here" && GO111MODULE=off GOFLAGS= GOPATH="$build/go:/usr/share/gocode" go build -o "$program" .)
fi
exec "$program" "$@"
