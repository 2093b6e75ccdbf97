"""More arrives than is decoded: each step of the overload ladder is taken in order, and left again."""

import time
from concurrent.futures import ThreadPoolExecutor

import e2e
from failures_test import slowly, stopped
from testbed.uploads import PASS, Case

STEPS = ["none", "short_probes", "sparse", "back_pressure", "fail_policy"]
PAYLOAD_MIB = 8  # of each of two workers
UPLOAD_BYTES = 24 << 20  # of all uploads together: more than fits


def enough_tracks():
    found, size = [], 0
    for track in e2e.tracks(40, ("wesnoth", "warzone2100", "colobot", "ardentryst"),
                            seconds_min=40, seconds_max=600):
        if size < UPLOAD_BYTES and track.path.stat().st_size < (4 << 20):
            found.append(track)
            size += track.path.stat().st_size
    return found


class Overload(e2e.TestbedCase):
    options = {"settings": {"gate": {"hold_max_ms": 60000},
                            "decoder": {"stall_max_ms": 120000, "payload_mib": PAYLOAD_MIB}}}
    others = enough_tracks()
    late, = e2e.tracks(1, ("btanks",))

    def overload(self):
        return self.gate.appliance.status()["overload"]

    def follow(self, seen, until):
        """Notes each step that shows, in order, until it is this one."""
        deadline = time.monotonic() + 40
        while not seen or seen[-1] != until:
            self.assertLess(time.monotonic(), deadline, f"never {until}, only {seen}")
            step = self.overload()["step"]
            if not seen or seen[-1] != step:
                seen.append(step)
            time.sleep(0.05)

    def test_every_step_is_taken_and_left_in_order(self):
        up, down = [], []
        with ThreadPoolExecutor(len(self.others)) as pool:
            with stopped(self.gate.appliance.decoder_pids()):
                uploads = [pool.submit(self.gate.upload, Case(track.title, track.path, PASS),
                                       **slowly(track.path)) for track in self.others]
                self.follow(up, "fail_policy")
                late = self.gate.upload(Case("late", self.late.path, PASS))
                put_off = self.gate.appliance.status()["dataplane"]["put_off_segments"]
            self.follow(down, "none")
            outcomes = [upload.result() for upload in uploads]
        self.assertEqual(up, STEPS)
        self.assertEqual(down, STEPS[::-1])
        self.assertEqual((late.answer.status, late.identical), (201, True))
        self.assertEqual((late.verdict["verdict"], late.verdict["reason"], late.verdict["checked"]),
                         ("flag", "overload", "none"))
        self.assertGreater(put_off, 0)
        for outcome in outcomes:
            self.assertEqual((outcome.answer.status, outcome.identical), (201, True),
                             outcome.case.what)
            whole = outcome.verdict["checked"] == "full"
            self.assertTrue(whole or outcome.verdict["reason"], outcome.case.what)
        entered = self.overload()["entered"]
        self.assertEqual([entered[step] for step in STEPS[1:]], [1, 1, 1, 1])
        reasons = [outcome.verdict["reason"] for outcome in outcomes]
        print({reason: reasons.count(reason) for reason in sorted(set(reasons))},
              f"{put_off} segments put off")


if __name__ == "__main__":
    e2e.main()
