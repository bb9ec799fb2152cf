#!/bin/sh
# Installs wanbench @VERSION@ into the folder given, by default ~/.local/bin. The archives' hashes are in this file, so that
# whoever has verified it need verify nothing more. WANBENCH_RELEASES names a mirror.
set -eu

main() {
  folder=${1:-${HOME:?is not set: give the folder to install into}/.local/bin}
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
  if command -v sha256sum > /dev/null; then hash=sha256sum; else hash="shasum -a 256"; fi
  if ! command -v "${hash%% *}" > /dev/null; then fail "neither sha256sum nor shasum is here, to verify the archive"; fi

  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  if [ -d "$folder/wanbench" ]; then fail "$folder/wanbench is a folder: choose another place"; fi
  # In the folder itself, so that the program is moved within one file system, and there is never half of it.
  work=$(mktemp -d "$folder/.wanbench-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  curl -fsSL --retry 3 -o "$work/archive" "$releases/v$version/$name.tar.gz" ||
    fail "$releases/v$version/$name.tar.gz cannot be fetched"
  if [ "$($hash "$work/archive" | cut -c 1-64)" != "$sum" ]; then fail "$name.tar.gz is not the file that was released"; fi
  tar -C "$work" -xzf "$work/archive"
  mv "$work/$name/wanbench" "$folder/wanbench"
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

# The hashes of SHA256SUMS.
sums() {
  cat << 'SUMS'
@SUMS@
SUMS
}

main "$@"
