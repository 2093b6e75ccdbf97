#!/bin/bash
# The main job, seen: sets the machine up, builds Soundgate, and sends real music through it.
#   sudo deploy/demo.sh
# Prints one line an upload; exits 0 when all of them ended as they should. Leaves nothing running.
set -euo pipefail
cd "$(dirname "$0")/.."

if ((EUID != 0)); then
  echo "demo: it makes network namespaces: run it with sudo" >&2
  exit 1
fi

deploy/setup.sh
tests/support/fetch_corpus.sh build/corpus ardentryst asc-music btanks-data
cmake --preset release >/dev/null
echo "demo: building" >&2
cmake --build --preset release --target soundgated soundgate soundgate-decoder >&2
python3 deploy/demo.py
