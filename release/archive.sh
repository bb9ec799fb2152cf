#!/bin/sh
# Builds `wanbench` for this machine, or takes the program that is given as the second argument, and packs it as
# wanbench-vVERSION-TARGET.tar.gz into the folder given.
set -eu
folder=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
target=$(rustc -vV | sed -n 's/^host: //p')
name=wanbench-v$version-$target
program=${2:-}
if [ -z "$program" ]; then
  cargo build --release --locked --bin wanbench
  program=${CARGO_TARGET_DIR:-target}/release/wanbench
fi
staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT
mkdir "$staged/$name"
cp "$program" "$staged/$name/wanbench"
cp CHANGELOG.md LICENSE-APACHE LICENSE-MIT README.md "$staged/$name"
tar -C "$staged" -czf "$folder/$name.tar.gz" "$name"
echo "$folder/$name.tar.gz"
