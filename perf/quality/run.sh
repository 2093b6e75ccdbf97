#!/bin/bash
# Matches altered copies of 100 real tracks, and 100 other tracks, on fingerprints alone: every
# transcode and trim has to be found, and none of the others. Prints how far each is from not being.
#   perf/quality/run.sh BUILD_DIR [KIND,…]     default: the kinds that have to be found
# Keeps what it makes in build/quality; a first run takes minutes of encoding.
set -euo pipefail
build=$(cd "$1" && pwd)
must=${2:-mp3_128k,aac_128k,opus_24k,trim_15s,trim_15s_b,trim_30s,trim_15s_mp3_128k,trim_15s_opus_24k}
cd "$(dirname "$0")/../.."
corpus=build/corpus
if [[ ! -e $corpus/manifest.tsv ]]; then
  echo "quality: there is no corpus: run tests/support/fetch_corpus.sh" >&2
  exit 77
fi
python3 perf/quality/make_variants.py --corpus $corpus --out build/quality --kinds "$must"
exec "$build/perf/quality/quality_match" build/quality --must "$must"
