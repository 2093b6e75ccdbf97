"""Things that go wrong while uploads are under way: a decoder, a deadline, the daemon itself."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import e2e
from testbed.uploads import BLOCK, PASS, Case

UPLOAD_SECONDS = 6  # of an upload that something happens in the middle of


def slowly(path):
    """Options of an upload that takes UPLOAD_SECONDS."""
    return {"rate": str(path.stat().st_size // UPLOAD_SECONDS)}


@contextmanager
def stopped(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass  # replaced meanwhile


class Deadline(e2e.TestbedCase):
    """Decoders that say nothing: the hold ends at its deadline, and the upload is flagged."""

    options = {"settings": {"gate": {"hold_max_ms": 700}, "decoder": {"stall_max_ms": 20000}}}
    track, = e2e.tracks(1, ("btanks",))

    def test_the_upload_passes_unchecked_when_the_hold_is_over(self):
        with stopped(self.gate.appliance.decoder_pids()):
            outcome = self.gate.upload(Case("held", self.track.path, PASS))
        self.assertEqual(outcome.answer.status, 201)
        self.assertTrue(outcome.identical)
        self.assertGreaterEqual(outcome.answer.seconds, 0.7)
        self.assertLess(outcome.answer.seconds, 5)
        verdict = outcome.verdict
        self.assertEqual((verdict["verdict"], verdict["reason"]), ("flag", "hold_deadline"))
        self.assertNotEqual(verdict["checked"], "full")


class BlockingDeadline(e2e.TestbedCase):
    """The same, where the operator would rather refuse."""

    options = {"settings": {"gate": {"hold_max_ms": 700}, "decoder": {"stall_max_ms": 20000},
                            "fail_policy": {"hold_deadline": "block"}}}
    track, = e2e.tracks(1, ("btanks",))

    def test_the_upload_is_refused_when_the_hold_is_over(self):
        with stopped(self.gate.appliance.decoder_pids()):
            outcome = self.gate.upload(Case("held", self.track.path, BLOCK))
        self.assertEqual(outcome.answer.status, 403)
        self.assertFalse(outcome.arrived)
        self.assertEqual((outcome.verdict["verdict"], outcome.verdict["reason"]),
                         ("block", "hold_deadline"))


class DecoderCase(e2e.TestbedCase):
    """Uploads of references and others, and what becomes of them when a decoder dies."""

    references = others = ()

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", *(track.path for track in cls.references))

    def upload_all_while(self, happening):
        """Slow uploads of everything at once, in the middle of which something happens."""
        cases = [*(Case(f"clean: {track.title}", track.path, PASS) for track in self.others),
                 *(Case(track.title, track.path, BLOCK, track.title) for track in self.references)]
        with ThreadPoolExecutor(len(cases)) as pool:
            uploads = [pool.submit(self.gate.upload, case, **slowly(case.path)) for case in cases]
            time.sleep(UPLOAD_SECONDS / 2)
            happening()
            return [upload.result() for upload in uploads]

    def assert_each_accounted_for(self, outcomes):
        """Checked whole with the right verdict, or through with a reason."""
        for outcome in outcomes:
            verdict = outcome.verdict
            if verdict["checked"] == "full" or verdict["verdict"] == "block":
                self.assert_expected([outcome])
                continue
            self.assertEqual(outcome.answer.status, 201, outcome.case.what)
            self.assertTrue(outcome.identical, outcome.case.what)
            self.assertIn(verdict["reason"], ("decoder_crash", "decoder_lost"))
            self.assertEqual(verdict["verdict"], "flag", outcome.case.what)
        disturbed = [outcome.case.what for outcome in outcomes if outcome.problems]
        self.assertLessEqual(len(disturbed), 1, f"only one can have been at work: {disturbed}")

    def assert_replaced(self, before):
        deadline = time.monotonic() + 10
        while (now := self.gate.appliance.decoder_pids()) and before[0] in now:
            self.assertLess(time.monotonic(), deadline, "the decoder was not replaced")
            time.sleep(0.1)
        self.assertEqual(len(now), len(before))
        self.assertEqual(now[1:], before[1:], "the other decoder was touched")


class Decoders(DecoderCase):
    references = e2e.tracks(2, ("wesnoth",))
    others = e2e.tracks(4, ("btanks",))

    def test_a_decoder_killed_mid_upload_is_replaced_and_costs_no_reasonless_pass(self):
        for how in (signal.SIGKILL, signal.SIGSEGV):
            with self.subTest(how.name):
                before = self.gate.appliance.decoder_pids()
                outcomes = self.upload_all_while(lambda: os.kill(before[0], how))
                self.assert_each_accounted_for(outcomes)
                self.assert_replaced(before)
                self.assert_expected([
                    self.gate.upload(Case("clean", self.others[0].path, PASS)),
                    self.gate.upload(Case("reference", self.references[0].path, BLOCK,
                                          self.references[0].title))])


class Neighbours(DecoderCase):
    """Fifty known uploads share the decoders, and none is certain before its end."""

    options = {"settings": {**e2e.PATIENT, "match": {"early_verdict": False}}}
    references = e2e.tracks(50, ("wesnoth", "warzone2100", "colobot", "ardentryst"),
                            seconds_min=40, seconds_max=600)

    def test_fifty_known_uploads_are_blocked_though_a_decoder_crashes(self):
        before = self.gate.appliance.decoder_pids()
        streams = []

        def crash():
            streams.extend(worker["streams"] for worker in
                           self.gate.appliance.status()["decoders"]["workers"])
            os.kill(before[0], signal.SIGSEGV)

        outcomes = self.upload_all_while(crash)
        self.assertEqual(sum(streams), 50, "all were under way")
        self.assertGreaterEqual(streams[0], 20, "that one had its share of them")
        self.assert_each_accounted_for(outcomes)
        self.assert_replaced(before)
        print(f"{sum(outcome.verdict['verdict'] == 'block' for outcome in outcomes)} of 50 blocked,"
              f" of which {streams[0]} in the decoder that crashed")


class AllDecoders(DecoderCase):
    """Every decoder dies at once."""

    options = {"settings": {**e2e.PATIENT, "match": {"early_verdict": False}}}
    references = e2e.tracks(4, ("wesnoth",))
    others = e2e.tracks(16, ("warzone2100", "colobot", "ardentryst", "btanks"),
                        seconds_min=40, seconds_max=600)

    def test_no_upload_is_lost_and_each_has_its_reason(self):
        before = self.gate.appliance.decoder_pids()

        def kill_all():
            for pid in before:
                os.kill(pid, signal.SIGKILL)

        outcomes = self.upload_all_while(kill_all)
        for outcome in outcomes:
            verdict = outcome.verdict
            if verdict["verdict"] == "block":  # resumed, and recognised
                self.assert_expected([outcome])
                continue
            self.assertEqual((outcome.answer.status, outcome.identical), (201, True),
                             outcome.case.what)
            if verdict["checked"] != "full":
                self.assertIn(verdict["reason"], ("decoder_crash", "decoder_lost"))
                self.assertEqual(verdict["verdict"], "flag", outcome.case.what)
        reasons = [outcome.verdict["reason"] for outcome in outcomes]
        print({reason: reasons.count(reason) for reason in sorted(set(reasons))})
        deadline = time.monotonic() + 10
        while set(self.gate.appliance.decoder_pids()) & {*before, 0}:
            self.assertLess(time.monotonic(), deadline, "they were not replaced")
            time.sleep(0.1)
        self.assert_expected([self.gate.upload(
            Case("reference", self.references[0].path, BLOCK, self.references[0].title))])


class Restart(e2e.TestbedCase):
    """Soundgate goes away under an upload, which it does not wait for, and comes back."""

    options = {"settings": {"gate": {"hold_max_ms": 20000, "drain_ms_max": 0}}}
    reference, = e2e.tracks(1, ("wesnoth",))
    other, = e2e.tracks(1, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def upload_while(self, happening):
        name = f"through-{happening.__name__}.ogg"
        with ThreadPoolExecutor(1) as pool:
            upload = pool.submit(self.gate.client.put, self.other.path, name, name,
                                 **slowly(self.other.path))
            time.sleep(UPLOAD_SECONDS / 2)
            happening()
            self.gate.appliance.start()
            answer = upload.result()
        self.assertEqual(answer.status, 201, f"curl exited {answer.exit_code}")
        self.assertEqual(self.gate.origin.digest(name), e2e.bed.digest(self.other.path))
        self.assert_expected([self.gate.upload(
            Case("afterwards", self.reference.path, BLOCK, self.reference.title))])
        return name

    def test_stopped_and_started_mid_upload(self):
        name = self.upload_while(self.gate.appliance.stop)
        verdict = self.gate.appliance.decision(name)
        self.assertEqual((verdict["verdict"], verdict["reason"]), ("flag", "shutdown"))

    def test_killed_and_started_mid_upload(self):
        self.upload_while(self.gate.appliance.kill)


if __name__ == "__main__":
    e2e.main()
