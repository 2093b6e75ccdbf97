"""The units under a real systemd, in a machine of their own: whatever ends Soundgate, packets go
round it within a second, and it comes back."""

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import e2e
from bypass_test import AWAY_SECONDS_MAX, BypassCase, wait_until
from failures_test import UPLOAD_SECONDS, slowly
from testbed import machine
from testbed.managed import BYPASS, SERVICE
from testbed.process import Background
from testbed.uploads import BLOCK, PASS, Case
from watchdog_test import standing_still

LCORE_SILENCE_SECONDS = 2
STOP_SECONDS_MAX = 12  # of something that is stuck
NOBODY = 65534


class Managed(BypassCase):
    options = {"settings": {"gate": {"hold_max_ms": 20000},
                            "watchdog": {"lcore_ms_max": LCORE_SILENCE_SECONDS * 1000}},
               "managed": True}
    reference, = e2e.tracks(1, ("ardentryst",))
    other, = e2e.tracks(1, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def setUp(self):
        self.appliance, self.bypass = self.gate.appliance, self.gate.bypass
        self.machine = self.gate.machine
        self.appliance.start()  # where the test before has failed
        self.before = len(self.appliance.log())

    def said(self):
        """In the journal, since this test began."""
        return self.appliance.log()[self.before:]

    def unit(self, *properties):
        return self.machine.unit(SERVICE, *properties)

    def last_bypass(self):
        return self.gate.soundgate.lines("bypass", "list")[-1]

    def assert_comes_back(self, before, cause="soundgated died"):
        self.appliance.await_restart(before)
        self.assert_inspects_again(self.reference)
        self.assertEqual(self.last_bypass()["cause"], cause)

    def test_it_serves_as_shipped(self):
        self.assertEqual(self.machine.unit(BYPASS, "ActiveState")["ActiveState"], "active")
        self.assertEqual(self.unit("ActiveState")["ActiveState"], "active")
        self.assert_inspects_again(self.reference)
        self.assert_expected([self.gate.upload(Case("other", self.other.path, PASS))])
        self.assertTrue(self.appliance.status()["bypass"]["watched"])
        self.assertNotIn("level=error", self.said())

    def test_decoders_have_no_rights_and_go_first_when_memory_is_short(self):
        for number in self.appliance.decoder_pids():
            status = dict(line.split(":\t", 1) for line in
                          self.machine.read(f"/proc/{number}/status").splitlines())
            self.assertEqual(status["Uid"].split(), [str(NOBODY)] * 4)
            self.assertEqual(int(status["CapEff"], 16), 0)
            self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
            self.assertGreater(int(self.machine.read(f"/proc/{number}/oom_score_adj")), 0)
        # One that was killed is the pool's to replace: nothing else ends with it.
        self.assertEqual(self.unit("OOMPolicy")["OOMPolicy"], "continue")

    def test_systemd_hears_that_all_goes_on(self):
        pid = self.appliance.pid
        heard = self.unit("WatchdogTimestampMonotonic")
        time.sleep(11)  # longer than WatchdogSec
        self.assertNotEqual(self.unit("WatchdogTimestampMonotonic"), heard)
        self.assertEqual(self.appliance.pid, pid)

    @contextmanager
    def in_flight(self, name, case):
        """While an upload is on its way; it is to end as expected."""
        with ThreadPoolExecutor(1) as pool:
            upload = pool.submit(self.gate.client.put, case.path, name, name, **slowly(case.path))
            wait_until(lambda: self.appliance.status()["uploads"]["in_flight"], "it has begun")
            time.sleep(UPLOAD_SECONDS / 3)
            yield upload

    def test_a_stop_lets_uploads_in_flight_be_judged(self):
        case = Case("in flight", self.other.path, PASS)
        with self.in_flight("stopped.ogg", case) as upload:
            began = time.monotonic()
            self.machine.run("systemctl", "stop", SERVICE)
            took = time.monotonic() - began
        self.assertEqual(upload.result().status, 201)
        wait_until(self.bypass.is_bridged, "packets go round", AWAY_SECONDS_MAX)
        self.assertEqual(self.unit("Result", "ExecMainStatus"),
                         {"Result": "success", "ExecMainStatus": "0"})
        self.appliance.start()
        row = self.appliance.decision("stopped.ogg")
        self.assertEqual((row["verdict"], row["checked"]), ("pass", "full"), row["reason"])
        self.assertLess(took, UPLOAD_SECONDS + 2)
        self.assertNotIn("a decoder died", self.said())
        self.assert_comes_back(None, "soundgated was stopped")

    def test_kill_9(self):
        before = self.appliance.pid
        away = self.away_seconds(lambda: os.kill(before, signal.SIGKILL))
        print(f"kill -9: through again after {away * 1000:.0f} ms")
        self.assertLess(away, AWAY_SECONDS_MAX)
        self.assert_comes_back(before)
        self.assertLess(self.last_bypass()["seconds"], 10)

    def test_whoever_ends_it_it_comes_back(self):
        """Also where it ends well, and nobody has told systemd."""
        before = self.appliance.pid
        os.kill(before, signal.SIGTERM)
        self.assert_comes_back(before, "soundgated was stopped")

    def test_a_stuck_lcore(self):
        before = self.appliance.pid
        with standing_still(before, "sg-lcore"):
            began = time.monotonic()
            wait_until(self.bypass.is_bridged, "packets go round", 10)
            took = time.monotonic() - began
            print(f"a stuck lcore: packets go round after {took:.1f} s")
        self.assertLess(took, LCORE_SILENCE_SECONDS + 1)
        self.assert_comes_back(before)
        self.assertIn("event=stuck part=\"lcore 0\"", self.said())

    def test_all_of_it_stuck(self):
        """A process that is stopped hears no signal but one."""
        before = self.appliance.pid
        os.kill(before, signal.SIGSTOP)
        began = time.monotonic()
        try:
            wait_until(self.bypass.is_bridged, "packets go round", 30)
        finally:
            if not self.bypass.is_bridged():
                os.kill(before, signal.SIGKILL)
        print(f"all of it stuck: packets go round after {time.monotonic() - began:.1f} s")
        self.assert_comes_back(before)

    def test_stuck_while_it_is_stopped(self):
        with standing_still(self.appliance.pid, "sg-lcore"):
            began = time.monotonic()
            self.machine.run("systemctl", "stop", "--no-block", SERVICE)
            wait_until(self.bypass.is_bridged, "packets go round", STOP_SECONDS_MAX)
            print(f"stuck while it was stopped: packets go round after "
                  f"{time.monotonic() - began:.1f} s")
        self.machine.run("systemctl", "stop", SERVICE)  # until it has
        self.machine.run("systemctl", "start", SERVICE)
        self.assert_inspects_again(self.reference)

    def test_who_wants_no_bypass_gets_none(self):
        self.machine.run("systemctl", "disable", "--now", BYPASS)
        try:
            self.machine.run("systemctl", "restart", SERVICE)
            self.assertEqual(self.machine.unit(BYPASS, "ActiveState")["ActiveState"], "inactive")
            self.assertFalse(self.bypass.is_bridged())
            self.assertFalse(self.appliance.status()["bypass"]["watched"])
            self.assertIn("event=bypass_not_watched", self.said())
        finally:
            self.appliance.start()
        wait_until(lambda: self.appliance.status()["bypass"]["watched"], "it watches again")

    def test_a_wrong_configuration_is_not_tried_again(self):
        self.machine.write("/etc/soundgate.toml", "[gate]\nhold_max_ms = -5\n")
        self.addCleanup(self.appliance.start)
        self.addCleanup(self.appliance.configure)
        self.machine.run("systemctl", "restart", SERVICE, check=False)
        time.sleep(3)
        found = self.unit("ActiveState", "NRestarts", "ExecMainStatus")
        self.assertEqual(found, {"ActiveState": "failed", "NRestarts": "0", "ExecMainStatus": "2"})
        self.assertIn("key gate.hold_max_ms: must be", self.said())
        self.assertTrue(self.bypass.is_bridged())

    def test_a_store_in_use_is_waited_for(self):
        """Somebody works on it with `soundgate --store`, and gives it back."""
        self.machine.run("systemctl", "stop", SERVICE)
        holding = Background(self.machine.within("flock", "/var/lib/soundgate/lock", "sleep", "3"),
                             self.gate.folder / "holding.log")
        self.addCleanup(holding.stop)
        self.machine.run("systemctl", "start", SERVICE, check=False)
        self.assertIn("store /var/lib/soundgate is in use", self.said())
        self.appliance.await_restart(None)
        self.assertIsNotNone(holding.exit_code)


def main():
    if os.geteuid() != 0 or not machine.is_possible():
        print("needs root, systemd-nspawn and overlayfs, to boot a machine")
        sys.exit(e2e.SKIPPED)
    e2e.main()


if __name__ == "__main__":
    main()
