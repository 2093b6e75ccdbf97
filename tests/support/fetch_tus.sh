#!/bin/bash
# Fetches the tus client and server of the end-to-end tests, with npm, in versions that run on
# Debian 12's Node 18. Quick when they are there.
#   fetch_tus.sh FOLDER
# Where the registry cannot be reached it exits 77: the tests that need them are skipped.
set -euo pipefail

packages=(tus-js-client@4.3.1 @tus/server@1.9.0 @tus/file-store@1.5.1)
folder=$1
stamp=$folder/fetched

[[ -e $stamp && $(<"$stamp") == "${packages[*]}" ]] && exit
if ! command -v npm >/dev/null; then
  echo "fetch_tus: npm is missing: deploy/setup.sh installs it" >&2
  exit 1
fi
mkdir -p "$folder"
cd "$folder"
[[ -e package.json ]] || echo '{"private": true}' >package.json
if ! npm install --no-audit --no-fund --ignore-scripts --no-save "${packages[@]}" >&2; then
  echo "fetch_tus: npm could not fetch ${packages[*]}" >&2
  exit 77
fi
echo "${packages[*]}" >"$stamp"
