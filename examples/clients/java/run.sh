#!/usr/bin/env bash
# Follows the events of a master; see ../README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../generate.sh"
need javac default-jdk-headless
jar=${PROTOBUF_JAR:-/usr/share/java/protobuf.jar}
[ -e "$jar" ] || { echo "skipped: needs $jar (Debian: libprotobuf-java)" >&2; exit 69; }
generate java_out "$build/java/source"
classes=$build/java/classes
if [ ! -e "$classes/.done" ] || [ -n "$(find "$here" "$build/java/source/.done" -newer "$classes/.done" -print -quit)" ]; then
  mkdir -p "$classes"
  find "$build/java/source" "$here" -name '*.java' >"$build/java/files"
  javac -nowarn -XDsuppressNotes -proc:none -cp "$jar" -d "$classes" "@$build/java/files"
  touch "$classes/.done"
fi
exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$classes:$jar" Follow "$@"
