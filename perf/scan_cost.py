#!/usr/bin/env python3
"""What `soundgate scan` costs, against `fpcalc -length 0` on the same real files in the same run.

  perf/scan_cost.py [ROUNDS]

CPU (user and system, of the whole process tree, on one CPU: two workers on the threads of one core
would slow each other down), the two in turns, the median of the rounds:
  start-up aside   less what as many tiny files cost, on both sides            at most 1.10
  as used          one scan of all files, against fpcalc once per file         less than 1
Prints a table, and exits 1 where a ratio is over its limit. Needs the corpus (deploy/setup.sh,
tests/support/fetch_corpus.sh) and a release build. Probes are off.
"""

import ctypes
import os
import resource
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from testbed import bed, corpus  # noqa: E402
from testbed.audio import Workshop  # noqa: E402
from testbed.command_line import CommandLine  # noqa: E402

ROUNDS = 7
LIMIT_STARTUP_ASIDE = 1.10
LIMIT_AS_USED = 1.0

REFERENCES = 20  # in the store that is searched
CODECS = ("mp3 128k", "m4a 128k", "flac", "opus 24k", "vorbis")
FPCALC_EXIT_CODE = 3  # of 1.5.1 with FFmpeg 5, which takes each file's end for an error
PR_SET_CHILD_SUBREAPER = 36


def cpu_seconds(*command, exit_code=0):
    """Of a command and of every process that it started, however they were started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [str(word) for word in command]
    silence = [(os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_RDWR, 0)
               for descriptor in (0, 1, 2)]
    command_pid = os.posix_spawnp(command[0], command, os.environ, file_actions=silence)
    while True:  # orphans come to us: we are a subreaper
        try:
            pid, status = os.wait()
        except ChildProcessError:
            break
        if pid == command_pid and os.waitstatus_to_exitcode(status) != exit_code:
            raise RuntimeError(f"{' '.join(command)}: wait status {status}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def make_files(workshop):
    """Real music in each format: a track of its own per format, and asc's as they came."""
    tracks = corpus.tracks(bed.CORPUS, families=("singularity",), seconds_min=200)
    encoded = [workshop.encode(track, codec) for track, codec in zip(tracks, CODECS)]
    return encoded + [track.path for track in corpus.tracks(bed.CORPUS, families=("asc",))]


def make_store(folder):
    store = CommandLine(bed.program("soundgate"), "--store", folder / "store")
    store.run("bank", "create", "references", check=True)
    references = corpus.tracks(bed.CORPUS, families=("wesnoth",))[:REFERENCES]
    store.run("enroll", "--bank", "references", *(track.path for track in references), check=True)
    return folder / "store"


def measure(store, files, tiny):
    """CPU seconds of one round: scan and fpcalc, of all files and of as many tiny ones."""
    scan = [bed.program("soundgate"), "scan", "--json", "--store", store]
    fpcalc = ["fpcalc", "-length", "0"]
    tiny_files = [tiny] * len(files)
    return {
        "scan": cpu_seconds(*scan, *files),
        "fpcalc": sum(cpu_seconds(*fpcalc, file, exit_code=FPCALC_EXIT_CODE) for file in files),
        "scan of tiny files": cpu_seconds(*scan, *tiny_files),
        "fpcalc of tiny files": sum(cpu_seconds(*fpcalc, file, exit_code=FPCALC_EXIT_CODE)
                                    for file in tiny_files),
    }


def ratio_startup_aside(figures):
    scan = figures["scan"] - figures["scan of tiny files"]
    fpcalc = figures["fpcalc"] - figures["fpcalc of tiny files"]
    return scan / fpcalc


def report(rounds):
    for name in rounds[0]:
        values = [figures[name] for figures in rounds]
        print(f"{name:24} {statistics.median(values):7.3f} s"
              f"   ({min(values):.3f} to {max(values):.3f})")
    limits_kept = True
    for name, limit, ratios in (
            ("start-up aside", LIMIT_STARTUP_ASIDE,
             [ratio_startup_aside(figures) for figures in rounds]),
            ("as used", LIMIT_AS_USED,
             [figures["scan"] / figures["fpcalc"] for figures in rounds])):
        ratio = statistics.median(ratios)
        limits_kept &= ratio <= limit
        print(f"{name:24} {ratio:7.3f}     ({min(ratios):.3f} to {max(ratios):.3f},"
              f" limit {limit:.2f}){'' if ratio <= limit else '  OVER'}")
    return limits_kept


def main():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    workshop = Workshop(bed.DERIVED)
    files = make_files(workshop)
    tiny = workshop.encode(corpus.tracks(bed.CORPUS, families=("asc",))[0], "wav", 0, 3)
    with tempfile.TemporaryDirectory(prefix="sgbed-") as folder:
        store = make_store(Path(folder))
        measure(store, files, tiny)  # brings programs and files into memory
        figures = [measure(store, files, tiny) for _ in range(rounds)]
    return 0 if report(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
