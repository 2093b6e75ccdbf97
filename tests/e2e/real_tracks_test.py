"""The main job on 24 real tracks: every kind of upload, eight at a time."""

import e2e
from testbed import repertoire
from testbed.uploads import BLOCK, Table

AT_ONCE = 8
BYTES_PER_SECOND = "2M"


class RealTracks(e2e.TestbedCase):
    """To the last byte, so that all of what matches is seen."""

    options = {"settings": {**e2e.PATIENT, "match": {"early_verdict": False}}}
    references = e2e.tracks(12, ("wesnoth", "colobot"))
    others = e2e.tracks(12, ("btanks", "starfighter"))

    @classmethod
    def enroll(cls):
        spam, infringing = cls.references[:6], cls.references[6:]
        cls.gate.enroll("spam", *(track.path for track in spam))
        cls.gate.enroll("infringing", *(track.path for track in infringing))

    def test_every_kind_of_upload(self):
        workshop = e2e.workshop()
        cases = [*repertoire.disguised(workshop, self.references, self.others, per_reference=3),
                 *repertoire.clean(self.others),
                 *repertoire.unreadable(workshop, self.others[0])]
        table, outcomes = Table(), []
        for outcome in self.gate.upload_all(cases, AT_ONCE, rate=BYTES_PER_SECOND):
            print(table.row(outcome), flush=True)
            outcomes.append(outcome)
        self.assert_expected(outcomes)
        self.assertEqual({outcome.match["bank"] for outcome in outcomes
                          if outcome.case.expected == BLOCK}, {"spam", "infringing"})
        self.assert_counted(outcomes)

    def assert_counted(self, outcomes):
        status = self.gate.appliance.status()
        blocked = sum(outcome.case.expected == BLOCK for outcome in outcomes)
        self.assertEqual(status["dataplane"]["uploads"]["begun"], len(outcomes))
        self.assertEqual(status["dataplane"]["uploads"]["blocked"], blocked)
        self.assertEqual(status["dataplane"]["held"], {"packets": 0, "bytes": 0})
        self.assertEqual(status["uploads"]["in_flight"], 0)
        self.assertEqual(status["decisions"]["block"], blocked)


class Taps(e2e.TestbedCase):
    """The same path on net_tap ports."""

    options = {"port_kind": "tap", "settings": e2e.PATIENT}
    reference, = e2e.tracks(1, ("wesnoth",))
    other, = e2e.tracks(1, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def test_passes_and_blocks(self):
        workshop = e2e.workshop()
        cases = [*repertoire.clean([self.other]),
                 *repertoire.disguised(workshop, [self.reference], [self.other], per_reference=2)]
        self.assert_expected(list(self.gate.upload_all(cases)))


if __name__ == "__main__":
    e2e.main()
