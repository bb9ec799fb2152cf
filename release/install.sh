#!/bin/sh
# Installs wanbench @VERSION@ into the folder given, by default ~/.local/bin. The archives' hashes are in this file, so that
# whoever has verified it need verify nothing more. WANBENCH_RELEASES names a mirror.
set -eu

main() {
  folder=${1:-$HOME/.local/bin}
  version='@VERSION@'
  releases=${WANBENCH_RELEASES:-'@RELEASES@'}

  case $(uname -s)/$(uname -m) in
    Darwin/arm64) target=aarch64-apple-darwin ;;
    Linux/x86_64) target=x86_64-unknown-linux-gnu ;;
    Linux/aarch64 | Linux/arm64) target=aarch64-unknown-linux-gnu ;;
    *) fail "there is no archive for $(uname -s) on $(uname -m): build it with \`cargo build --release\`" ;;
  esac
  name=wanbench-v$version-$target
  sum=$(sums | sed -n "s/^\([0-9a-f]\{64\}\)  $name\.tar\.gz\$/\1/p")
  if [ -z "$sum" ]; then fail "release $version has no archive $name.tar.gz"; fi

  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  curl -fsSL --retry 3 -o "$work/archive" "$releases/v$version/$name.tar.gz" ||
    fail "$releases/v$version/$name.tar.gz cannot be fetched"
  if [ "$(hash_of "$work/archive")" != "$sum" ]; then fail "$name.tar.gz is not the file that was released"; fi
  tar -C "$work" -xzf "$work/archive"
  mkdir -p "$folder"
  # Moved last, and within one file system, so that there is never half a program.
  cp "$work/$name/wanbench" "$folder/.wanbench.$$"
  mv "$folder/.wanbench.$$" "$folder/wanbench"
  echo "installed wanbench $version as $folder/wanbench"
  case :$PATH: in
    *:"$folder":*) ;;
    *) echo "$folder is not in PATH: export PATH=\"$folder:\$PATH\"" ;;
  esac
}

fail() {
  echo "install.sh: $1" >&2
  exit 1
}

hash_of() {
  if command -v sha256sum > /dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -c 1-64
}

# The hashes of SHA256SUMS.
sums() {
  cat << 'SUMS'
@SUMS@
SUMS
}

main "$@"
