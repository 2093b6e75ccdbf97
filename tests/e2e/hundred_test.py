"""100 real references and 100 other real tracks, through the command line on a store.

References and others come from different games, so that no loop or stem is on both sides.
"""

import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import e2e
from testbed import bed, corpus
from testbed.audio import audible_start
from testbed.command_line import CommandLine

COUNT = 100
REFERENCE_FAMILIES = ("wesnoth", "warzone2100", "colobot", "ardentryst")
OTHER_FAMILIES = ("abagames", "supertux", "singularity", "starfighter", "btanks", "enigma")

CODECS = ("mp3 128k", "aac 128k", "opus 24k")
WHOLE_SECONDS_MAX = 50  # longer tracks are transcoded from their start to here, for time
WHOLE_ALWAYS = 5  # but so many of them whole


def transcodes(workshop, references):
    """(reference, path) of each, in each codec."""
    long_ones = [track for track in references if track.seconds > WHOLE_SECONDS_MAX]
    cut = set(long_ones[WHOLE_ALWAYS:])
    made = in_parallel(
        lambda track: [(track, path) for path in workshop.encode_all(
            track, CODECS, None, WHOLE_SECONDS_MAX if track in cut else None)],
        [(track,) for track in references])
    return [one for of_track in made for one in of_track]


def trims(workshop, references):
    """15 s and 30 s from the middle, off the grid of items."""
    made = in_parallel(
        lambda number, track, seconds: trim(workshop, track, seconds, CODECS[number % len(CODECS)]),
        [(number, track, seconds) for number, track in enumerate(references)
         for seconds in (15, 30)])
    return [one for one in made if one]


def trim(workshop, track, seconds, codec):
    """None where the track has no such part without silence."""
    start = audible_start(track, (track.seconds - seconds) / 2 + 0.0617, seconds)
    if start is None:
        print(f"{track.path}: no trim of {seconds} s, all of them hold silence")
        return None
    return track, workshop.encode(track, codec, round(start, 4), seconds)


def in_parallel(make, jobs):
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda job: make(*job), jobs))


class Hundred(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="sgbed-"))
        cls.soundgate = CommandLine(bed.program("soundgate"), "--store", Path(folder) / "store")
        cls.references = corpus.tracks(bed.CORPUS, families=REFERENCE_FAMILIES)[:COUNT]
        cls.others = corpus.tracks(bed.CORPUS, families=OTHER_FAMILIES)[:COUNT]
        assert len(cls.references) == len(cls.others) == COUNT
        cls.soundgate.lines("bank", "create", "references", "--action", "block")
        cls.enrolled = cls.soundgate.lines(
            "enroll", "--bank", "references", *(track.path for track in cls.references))
        cls.content_id = {line["path"]: line["content_id"] for line in cls.enrolled}

    def scan(self, paths):
        verdicts = self.soundgate.lines("scan", *paths, timeout=900)
        self.assertEqual([verdict["path"] for verdict in verdicts], [str(path) for path in paths])
        return verdicts

    def assert_found(self, made):
        """Each upload matches its reference (and maybe the reference's own duplicates)."""
        missed = []
        for (track, path), verdict in zip(made, self.scan([path for _, path in made])):
            wanted = self.content_id[str(track.path)]
            if wanted not in [match["bank_content_id"] for match in verdict["matches"]]:
                missed.append(f"{path.name}: {verdict['verdict']}, {verdict['reason']}")
        self.assertEqual(missed, [], f"{len(missed)} of {len(made)} missed")

    def test_all_are_enrolled(self):
        self.assertEqual(len(self.enrolled), COUNT)
        self.assertEqual(self.soundgate.object("bank", "list")["references"],
                         len(set(self.content_id.values())))

    def test_references_are_found_in_themselves(self):
        self.assert_found([(track, track.path) for track in self.references])

    def test_every_transcode_is_found(self):
        self.assert_found(transcodes(e2e.workshop(), self.references))

    def test_every_trim_is_found(self):
        made = trims(e2e.workshop(), self.references)
        self.assertGreaterEqual(len(made), 0.95 * 2 * COUNT, "too few tracks have audible trims")
        self.assert_found(made)

    def test_none_of_the_others_matches(self):
        verdicts = self.scan([track.path for track in self.others])
        self.assertEqual([], [verdict["path"] for verdict in verdicts
                              if verdict["checked"] != "full"], "not heard whole")
        wrong = [f"{verdict['path']}: {match['asset']['title']}, "
                 f"{match['query_match_duration_seconds']:.1f} s, score {match['score']:.3f}"
                 for verdict in verdicts
                 for match in verdict["matches"]]
        self.assertEqual(wrong, [], "\n".join(wrong))


if __name__ == "__main__":
    unittest.main(verbosity=2)
