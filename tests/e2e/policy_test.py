"""What operators decide: modes, actions, suppression."""

import e2e
from failures_test import stopped
from testbed.audio import Workshop
from testbed.uploads import BLOCK, PASS, Case


HOLD_SECONDS = e2e.PATIENT["gate"]["hold_max_ms"] / 1000


class Observe(e2e.TestbedCase):
    """Nothing is held or blocked, and the verdicts say so."""

    options = {"settings": {**e2e.PATIENT, "mode": {"default": "observe"}}}
    reference, = e2e.tracks(1, ("wesnoth",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def test_a_reference_passes_and_is_recorded(self):
        outcome = self.gate.upload(Case("observed", self.reference.path, PASS))
        self.assertEqual(outcome.answer.status, 201)
        self.assertTrue(outcome.identical)
        verdict = outcome.verdict
        self.assertEqual((verdict["mode"], verdict["enforced"]), ("observe", False))
        self.assertEqual((verdict["verdict"], verdict["reason"]), ("block", "match"))
        self.assertEqual(outcome.match["asset"]["title"], self.reference.title)

    def test_nothing_waits_for_a_verdict(self):
        with stopped(self.gate.appliance.decoder_pids()):
            answer = self.gate.client.put(self.reference.path, "unheld.ogg", "unheld",
                                          timeout=HOLD_SECONDS / 2)
            self.assertEqual(answer.status, 201)
            self.assertEqual(self.gate.appliance.status()["dataplane"]["held"],
                             {"packets": 0, "bytes": 0})

    def test_the_mode_is_switched_at_once_and_remembered(self):
        upload = Case("enforced", self.reference.path, BLOCK, self.reference.title)
        self.addCleanup(self.gate.soundgate.run, "mode", "observe", "--reason", "end of test")
        self.gate.soundgate.run("mode", "enforce", "--reason", "test", check=True)
        self.assert_expected([self.gate.upload(upload)])
        self.gate.appliance.restart()
        self.assertEqual(self.gate.appliance.status()["mode"]["mode"], "enforce")
        self.assert_expected([self.gate.upload(upload)])


class Banks(e2e.TestbedCase):
    banned, doubtful, unwanted = e2e.tracks(3, ("wesnoth",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.banned.path, cls.unwanted.path)
        cls.gate.enroll("doubtful", cls.doubtful.path, action="hold_review")

    def test_review_flags_and_lets_through(self):
        outcome = self.gate.upload(Case("doubtful", self.doubtful.path, PASS))
        self.assertEqual(outcome.answer.status, 201)
        self.assertTrue(outcome.identical)
        verdict = outcome.verdict
        self.assertEqual((verdict["verdict"], verdict["action"]), ("flag", "hold_review"))
        self.assertEqual(outcome.match["bank"], "doubtful")

    def test_a_short_match_only_tracks(self):
        path = Workshop(e2e.bed.DERIVED).encode(self.banned, "vorbis", 20, 8)
        outcome = self.gate.upload(Case("8 s", path, PASS))
        self.assertEqual(outcome.answer.status, 201)
        self.assertEqual((outcome.verdict["verdict"], outcome.verdict["checked"]), ("pass", "full"))
        self.assertEqual((outcome.match["asset"]["title"], outcome.match["action"]),
                         (self.banned.title, "track"))

    def test_a_suppressed_reference_stays_out_when_it_is_enrolled_again(self):
        blocked = Case("before", self.unwanted.path, BLOCK, self.unwanted.title)
        passed = Case("after", self.unwanted.path, PASS)
        content_id = e2e.bed.digest(self.unwanted.path)
        self.assert_expected([self.gate.upload(blocked)])
        self.gate.soundgate.run("item", "suppress", "spam", content_id, "--reason", "licensed",
                                check=True)
        self.assert_expected([self.gate.upload(passed)])
        self.gate.enroll("spam", self.unwanted.path)
        self.assert_expected([self.gate.upload(passed)])
        self.gate.soundgate.run("item", "restore", "spam", content_id, check=True)
        self.assert_expected([self.gate.upload(blocked)])

    def test_a_decision_is_explained(self):
        outcome = self.gate.upload(Case("why", self.banned.path, BLOCK, self.banned.title))
        said = self.gate.soundgate.run("decisions", "show", outcome.verdict["upload_id"],
                                       check=True).stdout
        for words in (self.banned.title, "spam", "soundgate item suppress"):
            self.assertIn(words, said)


if __name__ == "__main__":
    e2e.main()
