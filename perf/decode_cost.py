#!/usr/bin/env python3
"""What a worker costs against fpcalc and against bare decoding: runs micro_decode on real music.

  perf/decode_cost.py [ROUNDS]

Twenty minutes of one track in each format, on one CPU. It exits 1 where a limit is not kept
(perf/micro/fingerprint/decode_cost.cc has them). Needs the corpus and a release build.
"""

import os
import subprocess
import sys

from scan_cost import CODECS

from testbed import bed, corpus
from testbed.audio import Workshop

SECONDS = 1280


def main():
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rounds = sys.argv[1] if len(sys.argv) > 1 else "5"
    workshop = Workshop(bed.DERIVED)
    track = corpus.tracks(bed.CORPUS, families=("singularity",), seconds_min=200)[0]
    files = [workshop.encode_over_and_over(track, codec, SECONDS) for codec in CODECS]
    program = bed.BUILD / "perf" / "micro" / "fingerprint" / "micro_decode"
    return subprocess.run([program, "--rounds", rounds, "--check", *files]).returncode


if __name__ == "__main__":
    sys.exit(main())
