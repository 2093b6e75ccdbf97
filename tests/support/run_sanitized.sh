#!/bin/bash
# Builds the tests of what reads hostile bytes in our own code, with AddressSanitizer and
# UndefinedBehaviorSanitizer, and runs them. A test of ctest's, so that one summary tells of all.
# The whole tree under sanitizers: cmake --preset asan && cmake --build --preset asan.
set -euo pipefail
cd "$(dirname "$0")/../.."

programs=(
  dataplane_frame dataplane_byte_queue dataplane_http dataplane_engine dataplane_tcp
  dataplane_resumable dataplane_capture_filter dataplane_fuzz_capture sim_dataplane
  fingerprint_unit fingerprint_fuzz_results
  index_search index_align index_catalogue index_whole
)
cmake --preset asan >/dev/null
cmake --build --preset asan --target "${programs[@]}"
ctest --preset asan --no-tests=error -j 2 -R "^($(IFS='|' && echo "${programs[*]}"))\$"
