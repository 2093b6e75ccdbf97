#!/usr/bin/env python3
"""What an upload costs whose bytes are known, against decoding it, on real music in each format.

  perf/exact_cost.py

Runs perf/micro/fingerprint/exact_cost.cc, which says what is measured, on the files of
scan_cost.py and a WAV; exits 1 where one is over its limit. Needs the corpus and a release
build.
"""

import subprocess
import sys

from scan_cost import make_files

from testbed import bed, corpus
from testbed.audio import Workshop


def main():
    workshop = Workshop(bed.DERIVED)
    track = corpus.tracks(bed.CORPUS, families=("singularity",), seconds_min=200)[0]
    files = [*make_files(workshop), workshop.encode(track, "wav")]
    program = bed.BUILD / "perf/micro/fingerprint/micro_exact"
    return subprocess.run([program, "--check", *files], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
