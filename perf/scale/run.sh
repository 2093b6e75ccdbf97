#!/bin/bash
# Measures how the index grows: 1k, 10k and 100k references, and a million where asked for.
#   perf/scale/run.sh BUILD_DIR [--million]
# Writes build/scale/scale.jsonl (a line for each size), scale.md and scale.png, and store.json: what
# a whole store of 10k does while it grows. A first run takes minutes of decoding; 100k references
# take 4 GB of memory and 2 GB of disk, a million 17 and 17.
set -euo pipefail
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
sizes=(1000 10000 100000)
[[ ${2:-} == --million ]] && sizes+=(1000000)
if [[ ! -e build/corpus/manifest.tsv ]]; then
  echo "scale: there is no corpus: run tests/support/fetch_corpus.sh" >&2
  exit 77
fi
out=build/scale
mkdir -p $out
# As this build makes them.
if [[ ! $out/uploads.tsv -nt $build/bin/soundgate-decoder ]]; then
  /usr/bin/python3 perf/scale/make_uploads.py --corpus build/corpus --build "$build" --out $out/uploads.tsv
fi
: >$out/scale.jsonl
for size in "${sizes[@]}"; do
  nice -n 1 "$build/perf/scale/index_scale" $out/uploads.tsv --references "$size" --scratch $out |
    tee -a $out/scale.jsonl
done
/usr/bin/python3 perf/scale/plot.py $out/scale.jsonl
nice -n 1 "$build/perf/scale/store_scale" $out/uploads.tsv --references 10000 --scratch $out |
  tee $out/store.json
