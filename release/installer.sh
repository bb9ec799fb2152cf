#!/bin/sh
# Writes SHA256SUMS and install.sh for the archives in the folder given. What verifies install.sh verifies all of them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
manifest=$here/../Cargo.toml
cd "$1"
set -- *.tar.gz
if [ ! -e "$1" ]; then
  echo "no archive lies in $PWD" >&2
  exit 1
fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$manifest" | head -n 1)
repository=$(sed -n 's/^repository = "\(.*\)"$/\1/p' "$manifest")
if command -v sha256sum > /dev/null; then sum=sha256sum; else sum="shasum -a 256"; fi
$sum -- "$@" > SHA256SUMS
# The address may be a mirror's.
releases=${WANBENCH_RELEASES:-$repository/releases/download}
{
  sed -e "s|@VERSION@|$version|" -e "s|@RELEASES@|$releases|" -e '/@SUMS@/,$d' "$here/install.sh"
  cat SHA256SUMS
  sed -e '1,/@SUMS@/d' "$here/install.sh"
} > install.sh
echo "$PWD/install.sh"
