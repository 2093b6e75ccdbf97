"""Soundgate dies, or stops, and packets go round it: nobody's upload is lost."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import e2e
from failures_test import UPLOAD_SECONDS, slowly
from testbed.process import run
from testbed.uploads import BLOCK, PASS, Case

AWAY_SECONDS_MAX = 1.0  # from a death to the first answer through the bridge
UPLOADS = 50


def wait_until(happened, what, seconds_max=10):
    deadline = time.monotonic() + seconds_max
    while not happened():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds_max} s: {what}")
        time.sleep(0.01)


class BypassCase(e2e.TestbedCase):
    options = {"settings": {**e2e.PATIENT, "gate": {"hold_max_ms": 20000, "drain_ms_max": 0}},
               "bypass": True}

    def away_seconds(self, end_it):
        """How long nothing gets through once the appliance is ended: an answer of 0.2 s at most is
        asked for again and again."""
        answered = []
        stop = threading.Event()

        def ask():
            while not stop.is_set():
                began = time.monotonic()
                answer = self.gate.client.curl("--connect-timeout", "0.2", "--max-time", "0.3",
                                               self.gate.client.url("hello"), timeout=1)[0]
                if answer.status == 200:
                    answered.append(began)

        askers = [threading.Thread(target=ask) for _ in range(3)]
        for asker in askers:
            asker.start()
        wait_until(lambda: answered, "no answer through the appliance")
        ended = time.monotonic()
        end_it()
        wait_until(lambda: answered[-1] > ended, "no answer through the bridge")
        away = min(at for at in answered if at > ended) - ended
        stop.set()
        for asker in askers:
            asker.join()
        return away

    def assert_inspects_again(self, reference):
        self.assertFalse(self.gate.bypass.is_bridged(), "packets would have two ways")
        self.assert_expected([self.gate.upload(
            Case("afterwards", reference.path, BLOCK, reference.title))])


class Death(BypassCase):
    reference, = e2e.tracks(1, ("wesnoth",))
    others = e2e.tracks(UPLOADS, ("wesnoth", "warzone2100", "colobot", "ardentryst", "btanks"),
                        seconds_min=40, seconds_max=600)

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def put(self, number):
        track = self.others[number]
        name = f"flight-{number}{track.path.suffix}"
        return name, self.gate.client.put(track.path, name, name, **slowly(track.path))

    def test_fifty_uploads_in_flight_survive_kill_9(self):
        appliance, bypass = self.gate.appliance, self.gate.bypass
        with ThreadPoolExecutor(UPLOADS) as pool:
            uploads = [pool.submit(self.put, number) for number in range(UPLOADS)]
            wait_until(lambda: appliance.status()["uploads"]["in_flight"] == UPLOADS, "all begun")
            appliance.kill()
            wait_until(bypass.is_bridged, "the ports are bridged", 1)
            answers = [upload.result() for upload in uploads]
        self.assertEqual([answer.status for _, answer in answers], [201] * UPLOADS)
        for number, (name, _) in enumerate(answers):
            self.assertEqual(self.gate.origin.digest(name),
                             e2e.bed.digest(self.others[number].path), name)
        # What is sent meanwhile passes, reference or not.
        name = "meanwhile.ogg"
        self.assertEqual(self.gate.client.put(self.reference.path, name).status, 201)
        appliance.start()
        self.assert_inspects_again(self.reference)
        self.check_record("soundgated died")

    def check_record(self, cause):
        latest = self.gate.soundgate.lines("bypass", "list")[-1]
        self.assertEqual(latest["cause"], cause)
        self.assertGreater(latest["seconds"], 0.5)
        bypass = self.gate.appliance.status()["bypass"]
        self.assertEqual((bypass["watched"], bypass["last_cause"]), (True, cause))
        self.assertEqual(bypass["last_ended"], latest["ended"])
        self.assertIn("bypass     ready", self.gate.soundgate.run("status").stdout)

    def test_traffic_is_through_within_a_second(self):
        appliance = self.gate.appliance
        for end_it, cause in ((appliance.kill, "soundgated died"),
                              (appliance.stop, "soundgated was stopped")):
            with self.subTest(cause):
                away = self.away_seconds(end_it)
                self.assertLess(away, AWAY_SECONDS_MAX)
                print(f"{cause}: through again after {away * 1000:.0f} ms")
                time.sleep(0.5)
                appliance.start()
                self.assert_inspects_again(self.reference)
                self.check_record(cause)

    def test_uploads_go_on_while_it_is_taken_back(self):
        appliance, track = self.gate.appliance, self.others[0]
        appliance.kill()
        with ThreadPoolExecutor(1) as pool:
            upload = pool.submit(self.gate.client.put, track.path, "back.ogg", "back",
                                 **slowly(track.path))
            time.sleep(UPLOAD_SECONDS / 3)
            appliance.start()
            self.assertEqual(upload.result().status, 201)
        self.assertEqual(self.gate.origin.digest("back.ogg"), e2e.bed.digest(track.path))
        self.assert_inspects_again(self.reference)

    def test_no_packet_has_two_ways(self):
        """What is sent arrives once, whoever forwards, also across the changes."""
        network, appliance = self.gate.network, self.gate.appliance
        self.assertEqual(network.datagrams(20), list(range(20)))
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(network.datagrams, 1000, 0.005)
            time.sleep(0.5)
            appliance.kill()
            time.sleep(0.5)
            appliance.start()
            received = sending.result()
        self.assertEqual(received, sorted(set(received)), "some came twice, or out of order")
        self.assertGreater(len(received), 600)
        print(f"of 1000 datagrams in 5 s, {1000 - len(received)} were lost in two changes")
        self.assertEqual(network.datagrams(20), list(range(20)))

    def test_a_bypass_that_died_is_no_way_round(self):
        appliance, bypass = self.gate.appliance, self.gate.bypass
        appliance.kill()
        wait_until(bypass.is_bridged, "the ports are bridged", 1)
        bypass.kill()
        with self.assertRaisesRegex(RuntimeError, "go round: sg-client is in a bridge"):
            appliance.start()
        bypass.start()
        appliance.start()
        self.assert_inspects_again(self.reference)
        began = [line.split()[1] for line in bypass.journal.read_text().splitlines()
                 if line.startswith("began")]
        self.assertEqual(len(began), len(set(began)))
        # While one watches, another can not.
        self.assertEqual(run(*bypass.command(), check=False).returncode, 4)
        self.assertEqual(run(*bypass.command("--release"), check=False).returncode, 4)

    def test_a_bypass_that_dies_while_all_is_well_disturbs_nobody(self):
        bypass = self.gate.bypass
        bypass.kill()
        self.assertFalse(self.gate.appliance.status()["bypass"]["watched"])
        self.assertIn("NOT WATCHED", self.gate.soundgate.run("status").stdout)
        self.assert_inspects_again(self.reference)
        bypass.start()
        wait_until(lambda: self.gate.appliance.status()["bypass"]["watched"], "it watches again")
        self.assert_inspects_again(self.reference)


if __name__ == "__main__":
    e2e.main()
