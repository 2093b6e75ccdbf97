#!/bin/bash
# Sets the machine up, builds everything, and runs every test. ctest's summary comes last.
#   sudo tests/run.sh [--long] [ctest's arguments…]
# --long adds what takes long: the large corpora, and the sanitizers' build.
set -euo pipefail
cd "$(dirname "$0")/.."

if ((EUID != 0)); then
  echo "run: the end-to-end tests make network namespaces: run it with sudo" >&2
  exit 1
fi

leave_out=(--label-exclude '^(long|sanitized)$')
if [[ ${1:-} == --long ]]; then
  leave_out=()
  shift
fi

deploy/setup.sh

# The corpus mostly waits for mirrors: it comes while the build has the CPU.
tests/support/fetch_corpus.sh &
fetching=$!
trap 'kill "$fetching" 2>/dev/null || true' EXIT
cmake --preset release >/dev/null
cmake --build --preset release
wait "$fetching"
trap - EXIT

# Real time and real processes: what fails on a busy machine is tried once more, and both runs are
# shown.
exec ctest --preset release -j 2 --repeat until-pass:2 "${leave_out[@]}" "$@"
