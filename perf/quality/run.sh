#!/bin/bash
# The quality suite: what of altered music Soundgate finds, and what it takes for something it is not,
# beside AcoustID's method on the same fingerprints.
#   perf/quality/run.sh BUILD_DIR [OPTIONS OF make_corpus.py…]
# Fetches the corpus, makes references, distractors, impostors and attacks (the first time an hour or
# two; what is there is kept), matches them, and writes report.md, report.json, recall.png, scores.png
# and strengths.png to build/quality, or QUALITY_OUT. A short look: --tracks 12 --distractors 50 --impostors 50.
set -euo pipefail
build=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."
tests/support/fetch_corpus.sh --large build/corpus-large
out=${QUALITY_OUT:-build/quality}
/usr/bin/python3 perf/quality/make_corpus.py --corpus build/corpus-large --out $out --build "$build" "$@"
for method in soundgate soundgate-near soundgate-wide acoustid acoustid-whole; do
  "$build/perf/quality/quality_match" $out $method >$out/$method.partial
  mv $out/$method.partial $out/$method.jsonl
done
/usr/bin/python3 perf/quality/report.py $out
# What thresholds are fitted to: of a fifth of the impostors, and of a tenth of the uploads.
"$build/perf/quality/quality_calibrate" $out impostor 5 >$out/impostor.tsv
"$build/perf/quality/quality_calibrate" $out upload 10 >$out/upload.tsv
/usr/bin/python3 perf/quality/fit.py $out
