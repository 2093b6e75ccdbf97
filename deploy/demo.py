"""The demo: real uploads between curl and nginx, through Soundgate. Run by deploy/demo.sh.

Prints one line an upload on stdout, progress on stderr. Exits 0 when everything is as expected.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from testbed import bed, corpus, repertoire  # noqa: E402
from testbed.audio import Workshop  # noqa: E402
from testbed.uploads import BLOCK, Table  # noqa: E402

# Those that are banned, and those that are not, come from different games.
SPAM = ("Sempridge", "World_Map2", "theme1")  # of ardentryst
INFRINGING = ("frontiers", "machine_wars", "time_to_strike")  # of asc-music
CLEAN = ("city", "forest", "gameboy", "nostalgy")  # of btanks-data
DAMAGED = "utrennik"

AT_ONCE = 4
BYTES_PER_SECOND = "1500k"  # of each upload, as from a good home line


def progress(text):
    print(f"demo: {text}", file=sys.stderr, flush=True)


def enroll(gate, bank, tracks):
    for line in gate.enroll(bank, *(track.path for track in tracks), action="block"):
        progress(f"enrolled {line['title']} into {bank}: {line['duration_seconds']:.0f} s")


def main():
    by_name = {track.name: track for track in corpus.tracks(
        bed.CORPUS, families=("ardentryst", "asc", "btanks"))}
    spam, infringing, others = (
        [by_name[name] for name in names] for names in (SPAM, INFRINGING, CLEAN))

    progress("making the uploads")
    workshop = Workshop(bed.DERIVED)
    cases = [*repertoire.clean(others),
             *repertoire.disguised(workshop, spam + infringing, others, per_reference=2),
             *repertoire.unreadable(workshop, by_name[DAMAGED])]

    with bed.Testbed() as gate:
        progress("curl ── Soundgate on DPDK ports (net_af_packet), enforcing ── nginx")
        enroll(gate, "spam", spam)
        enroll(gate, "infringing", infringing)
        outcomes = show(gate, cases)
    return summary(outcomes)


def show(gate, cases):
    table, outcomes = Table(), []
    print(table.heading(), table.rule(), sep="\n", flush=True)
    for outcome in gate.upload_all(cases, AT_ONCE, rate=BYTES_PER_SECOND):
        print(table.row(outcome), flush=True)
        outcomes.append(outcome)
    print(table.rule())
    return outcomes


def summary(outcomes):
    blocked = [outcome for outcome in outcomes if outcome.case.expected == BLOCK]
    through = [outcome for outcome in outcomes if outcome.case.expected != BLOCK]
    waits = sorted(wait for outcome in outcomes
                   if (wait := outcome.verdict_milliseconds) is not None)
    unexpected = sum(1 for outcome in outcomes if outcome.problems)
    print(f"{len(outcomes)} uploads: "
          f"{sum(not o.problems for o in blocked)} of {len(blocked)} banned ones stopped before "
          f"the origin had them, {sum(o.identical for o in through)} of {len(through)} others "
          f"arrived byte for byte.")
    if waits:
        print(f"From the last byte to the verdict: median {waits[len(waits) // 2]:.0f} ms, "
              f"longest {waits[-1]:.0f} ms.")
    print("Everything is as expected." if not unexpected
          else f"{unexpected} uploads are NOT as expected.")
    return 1 if unexpected else 0


if __name__ == "__main__":
    began = time.monotonic()
    exit_code = main()
    progress(f"took {time.monotonic() - began:.0f} s")
    sys.exit(exit_code)
