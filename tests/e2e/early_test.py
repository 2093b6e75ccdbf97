"""A banned track that comes slowly is stopped half-way; nothing else is."""

import e2e
from testbed.uploads import BLOCK, PASS, Case

# Four times as fast as it plays: minutes of music take most of a minute.
SLOW = "64k"
# Of what it had to send. By then half a minute of three has come, and what was on its way.
SENT_SHARE_MAX = 0.5


def long_tracks(count, family):
    return e2e.tracks(count, (family,), seconds_min=150, seconds_max=240)


class Stopped(e2e.TestbedCase):
    """Enforcing."""

    banned, = long_tracks(1, "wesnoth")
    other, = long_tracks(1, "btanks")

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.banned.path)
        cls.copy = e2e.workshop().encode(cls.banned, "mp3 128k")
        cls.clean = e2e.workshop().encode(cls.other, "mp3 128k")

    def test_a_banned_track_is_stopped_half_way(self):
        size = self.copy.stat().st_size
        outcome = self.gate.upload(Case("slow copy", self.copy, BLOCK, self.banned.title,
                                        reference_ahead_seconds=0), rate=SLOW)
        self.assert_expected([outcome])
        verdict, early = outcome.verdict, outcome.verdict["early"]
        self.assertLess(outcome.answer.sent_bytes, SENT_SHARE_MAX * size)
        self.assertFalse(outcome.arrived)
        self.assertTrue(early["stopped"])
        self.assertLess(early["bytes"], SENT_SHARE_MAX * size)
        self.assertLess(early["heard_seconds"], 40)
        self.assertEqual(verdict["checked"], "partial")
        self.assertIsNone(verdict["timings"]["last_byte"])
        print(f"decided after {early['heard_seconds']:.1f} s of {self.banned.seconds:.0f} s of audio; "
              f"curl had sent {outcome.answer.sent_bytes} of {size} bytes")
        said = self.gate.soundgate.run("decisions", "show", verdict["upload_id"], check=True).stdout
        self.assertIn("it was stopped there.", said)
        # Its decoder was told to drop it.
        self.assertEqual(self.gate.appliance.status()["uploads"]["in_flight"], 0)
        self.assertEqual(sum(worker["streams"] for worker
                             in self.gate.appliance.status()["decoders"]["workers"]), 0)

    def test_chunked_and_expecting_ones_too(self):
        size = self.copy.stat().st_size
        for headers, expects in ((["Transfer-Encoding: chunked"], False), ([], True)):
            with self.subTest(headers=headers, expects=expects):
                outcome = self.gate.upload(
                    Case("slow copy", self.copy, BLOCK, self.banned.title), rate=SLOW,
                    headers=headers, expect_continue=expects)
                self.assert_expected([outcome])
                self.assertLess(outcome.answer.sent_bytes, SENT_SHARE_MAX * size)
                self.assertTrue(outcome.verdict["early"]["stopped"])

    def test_so_is_the_enrolled_file_whose_bytes_are_known(self):
        decoded = self.gate.appliance.status()["decoders"]["decoded_seconds"]
        size = self.banned.path.stat().st_size
        outcome = self.gate.upload(Case("the same file", self.banned.path, BLOCK, self.banned.title,
                                        reference_ahead_seconds=0), rate=SLOW)
        self.assert_expected([outcome])
        self.assertTrue(outcome.verdict["early"]["stopped"])
        self.assertLess(outcome.answer.sent_bytes, SENT_SHARE_MAX * size)
        self.assertEqual(self.gate.appliance.status()["decoders"]["decoded_seconds"], decoded)

    def test_another_track_passes_whole(self):
        outcome = self.gate.upload(Case("clean", self.clean, PASS), rate="512k")
        self.assert_expected([outcome])
        self.assertTrue(outcome.identical)
        self.assertIsNone(outcome.verdict["early"])


class Observed(e2e.TestbedCase):
    """It is noted when it would have been stopped."""

    options = {"settings": {**e2e.PATIENT, "mode": {"default": "observe"}}}
    banned, = long_tracks(1, "wesnoth")

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.banned.path)

    def test_a_banned_track_passes_and_is_recorded(self):
        copy = e2e.workshop().encode(self.banned, "mp3 128k")
        outcome = self.gate.upload(Case("observed", copy, PASS), rate="512k")
        self.assertEqual(outcome.answer.status, 201)
        self.assertTrue(outcome.identical)
        verdict = outcome.verdict
        self.assertEqual((verdict["verdict"], verdict["enforced"], verdict["checked"]),
                         ("block", False, "full"))
        self.assertFalse(verdict["early"]["stopped"])
        self.assertLess(verdict["early"]["bytes"], copy.stat().st_size)
        self.assertGreater(outcome.match["query_match_percentage"], 90)


class SwitchedOff(e2e.TestbedCase):
    """A block waits for the last byte."""

    options = {"settings": {**e2e.PATIENT, "match": {"early_verdict": False}}}
    banned, = e2e.tracks(1, ("wesnoth",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.banned.path)

    def test_a_banned_track_is_blocked_at_its_end(self):
        outcome = self.gate.upload(Case("at the end", self.banned.path, BLOCK, self.banned.title),
                                   rate="1M")
        self.assert_expected([outcome])
        self.assertIsNone(outcome.verdict["early"])
        self.assertEqual(outcome.verdict["checked"], "full")


if __name__ == "__main__":
    e2e.main()
