"""Captures of uploads, replayed and shown to a tap: the same verdicts as in line, and as scan's."""

import fcntl
import json
import struct
import time

import e2e
from testbed import bed
from testbed.appliance import merged, toml
from testbed.network import ORIGIN_IPV4
from testbed.process import Background, run
from testbed.uploads import BLOCK, PASS, Case

SECONDS_TOLERANCE = 0.3
OBSERVING = {**e2e.PATIENT, "mode": {"default": "observe"}}
F_OFD_SETLK = 37  # of linux/fcntl.h
PCAP_HEADER_BYTES, RECORD_HEADER_BYTES = 24, 16


class Capture:
    """A pcap file, as tcpdump writes it."""

    def __init__(self, path):
        data = path.read_bytes()
        self.header = data[:PCAP_HEADER_BYTES]
        self.records = []  # (record header, frame)
        at = PCAP_HEADER_BYTES
        while at < len(data):
            header = data[at:at + RECORD_HEADER_BYTES]
            length = struct.unpack("<I", header[8:12])[0]
            at += RECORD_HEADER_BYTES
            self.records.append((header, data[at:at + length]))
            at += length

    def write(self, path, records):
        path.write_bytes(self.header + b"".join(header + frame for header, frame in records))
        return path


def payload_bytes(frame):
    """Of TCP over IPv4."""
    header = 4 * (frame[14] & 15)
    total = struct.unpack(">H", frame[16:18])[0]
    return total - header - 4 * (frame[14 + header + 12] >> 4)


