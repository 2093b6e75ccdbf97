"""What operators do while uploads are under way: drain, skip, let one go."""

import time
from concurrent.futures import ThreadPoolExecutor

import e2e
from failures_test import UPLOAD_SECONDS, slowly, stopped
from testbed.uploads import BLOCK, PASS, Case


class Operators(e2e.TestbedCase):
    """A reference is blocked unless an operator says otherwise."""

    options = {"settings": {**e2e.PATIENT, "decoder": {"stall_max_ms": 60000},
                            "match": {"early_verdict": False}}}
    reference, = e2e.tracks(1, ("wesnoth",))
    other, = e2e.tracks(1, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def blocked(self):
        return Case("reference", self.reference.path, BLOCK, self.reference.title)

    def send(self, what):
        """A reference that nobody inspects: it arrives, and its row says why."""
        outcome = self.gate.upload(Case(what, self.reference.path, PASS))
        self.assertEqual((outcome.answer.status, outcome.identical), (201, True), what)
        return outcome.verdict

    def test_a_drain_lets_new_uploads_pass_and_those_in_flight_be_judged(self):
        command = self.gate.soundgate
        with ThreadPoolExecutor(1) as pool:
            before = pool.submit(self.gate.upload, self.blocked(), **slowly(self.reference.path))
            time.sleep(UPLOAD_SECONDS / 2)
            record = command.object("drain", "--reason", "new kernel")
            self.assertEqual((record["draining"], record["uploads_in_flight"]), (True, 1))
            verdict = self.send("new while draining")
            self.assertEqual((verdict["verdict"], verdict["reason"], verdict["checked"]),
                             ("flag", "draining", "none"))
            self.assertEqual(command.run("drain", "--wait", "100ms").returncode, 2)  # no such span
            self.assertEqual(command.run("drain", "--wait", "1s").returncode, 6)
            self.assertEqual(command.object("drain", "--wait", "30s")["uploads_in_flight"], 0)
            self.assert_expected([before.result()])
        status = self.gate.appliance.status()
        self.assertEqual((status["drain"]["draining"], status["drain"]["reason"], status["ready"]),
                         (True, "new kernel", False))
        self.assertIn("draining", command.run("status").stdout)
        command.object("undrain")
        self.assertTrue(self.gate.appliance.status()["ready"])
        self.assert_expected([self.gate.upload(self.blocked())])

    def test_a_skip_lets_a_client_or_host_pass_until_it_ends(self):
        command = self.gate.soundgate
        for what in ("10.77.0.0/24", "10.77.*"):
            with self.subTest(what):
                skip = command.object("skip", "add", what, "--for", "2h", "--reason", "migration")
                self.assertEqual((skip["what"], skip["reason"]), (what, "migration"))
                verdict = self.send(f"skipped: {what}")
                self.assertEqual((verdict["verdict"], verdict["reason"], verdict["checked"]),
                                 ("pass", "skipped", "none"))
                self.assertEqual([line["what"] for line in command.lines("skip", "list")], [what])
                command.object("skip", "remove", what)
                self.assert_expected([self.gate.upload(self.blocked())])
        command.object("skip", "add", "10.77.0.1", "--for", "2s")
        time.sleep(2.1)
        self.assertEqual(command.lines("skip", "list"), [])
        self.assert_expected([self.gate.upload(self.blocked())])

    def test_a_skip_survives_a_restart_and_a_drain_does_not(self):
        command = self.gate.soundgate
        command.object("skip", "add", "10.77.0.1", "--for", "1h")
        command.object("drain")
        self.gate.appliance.restart()
        self.assertEqual(self.send("skipped after the restart")["reason"], "skipped")
        command.object("skip", "remove", "10.77.0.1")
        self.assert_expected([self.gate.upload(self.blocked())])

    def test_an_operator_lets_a_held_upload_go(self):
        command = self.gate.soundgate
        with ThreadPoolExecutor(1) as pool, stopped(self.gate.appliance.decoder_pids()):
            case = Case("held", self.other.path, PASS)  # nobody knows its bytes yet
            upload = pool.submit(self.gate.upload, case)
            deadline = time.monotonic() + 10
            while not (held := [line for line in command.lines("uploads", "list")
                                if line["state"] == "held"]):
                self.assertLess(time.monotonic(), deadline, "nothing is held")
                time.sleep(0.05)
            shown = command.object("uploads", "show", held[0]["upload_id"])
            self.assertEqual((shown["state"], shown["waiting_for"]), ("held", "verdict"))
            command.object("uploads", "release", held[0]["upload_id"])
            outcome = upload.result()
        self.assertEqual((outcome.answer.status, outcome.identical), (201, True))
        verdict = outcome.verdict
        self.assertEqual((verdict["verdict"], verdict["reason"], verdict["checked"]),
                         ("flag", "operator_release", "none"))
        self.assertEqual(verdict["gate"]["released_by"], "root")
        self.assertEqual(command.run("uploads", "release", verdict["upload_id"]).returncode, 3)


class Stop(e2e.TestbedCase):
    """SIGTERM waits for uploads in flight, as long as it may."""

    options = {"settings": {**e2e.PATIENT, "gate": {"drain_ms_max": 20000, "hold_max_ms": 20000}}}
    other, = e2e.tracks(1, ("btanks",))

    def test_an_upload_in_flight_is_judged_before_the_end(self):
        with ThreadPoolExecutor(1) as pool:
            upload = pool.submit(self.gate.client.put, self.other.path, "through.ogg", "through",
                                 **slowly(self.other.path))
            time.sleep(UPLOAD_SECONDS / 2)
            began = time.monotonic()
            self.assertEqual(self.gate.appliance.stop(), 0)
            self.assertLess(time.monotonic() - began, UPLOAD_SECONDS)
            self.assertEqual(upload.result().status, 201)
        self.gate.appliance.start()
        verdict = self.gate.appliance.decision("through")
        self.assertEqual((verdict["verdict"], verdict["checked"]), ("pass", "full"))


if __name__ == "__main__":
    e2e.main()
