"""What the end-to-end tests share. Each test file is one ctest entry; each class, one testbed."""

import os
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from testbed import bed, corpus  # noqa: E402
from testbed.audio import Workshop, audible_start  # noqa: E402

SKIPPED = 77  # what ctest takes as skipped

# A verdict must not wait for a busy machine: only the tests of the deadline have a short one.
PATIENT = {"gate": {"hold_max_ms": 20000}}


def tracks(count, families, *, seconds_min=55, seconds_max=200):
    """The first so many real tracks of these families that are long enough for every disguise, and
    not mostly silent."""
    found = []
    for track in corpus.tracks(bed.CORPUS, families=families,
                               seconds_min=seconds_min, seconds_max=seconds_max):
        if len(found) < count and audible_start(track, 0, 30) is not None:
            found.append(track)
    assert len(found) == count, f"{len(found)} tracks where {count} are needed: {families}"
    return found


def workshop():
    return Workshop(bed.DERIVED)


class TestbedCase(unittest.TestCase):
    """A testbed for all tests of a class. Set `options` for what it is made with."""

    options = {"settings": PATIENT}

    @classmethod
    def setUpClass(cls):
        cls.gate = bed.Testbed(**cls.options)
        cls.enterClassContext(cls.gate)
        cls.enroll()

    @classmethod
    def enroll(cls):
        """What the class has in its banks."""

    def assert_expected(self, outcomes):
        problems = [f"{outcome.case.what}: {problem}"
                    for outcome in outcomes for problem in outcome.problems]
        self.assertEqual(problems, [], "\n" + "\n".join(problems))


def main():
    if os.geteuid() != 0:
        print("needs root, to make network namespaces")
        sys.exit(SKIPPED)
    unittest.main(verbosity=2)
