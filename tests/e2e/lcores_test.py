"""Uploads on several lcores, on ports that cannot share connections out: each is on one of them."""

import e2e
from testbed.uploads import BLOCK, PASS, Case

UPLOADS = 24
LCORES = 4


class Lcores(e2e.TestbedCase):
    options = {"settings": {**e2e.PATIENT, "dataplane": {"queue_pairs": LCORES}}}
    reference, = e2e.tracks(1, ("wesnoth",))
    other, = e2e.tracks(1, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def test_verdicts_reach_the_lcore_that_holds_the_upload(self):
        cases = [Case(f"upload {number}", self.reference.path, BLOCK, self.reference.title)
                 if number % 3 == 0 else Case(f"upload {number}", self.other.path, PASS)
                 for number in range(UPLOADS)]
        outcomes = list(self.gate.upload_all(cases, at_once=8))
        self.assert_expected(outcomes)
        packets = self.gate.appliance.status()["dataplane"]
        self.assertGreaterEqual(packets["uploads"]["begun"], UPLOADS)
        self.assertGreater(packets["lcores"]["packets_handed_over"], 0)
        self.assertEqual(packets["lcores"]["packets_not_handed_over"], 0)
        self.assertEqual(packets["frames"]["advice"], "")

    def test_ipv6(self):
        self.assert_expected([
            self.gate.upload(Case("clean", self.other.path, PASS), ipv6=True),
            self.gate.upload(Case("reference", self.reference.path, BLOCK, self.reference.title),
                             ipv6=True)])


if __name__ == "__main__":
    e2e.main()