class Replay(e2e.TestbedCase):
    options = {"settings": OBSERVING}
    reference, = e2e.tracks(1, ("wesnoth",))
    other, = e2e.tracks(1, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)
        cls.captures = {"client": cls.capture("client", cls.send_both),
                        "loopback": cls.capture("loopback", cls.send_on_loopback),
                        "large": cls.capture("large", cls.send_large)}
        cls.live = cls.by_path(cls.gate.soundgate.lines("decisions", "list"))
        cls.gate.appliance.stop()  # its store is needed
        cls.scanned = {path.name: json.loads(cls.soundgate_on_store("scan", "--json", path))
                       for path in (cls.reference.path, cls.other.path)}

    @classmethod
    def send_both(cls):
        for case in (Case("clean", cls.other.path, PASS),
                     Case("reference", cls.reference.path, BLOCK)):
            cls.gate.client.put(case.path, f"live-{case.what}", f"live-{case.what}")
            cls.gate.appliance.decision(f"live-{case.what}")

    @classmethod
    def send_on_loopback(cls):
        """Frames of up to 64 KiB, with checksums that nobody has filled in."""
        cls.put_on_loopback(cls.reference.path, "loopback")

    @classmethod
    def send_large(cls):
        cls.put_on_loopback(e2e.workshop().encode_over_and_over(cls.other, "wav", 240), "large")

    @classmethod
    def put_on_loopback(cls, path, name):
        network = cls.gate.network
        run(*network.within(network.origin, "curl", "--silent", "--show-error", "--upload-file",
                            path, f"http://{ORIGIN_IPV4}/{name}"))

    @classmethod
    def capture(cls, name, work):
        network, path = cls.gate.network, cls.gate.folder / f"{name}.pcap"
        where = (network.client, "eth0") if name == "client" else (network.origin, "lo")
        tcpdump = Background(network.within(
            where[0], "tcpdump", "-i", where[1], "-U", "-s", "0", "-B", "65536", "-w", path, "tcp"),
            cls.gate.folder / f"{name}-tcpdump.log")
        deadline = time.monotonic() + 10
        while not path.exists() or path.stat().st_size < PCAP_HEADER_BYTES:
            assert time.monotonic() < deadline, "tcpdump does not start"
            time.sleep(0.05)
        work()
        time.sleep(1)  # for tcpdump to have written it
        tcpdump.stop()
        return path

    @classmethod
    def soundgate_on_store(cls, *arguments):
        return run(bed.program("soundgate"), "--store", cls.gate.appliance.store, *arguments).stdout

    @staticmethod
    def by_path(decisions):
        return {decision["request"]["path"].removeprefix("/"): decision for decision in decisions}

    def config(self, **changes):
        path = self.gate.folder / "other.toml"
        path.write_text(toml(merged(self.gate.appliance.settings, changes)))
        return path

    def replay(self, capture, exit_code=0, **changes):
        began = time.monotonic()
        done = run(*self.gate.network.within(
            self.gate.network.gate, bed.program("soundgated"), "--config", self.config(**changes),
            "--replay", capture), check=False, timeout=120)
        self.assertEqual(done.returncode, exit_code, done.stderr)
        self.seconds = time.monotonic() - began
        return self.by_path(json.loads(line) for line in done.stdout.splitlines())

    def assert_same(self, verdict, wanted):
        self.assertEqual((verdict["verdict"], verdict["checked"]),
                         (wanted["verdict"], wanted["checked"]))
        self.assertEqual(len(verdict["matches"]), len(wanted["matches"]))
        for match, other in zip(verdict["matches"], wanted["matches"]):
            self.assertEqual(match["asset"], other["asset"])
            for key in ("query_match_duration_seconds", "asset_match_duration_seconds"):
                self.assertAlmostEqual(match[key], other[key], delta=SECONDS_TOLERANCE)

    def test_the_same_verdicts_as_live_and_as_scanned(self):
        replayed = self.replay(self.captures["client"])
        self.assertEqual(sorted(replayed), ["live-clean", "live-reference"])
        for name, file in (("live-clean", self.other), ("live-reference", self.reference)):
            self.assertFalse(replayed[name]["enforced"])
            self.assertEqual(replayed[name]["mode"], "observe")
            self.assert_same(replayed[name], self.live[name])
            self.assert_same(replayed[name], self.scanned[file.path.name])
            self.assertEqual(replayed[name]["request"], self.live[name]["request"])
            # At the time at which it was captured, not at which it is replayed.
            self.assertAlmostEqual(replayed[name]["timings"]["first_byte"],
                                   self.live[name]["timings"]["first_byte"], delta=1)
        recorded = json.loads(self.soundgate_on_store("decisions", "show", "--json",
                                                      replayed["live-clean"]["upload_id"]))
        self.assertEqual(recorded["upload_id"], replayed["live-clean"]["upload_id"])

    def test_beside_a_soundgated_that_forwards(self):
        """It forwards nothing, so it asks nobody whether it may, and says nothing of the kind."""
        lock, journal = self.gate.folder / "lock", self.gate.folder / "journal"
        lock.write_text("running")
        journal.write_text("began 1000.5 soundgated died\nended 1001.5\n")
        gate = self.gate.network.gate
        run("ip", "-n", gate, "link", "add", "round", "type", "bridge")
        self.addCleanup(run, "ip", "-n", gate, "link", "delete", "round")
        run("ip", "-n", gate, "link", "set", "sg-client", "master", "round")
        with open(lock, "r+b") as held:
            fcntl.fcntl(held, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 2, 0))
            replayed = self.replay(self.captures["client"],
                                   bypass={"lock": str(lock), "journal": str(journal)})
        self.assertEqual(sorted(replayed), ["live-clean", "live-reference"])
        self.assertEqual(lock.read_text(), "running")
        self.assertEqual(self.soundgate_on_store("bypass", "list", "--json"), "")

    def test_a_capture_before_checksums_and_segmentation(self):
        frames = [frame for _, frame in Capture(self.captures["loopback"]).records]
        self.assertGreater(max(map(len, frames)), 20_000)
        replayed = self.replay(self.captures["loopback"])
        self.assert_same(replayed["loopback"], self.scanned[self.reference.path.name])

    def test_packets_that_are_missing_are_said(self):
        whole = Capture(self.captures["client"])
        with_body = [index for index, (_, frame) in enumerate(whole.records)
                     if payload_bytes(frame) > 1000]
        for what, lost in (("one", with_body[len(with_body) // 4:][:1]),
                           ("the last", with_body[-1:]),
                           ("every tenth", with_body[10::10]),
                           ("the second half", range(with_body[len(with_body) // 2],
                                                     len(whole.records)))):
            with self.subTest(what):
                kept = [record for index, record in enumerate(whole.records)
                        if index not in set(lost)]
                damaged = whole.write(self.gate.folder / "damaged.pcap", kept)
                replayed = self.replay(damaged)
                gaps = [name for name, verdict in replayed.items()
                        if verdict["reason"] == "capture_gap"]
                self.assertTrue(gaps, replayed)
                for name in gaps:
                    self.assertEqual((replayed[name]["verdict"], replayed[name]["checked"]),
                                     ("flag", "none"))
                self.assertLess(self.seconds, 60)

    def test_a_damaged_capture_says_so(self):
        whole = Capture(self.captures["client"])
        cut = whole.write(self.gate.folder / "cut.pcap", whole.records[:100])
        cut.write_bytes(cut.read_bytes()[:-3])
        self.replay(cut, exit_code=1)

    def test_it_waits_for_decoders(self):
        """An upload larger than what waits for decoders may be, faster than they are."""
        replayed = self.replay(self.captures["large"], decoder={"workers": 1, "payload_mib": 8})
        self.assertEqual((replayed["large"]["reason"], replayed["large"]["checked"]),
                         ("no_match", "full"))

    def test_what_is_no_capture_is_refused(self):
        for name, content, why in (("empty", b"", "too short"), ("text", b"x" * 100, "neither")):
            path = self.gate.folder / name
            path.write_bytes(content)
            done = run(bed.program("soundgated"), "--config", self.config(), "--replay", path,
                       check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(why, done.stderr)

    def test_a_tap_sees_the_same(self):
        network, appliance = self.gate.network, self.gate.appliance
        for command in (("link", "add", "mirror", "type", "veth", "peer", "name", "mirror-end"),
                        ("link", "set", "mirror", "up"), ("link", "set", "mirror-end", "up")):
            run("ip", "-n", network.gate, *command)
        run(*network.within(network.gate, "ethtool", "-K", "mirror-end", "tx", "off"))
        settings = dict(appliance.settings)
        appliance.settings["dataplane"] = {
            "eal": settings["dataplane"]["eal"], "mode": "tap", "queue_pairs": 2,
            "tap_port": "net_af_packet0,iface=mirror"}
        try:
            appliance.start()
            self.show(Capture(self.captures["client"]), "mirror-end")
            for name in ("live-clean", "live-reference"):
                self.assert_same(appliance.decision(name, seconds_max=20), self.live[name])
            ports = appliance.status()["dataplane"]
            self.assertEqual(ports["client_port"]["sent_packets"], 0)
            refused = appliance.command.run("mode", "enforce", "--reason", "to see it refused")
            self.assertEqual(refused.returncode, 4)
            self.assertIn("cannot enforce", refused.stderr)
        finally:
            appliance.stop()
            appliance.settings = settings
            run("ip", "-n", network.gate, "link", "delete", "mirror")

    def show(self, capture, interface):
        network = self.gate.network
        with network.packet_socket(network.gate, interface) as sender:
            for number, (_, frame) in enumerate(capture.records):
                sender.send(frame)
                if number % 8 == 0:
                    time.sleep(0.002)  # decoders take it in real time


if __name__ == "__main__":
    e2e.main()
