"""What an operator captures, and what can be made of it."""

import json
import signal
import stat
import subprocess
import time

import e2e
from testbed import bed, pcapng
from testbed.appliance import merged, toml
from testbed.network import CLIENT_IPV4
from testbed.process import run
from testbed.uploads import BLOCK, PASS, Case

HEAD_SECONDS_MAX = 10


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
        self._process.wait()

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


class Capture(e2e.TestbedCase):
    options = {
  "settings" : {
    **e2e.PATIENT, "match" : { "early_verdict" : False }
  }}
    reference, = e2e.tracks(1, ("wesnoth",))
    other, = e2e.tracks(1, ("btanks",))

    @classmethod
    def enroll(cls):
        cls.gate.enroll("spam", cls.reference.path)

    def setUp(self):
        self.path = self.gate.folder / f"{self._testMethodName}.pcapng"

    def capture(self, *arguments, **options):
        return Command(self.gate, self.path, *arguments, **options)

    def upload(self):
        outcome = self.gate.upload(Case("clean", self.other.path, PASS))
        self.assert_expected([outcome])
        return outcome

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


if __name__ == "__main__":
    e2e.main()
