"""Uploads over a link that loses, reorders and duplicates frames, on the client's side."""

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


if __name__ == "__main__":
    e2e.main()
