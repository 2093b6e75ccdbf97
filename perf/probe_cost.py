#!/usr/bin/env python3
"""What evasion probes add to `soundgate scan`, at the share of CPU that they have by default.

  perf/probe_cost.py [ROUNDS]

Twenty minutes of music in each format, against a bank whose probes are off, near and wide in turns.
CPU as in scan_cost.py, less what a tiny file costs; the median of the rounds. What probes add is a
share of the cost without them; over all formats together it has to be no more than they may have.
It exits 1 where that is over the limit. Needs the corpus and a release build.
"""

import ctypes
import os
import statistics
import sys
import tempfile
from pathlib import Path

from scan_cost import CODECS, PR_SET_CHILD_SUBREAPER, cpu_seconds, make_store

from testbed import bed, corpus
from testbed.audio import Workshop
from testbed.command_line import CommandLine

ROUNDS = 3
LIMIT = 0.18  # the default share, 0.15, and what one run differs from the next

# Whole periods of both schedules: ten stretches of near, two of wide.
SECONDS = 1280
SETTINGS = ("off", "near", "wide")


def measure(store, files, tiny):
    """CPU seconds of one round, for each setting: of each file, less the start-up. A file's runs
    follow each other: what else the machine does is much the same for all of them."""
    banks = CommandLine(bed.program("soundgate"), "--store", store)
    scan = [bed.program("soundgate"), "scan", "--json", "--store", store]
    figures = {setting: [] for setting in SETTINGS}
    for file in files:
        for setting in SETTINGS:
            banks.run("bank", "set", "references", "--probes", setting, check=True)
            start_up = cpu_seconds(*scan, tiny)
            figures[setting].append(cpu_seconds(*scan, file) - start_up)
    return figures


def medians(rounds, setting):
    """Of each file, over the rounds."""
    return [statistics.median(values) for values in zip(*(figures[setting] for figures in rounds))]


def report(rounds):
    plain = medians(rounds, "off")
    print(f"{'':10}" + "".join(f"{name:>10}" for name in (*CODECS, "together")))
    print(f"{'off':10}" + "".join(f"{seconds:9.3f}s" for seconds in (*plain, sum(plain))))
    limit_kept = True
    for setting in SETTINGS[1:]:
        probed = medians(rounds, setting)
        added = [(with_probes - without) / without for with_probes, without in zip(probed, plain)]
        together = (sum(probed) - sum(plain)) / sum(plain)
        limit_kept &= together <= LIMIT
        print(f"{setting:10}" + "".join(f"{share:+10.3f}" for share in (*added, together))
              + ("" if together <= LIMIT else f"  OVER {LIMIT}"))
    return limit_kept


def main():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    workshop = Workshop(bed.DERIVED)
    track = corpus.tracks(bed.CORPUS, families=("singularity",), seconds_min=200)[0]
    files = [workshop.encode_over_and_over(track, codec, SECONDS) for codec in CODECS]
    tiny = workshop.encode(corpus.tracks(bed.CORPUS, families=("asc",))[0], "wav", 0, 3)
    with tempfile.TemporaryDirectory(prefix="sgbed-") as folder:
        store = make_store(Path(folder))
        cpu_seconds(bed.program("soundgate"), "scan", "--store", store, *files)  # warms up
        figures = [measure(store, files, tiny) for _ in range(rounds)]
    return 0 if report(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
