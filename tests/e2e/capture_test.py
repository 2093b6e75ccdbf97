"""What an operator captures, and what can be made of it."""

import json
import signal
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import e2e
from failures_test import slowly, stopped
from testbed import bed, pcapng
from testbed.appliance import toml
from testbed.network import CLIENT_IPV4
from testbed.process import run
from testbed.uploads import BLOCK, PASS, Case

HEAD_SECONDS_MAX = 10
HEARTBEAT_SECONDS = 5


class Command:
    """`soundgate capture`, under way. Use as a context manager: leaving waits for its end."""

    def __init__(self, gate, path, *arguments, reason="looking at an incident"):
        self.path = path
        self._process = subprocess.Popen(
            [str(word) for word in (bed.program("soundgate"), "--socket", gate.appliance.socket,
                                    "--json", "capture", "--output", path, "--reason", reason,
                                    *arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        deadline = time.monotonic() + HEAD_SECONDS_MAX
        while not self.path.exists() or self.path.stat().st_size == 0:
            assert self._process.poll() is None, self._process.communicate()
            assert time.monotonic() < deadline, "it does not begin"
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self.signal(signal.SIGKILL)
            self._process.communicate()
            time.sleep(HEARTBEAT_SECONDS)  # then the daemon knows

    def signal(self, number):
        self._process.send_signal(number)

    def finish(self, exit_code=0, timeout=30):
        """What it says of the capture; its messages are in `messages`."""
        out, self.messages = self._process.communicate(timeout=timeout)
        assert self._process.returncode == exit_code, (self._process.returncode, self.messages)
        return json.loads(out) if out else None

    def stop(self):
        """Ctrl-C."""
        self.signal(signal.SIGINT)
        return self.finish()


class CaptureCase(e2e.TestbedCase):
    reference, = e2e.tracks(1, ("wesnoth",))
    other, = e2e.tracks(1, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def setUp(self):
        self.path = self.gate.folder / f"{self._testMethodName}.pcapng"

    def capture(self, *arguments, **options):
        return Command(self.gate, self.path, *arguments, **options)

    def refused(self, *arguments, output=None, exit_code, why):
        done = self.gate.soundgate.run("capture", "--output", output or self.path, "--reason", "x",
                                       *arguments)
        self.assertEqual((done.returncode, done.stdout), (exit_code, ""), done.stderr)
        self.assertIn(why, done.stderr)

    def upload(self, **options):
        outcome = self.gate.upload(Case("clean", self.other.path, PASS), **options)
        self.assert_expected([outcome])
        return outcome

    def upload_bytes(self, bytes_min):
        for _ in range(bytes_min // self.other.path.stat().st_size + 1):
            self.upload()

    def record(self, capture_id):
        found, = (line for line in self.gate.soundgate.lines("capture", "list")
                  if line["capture_id"] == capture_id)
        return found

    def running(self):
        return self.gate.appliance.status()["capture"]

    def await_end(self):
        """Of one whose reader has gone."""
        deadline = time.monotonic() + 10
        while self.running():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)


class Capture(CaptureCase):
    options = {"settings": {**e2e.PATIENT, "match": {"early_verdict": False}}}

    def test_all_of_an_upload_is_in_it_both_ways(self):
        with self.capture("--client", "10.77.0.0/24") as command:
            began = time.time_ns()
            outcome = self.upload()
            ended = time.time_ns()
            record = command.stop()
        self.assertEqual((record["ended_by"], record["stopped_by"], record["by"], record["reason"]),
                         ("stop", "root", "root", "looking at an incident"))
        self.assertEqual((record["lost_frames"], record["bytes"]),
                         (0, self.path.stat().st_size))
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        file = pcapng.read(self.path)
        self.assertEqual(file.interfaces, ["sg-client", "sg-origin"])
        self.assertIn("client 10.77.0.0/24, by root: looking at an incident", file.comment)
        self.assertIn("Interface 0 faces the clients", file.comment)
        self.assertEqual(len(file.packets), record["frames"])
        self.assertEqual(file.received(), file.packets)
        tcp = [packet for packet in file.packets if packet.frame[23] == 6]
        request = pcapng.stream(tcp, destination_port=80)
        head, body = request.split(b"\r\n\r\n", 1)
        self.assertTrue(head.startswith(f"PUT /{outcome.name} HTTP/1.1".encode()))
        self.assertEqual(body, self.other.path.read_bytes())
        answer = pcapng.stream(tcp, source_port=80)
        self.assertIn(b"HTTP/1.1 201 Created\r\n", answer)
        self.assertEqual({packet.interface for packet in tcp if packet.ports[1] == 80}, {0})
        self.assertEqual({packet.interface for packet in tcp if packet.ports[0] == 80}, {1})
        for packet in tcp:
            self.assertTrue(began <= packet.nanoseconds <= ended)
        self.assertEqual(sum(one.received for one in file.statistics[-2:]), len(file.packets))
        self.assertEqual([one.dropped for one in file.statistics[-2:]], [0, 0])

    def test_others_read_it(self):
        with self.capture("--client", CLIENT_IPV4) as command:
            self.upload()
            record = command.stop()
        read = run("tcpdump", "--nano", "-tt", "-n", "-r", self.path)
        self.assertEqual(len(read.stdout.splitlines()), record["frames"])
        self.assertIn(f"IP {CLIENT_IPV4}.", read.stdout)

    def test_what_is_written_shows_what_soundgate_did(self):
        with self.capture("--client", CLIENT_IPV4, "--written") as command:
            outcome = self.gate.upload(
                Case("reference", self.reference.path, BLOCK, self.reference.title))
            self.assert_expected([outcome])
            command.stop()
        file = pcapng.read(self.path)
        to_client = pcapng.stream([packet for packet in file.sent() if packet.interface == 0],
                                  source_port=80)
        self.assertIn(b"HTTP/1.1 403", to_client)
        self.assertIn(b'"verdict"', to_client)
        from_origin = pcapng.stream([packet for packet in file.received()
                                     if packet.interface == 1], source_port=80)
        self.assertNotIn(b"HTTP/1.1 403", from_origin)
        to_origin = pcapng.stream([packet for packet in file.sent() if packet.interface == 1],
                                  destination_port=80)
        sent = self.reference.path.read_bytes()
        body = to_origin.split(b"\r\n\r\n", 1)[1]
        self.assertTrue(sent.startswith(body) and len(body) < len(sent))  # not its last byte
        last = [packet for packet in file.sent() if packet.interface == 1][-1]
        self.assertTrue(last.frame[14 + 20 + 13] & 4)  # RST

    def test_an_upload_in_flight_is_captured_by_its_id(self):
        with ThreadPoolExecutor(1) as pool:
            upload = pool.submit(self.upload, **slowly(self.other.path))
            deadline = time.monotonic() + 10
            while not (flying := self.gate.soundgate.lines("uploads", "list")):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
            with self.capture("--upload", flying[0]["upload_id"]) as command:
                self.assertEqual(self.gate.client.put(self.other.path, "another").status, 201)
                upload.result()
                record = command.stop()
        self.assertEqual((record["upload_id"], record["client"]),
                         (flying[0]["upload_id"], flying[0]["client"]))
        file = pcapng.read(self.path)
        port = int(flying[0]["client"].rsplit(":")[-1])
        self.assertEqual({port, 80}, {number for packet in file.packets for number in packet.ports})
        body = pcapng.stream(file.packets, destination_port=80)
        self.assertTrue(self.other.path.read_bytes().endswith(body))
        self.assertGreater(len(body), self.other.path.stat().st_size // 10)
        self.assertIn(b"HTTP/1.1 201", pcapng.stream(file.packets, source_port=80))
        self.refused("--upload", flying[0]["upload_id"], output=self.path.with_name("late.pcapng"),
                     exit_code=3, why="is in flight")

    def test_it_ends_in_time_and_when_the_file_is_full(self):
        began = time.monotonic()
        with self.capture("--client", "198.51.100.0/24", "--for", "2s") as command:
            record = command.finish()
        self.assertEqual((record["ended_by"], record["frames"]), ("time", 0))
        self.assertTrue(1.5 < time.monotonic() - began < 5)
        self.assertEqual(pcapng.read(self.path).packets, [])
        self.path = self.path.with_name("full.pcapng")
        with self.capture("--client", CLIENT_IPV4, "--max-bytes", "1M") as command:
            self.upload_bytes(1 << 20)
            record = command.finish()
        self.assertEqual(record["ended_by"], "bytes")
        self.assertTrue(900_000 < self.path.stat().st_size <= 1 << 20)
        self.assertEqual(len(pcapng.read(self.path).packets), record["frames"])

    def test_headers_alone_hold_nothing_that_people_sent(self):
        with self.capture("--client", CLIENT_IPV4, "--snap-length", "66") as command:
            self.upload()
            command.stop()
        file = pcapng.read(self.path)
        self.assertTrue(all(len(packet.frame) <= 66 for packet in file.packets))
        whole = sum(packet.frame_bytes for packet in file.packets)
        self.assertGreater(whole, self.other.path.stat().st_size)

    def test_a_reader_that_stands_still_loses_frames_and_no_traffic(self):
        with self.capture("--client", CLIENT_IPV4) as command:
            command.signal(signal.SIGSTOP)
            before = time.monotonic()
            self.upload_bytes(24 << 20)  # more than the frames that can wait
            self.assertLess(time.monotonic() - before, 25)  # else the daemon gives it up
            self.assertGreater(self.running()["lost_frames"], 0)
            command.signal(signal.SIGCONT)
            record = command.stop()
        self.assertIn("frames are missing", command.messages)
        file = pcapng.read(self.path)
        self.assertEqual(len(file.packets), record["frames"])
        last = file.statistics[-2:]
        self.assertEqual(sum(one.dropped for one in last), record["lost_frames"])
        self.assertEqual(sum(one.received for one in last),
                         record["frames"] + record["lost_frames"])

    def test_a_disk_that_is_full_ends_it(self):
        disk = self.gate.folder / "disk"
        disk.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk)
        try:
            self.path = disk / "full.pcapng"
            with self.capture("--client", CLIENT_IPV4) as command:
                self.upload_bytes(1 << 20)
                self.assertIsNone(command.finish(exit_code=1))
            self.assertIn("No space left on device; ", command.messages)
            self.assertGreater(len(pcapng.read(self.path).packets), 50)
            self.await_end()
        finally:
            run("umount", disk)
        self.upload()

    def test_no_file_is_replaced_and_no_link_is_followed(self):
        self.path.write_text("mine")
        self.refused("--client", CLIENT_IPV4, exit_code=4, why="File exists")
        self.assertEqual(self.path.read_text(), "mine")
        link = self.path.with_name("link.pcapng")
        link.symlink_to(self.path.with_name("elsewhere"))
        self.refused("--client", CLIENT_IPV4, output=link, exit_code=4, why="File exists")
        self.assertFalse(self.path.with_name("elsewhere").exists())

    def test_one_at_a_time_and_another_ends_it(self):
        with self.capture("--client", CLIENT_IPV4) as command:
            self.assertEqual(self.running()["client"], CLIENT_IPV4)
            self.assertIn("looking at an incident", self.gate.soundgate.run("status").stdout)
            other = self.path.with_name("second.pcapng")
            self.refused("--client", "192.0.2.1", output=other, exit_code=4, why="runs already")
            self.assertFalse(other.exists())
            self.gate.soundgate.run("capture", "stop", check=True)
            self.assertEqual(command.finish()["ended_by"], "stop")
        self.assertIsNone(self.running())
        self.assertEqual(self.gate.soundgate.run("capture", "stop").returncode, 3)

    def test_a_second_signal_ends_the_command_where_the_daemon_does_not_answer(self):
        with self.capture("--client", CLIENT_IPV4) as command:
            self.upload()
            time.sleep(0.2)
            with stopped([self.gate.appliance.pid]):
                command.signal(signal.SIGINT)
                time.sleep(0.5)
                command.signal(signal.SIGINT)
                command.finish(exit_code=-signal.SIGINT, timeout=5)
        self.assertGreater(len(pcapng.read(self.path).packets), 100)
        self.await_end()

    def test_a_reader_that_is_killed_makes_room(self):
        with self.capture("--client", CLIENT_IPV4) as command:
            capture_id = self.running()["capture_id"]
            command.signal(signal.SIGKILL)
            command.finish(exit_code=-signal.SIGKILL)
            self.await_end()
        self.assertEqual(self.record(capture_id)["ended_by"], "reader")
        pcapng.read(self.path)

    def test_what_makes_no_sense_is_refused(self):
        for arguments, exit_code, why in (
                (("--client", "nobody"), 2, "is no address"),
                (("--client", "10.77.0.1:0"), 2, "a port is"),
                (("--client", "10.77.0.0/33"), 2, "0..32"),
                (("--client", CLIENT_IPV4, "--for", "25h"), 2, "24 hours"),
                (("--client", CLIENT_IPV4, "--for", "soon"), 2, "until"),
                (("--client", CLIENT_IPV4, "--max-bytes", "1k"), 2, "1 MiB"),
                (("--client", CLIENT_IPV4, "--snap-length", "4096"), 2, "64..2048"),
                (("--client", CLIENT_IPV4, "--upload", "x"), 2, "excludes"),
                (("--upload", "x"), 3, "is in flight"),
                ((), 2, "--client or --upload")):
            with self.subTest(arguments):
                self.refused(*arguments, exit_code=exit_code, why=why)
                self.assertFalse(self.path.exists())
        whole = {"capture_id": "mine", "client": CLIENT_IPV4, "until": "2s", "bytes_max": 1 << 20,
                 "frame_bytes_max": 128, "written": False, "reason": "x"}
        for change in ({"capture_id": "a b"}, {"capture_id": 7}, {"client": ["10.77.0.1"]},
                       {"client": "1" * 1001}, {"bytes_max": -1}, {"bytes_max": 1e99},
                       {"bytes_max": 1 << 63}, {"frame_bytes_max": "128"}, {"written": 1},
                       {"reason": ""}, {"until": ""}, {"upload_id": "x"}, {"client": ""},
                       {"more": 1}):
            with self.subTest(change):
                done = run("curl", "--silent", "--unix-socket", self.gate.appliance.socket,
                           "--data", json.dumps({**whole, **change}),
                           "http://localhost/v1/captures")
                self.assertEqual(json.loads(done.stdout)["error"]["code"], "invalid")
        self.assertIsNone(self.running())
        done = self.gate.soundgate.run("capture", "--client", CLIENT_IPV4, "--output", self.path)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--reason", done.stderr)

    def test_it_can_be_looked_at_while_it_goes_on(self):
        command = (bed.program("soundgate"), "--socket", self.gate.appliance.socket, "--quiet",
                   "capture", "--client", CLIENT_IPV4, "--output", "-", "--reason", "live",
                   "--for", "20s")
        with subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as capture, \
                subprocess.Popen(["tcpdump", "-n", "-l", "-r", "-"], stdin=capture.stdout,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as shown:
            capture.stdout.close()
            while not self.running():
                time.sleep(0.02)
            self.upload()
            self.assertIn(f"IP {CLIENT_IPV4}.", shown.stdout.readline())  # long before its end
            self.assertIsNone(capture.poll())
            shown.kill()  # whoever looks has seen enough
            shown.stdout.close()
            self.upload()
            self.assertEqual(capture.wait(20), 1)
            self.assertIn("Broken pipe", capture.stderr.read().decode())
        self.await_end()

    def test_ipv6(self):
        with self.capture("--client", "fd77::1") as command:
            outcome = self.upload(ipv6=True)
            self.upload()
            command.stop()
        frames = [packet.frame for packet in pcapng.read(self.path).packets]
        self.assertEqual({frame[12:14] for frame in frames}, {b"\x86\xdd"})
        self.assertGreater(sum(map(len, frames)), self.other.path.stat().st_size)
        self.assertTrue(any(f"PUT /{outcome.name} ".encode() in frame for frame in frames))

    def test_counters(self):
        before = self.counted()
        with self.capture("--client", CLIENT_IPV4) as command:
            self.upload()
            record = command.stop()
        self.assertEqual(self.counted() - before, record["frames"])

    def counted(self):
        text = run("curl", "--silent", "--unix-socket", self.gate.appliance.socket,
                   "http://localhost/metrics").stdout
        line, = (line for line in text.splitlines()
                 if line.startswith('soundgate_captured_frames_total{taken="true"}'))
        return int(line.split()[-1])


class Replayed(CaptureCase):
    """A capture is what --replay takes, and what the daemon's end leaves is whole."""

    options = {"settings": {**e2e.PATIENT, "match": {"early_verdict": False}}}

    def replay(self):
        config = self.gate.folder / "other.toml"
        config.write_text(toml(self.gate.appliance.settings))
        done = run(*self.gate.network.within(
            self.gate.network.gate, bed.program("soundgated"), "--config", config,
            "--replay", self.path))
        verdicts = (json.loads(line) for line in done.stdout.splitlines())
        return {verdict["request"]["request_id"]: verdict for verdict in verdicts}

    def test_a_replay_gives_the_same_verdicts(self):
        for written in ((), ("--written",)):
            with self.subTest(written):
                self.path = self.gate.folder / f"replayed{len(written)}.pcapng"
                live = {}
                with self.capture("--client", "10.77.0.0/24", *written) as command:
                    for case in (Case("clean", self.other.path, PASS),
                                 Case("reference", self.reference.path, BLOCK,
                                      self.reference.title)):
                        verdict = self.gate.upload(case).verdict
                        live[verdict["request"]["request_id"]] = verdict
                    self.gate.appliance.stop()  # which ends it
                    self.assertEqual(command.finish()["ended_by"], "shutdown")
                replayed = self.replay()
                self.gate.appliance.start()
                self.assertEqual(sorted(replayed), sorted(live))
                for request_id, verdict in live.items():
                    for key in ("verdict", "reason", "request"):
                        self.assertEqual(replayed[request_id][key], verdict[key])
                    if verdict["verdict"] == "pass":
                        self.assertEqual(replayed[request_id]["bytes"], verdict["bytes"])
                    self.assertEqual([match["asset"] for match in replayed[request_id]["matches"]],
                                     [match["asset"] for match in verdict["matches"]])
                self.assertEqual(self.gate.soundgate.lines("capture", "list")[-1]["ended_by"],
                                 "shutdown")

    def test_a_tap_captures_what_it_sees(self):
        with self.capture("--client", CLIENT_IPV4) as command:
            self.upload()
            command.stop()
        seen = pcapng.read(self.path)
        network, appliance = self.gate.network, self.gate.appliance
        for words in (("link", "add", "mirror", "type", "veth", "peer", "name", "mirror-end"),
                      ("link", "set", "mirror", "up"), ("link", "set", "mirror-end", "up")):
            run("ip", "-n", network.gate, *words)
        run(*network.within(network.gate, "ethtool", "-K", "mirror-end", "tx", "off"))
        settings = dict(appliance.settings)
        appliance.stop()
        appliance.settings["dataplane"] = {
            "eal": settings["dataplane"]["eal"], "mode": "tap",
            "tap_port": "net_af_packet0,iface=mirror"}
        appliance.settings["mode"] = {"default": "observe"}
        try:
            appliance.start()
            self.path = self.path.with_name("tapped.pcapng")
            with self.capture("--client", CLIENT_IPV4, "--written") as command, \
                    network.packet_socket(network.gate, "mirror-end") as sender:
                for number, packet in enumerate(seen.packets):
                    sender.send(packet.frame)
                    if number % 8 == 0:
                        time.sleep(0.001)
                time.sleep(0.2)
                record = command.stop()
            tapped = pcapng.read(self.path)
            self.assertEqual(tapped.interfaces, ["mirror"])
            self.assertEqual(record["frames"], len(seen.packets))
            self.assertEqual([packet.frame for packet in tapped.packets],
                             [packet.frame for packet in seen.packets])
        finally:
            appliance.stop()
            appliance.settings = settings
            run("ip", "-n", network.gate, "link", "delete", "mirror")
            appliance.start()

    def test_a_daemon_that_is_killed_leaves_a_whole_file(self):
        with self.capture("--client", CLIENT_IPV4) as command:
            self.upload()
            time.sleep(0.2)
            self.gate.appliance.kill()
            self.assertIsNone(command.finish(exit_code=6))
        self.assertIn("has what came before", command.messages)
        file = pcapng.read(self.path)
        self.assertGreater(len(file.packets), 100)
        self.gate.appliance.start()
        left = self.gate.soundgate.lines("capture", "list")[-1]
        self.assertEqual((left["ended"], left["ended_by"]), (None, None))
        self.assertIsNone(self.running())


class LittleMemory(CaptureCase):
    """Enough for packets, and not for captures."""

    options = {"settings": {**e2e.PATIENT, "dataplane": {"eal": [
        "--no-huge", "-m", "72", "--no-pci", "--no-telemetry", "--no-shconf"]}}}

    def test_it_runs_all_the_same_and_says_why_there_is_no_capture(self):
        self.refused("--client", CLIENT_IPV4, exit_code=6, why="Cannot allocate memory): give the EAL")
        self.assertFalse(self.path.exists())
        self.upload()
        record, = self.gate.soundgate.lines("capture", "list")
        self.assertEqual(record["ended_by"], "error")


class Lcores(CaptureCase):
    options = {"settings": {**e2e.PATIENT, "dataplane": {"queue_pairs": 3}}}

    def test_all_of_several_uploads_is_in_it(self):
        paths = [self.other.path, self.reference.path]
        with self.capture("--client", "10.77.0.0/24", "--written") as command:
            cases = [Case("clean", self.other.path, PASS)] * 6
            self.assert_expected(list(self.gate.upload_all(cases)))
            record = command.stop()
        self.assertEqual(record["lost_frames"], 0)
        file = pcapng.read(self.path)
        tcp = [packet for packet in file.packets if packet.frame[23] == 6]
        clients = {packet.ports[0] for packet in tcp if packet.ports[1] == 80}
        self.assertEqual(len(clients), 6)
        for packets, interface in ((file.received(), 0), (file.sent(), 1)):
            for port in clients:
                mine = [packet for packet in packets
                        if packet.interface == interface and packet.ports == (port, 80)]
                body = pcapng.stream(mine).split(b"\r\n\r\n", 1)[1]
                self.assertEqual(body, paths[0].read_bytes())


if __name__ == "__main__":
    e2e.main()
