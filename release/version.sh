#!/bin/sh
# Prints what CHANGELOG.md tells of the tag given, vVERSION; fails unless that is the version of Cargo.toml.
set -eu
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
if [ "$1" != "v$version" ]; then
  echo "the tag is $1, but Cargo.toml has version $version" >&2
  exit 1
fi
notes=$(awk -v heading="## [$version]" 'index($0, "## [") == 1 { inside = index($0, heading) == 1; next } inside' CHANGELOG.md)
if [ -z "$notes" ]; then
  echo "CHANGELOG.md has no section for $version" >&2
  exit 1
fi
printf '%s\n' "$notes"
