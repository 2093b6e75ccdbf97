#!/bin/bash
# Builds the unit tests with AddressSanitizer and UndefinedBehaviorSanitizer, and runs them. A test of
# ctest's, so that one summary tells of everything.
set -euo pipefail
cd "$(dirname "$0")/../.."

cmake --preset asan >/dev/null
cmake --build --preset asan
# The tests of ports start DPDK's EAL; those of the command line look at clocks and exit codes.
exec ctest --preset asan -j 2 --label-regex '^unit$' --label-exclude '^(ports|cli)$'
