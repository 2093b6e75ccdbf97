"""Uploads over a link that loses, reorders and duplicates frames, on the client's side."""

import re

import e2e
from testbed import repertoire


class BadLink(e2e.TestbedCase):
    options = {"relay": ("--seed", "20261122", "--loss", "0.02", "--reorder", "0.02",
                         "--duplicate", "0.005"),
               "settings": e2e.PATIENT}
    references = e2e.tracks(4, ("wesnoth",))
    others = e2e.tracks(6, ("btanks", "starfighter"))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", *(track.path for track in cls.references))

    def test_clean_ones_arrive_whole_and_references_are_blocked(self):
        cases = [*repertoire.clean(self.others),
                 *repertoire.disguised(e2e.workshop(), self.references, self.others,
                                       per_reference=3)]
        outcomes = list(self.gate.upload_all(cases, at_once=8))
        self.assert_expected(outcomes)
        self.assertEqual(self.gate.appliance.status()["dataplane"]["reasons"].get(
            "tcp_conflict", 0), 0, "a retransmission was taken for an overlap that differs")
        self.assert_the_link_was_bad()

    def assert_the_link_was_bad(self):
        """The relay says at its end what it did to each direction."""
        self.gate.network.delete_relay()
        said = re.findall(r"(\d+) frames, (\d+) lost, \d+ duplicated, (\d+) reordered",
                          (self.gate.folder / "relay.log").read_text())
        self.assertEqual(len(said), 2)
        for frames, lost, reordered in (map(int, counts) for counts in said):
            self.assertGreater(lost, 0.01 * frames)
            self.assertGreater(reordered, 0.01 * frames)


if __name__ == "__main__":
    e2e.main()
