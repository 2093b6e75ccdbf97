"""A thread that stands still: the supervisor hears no more pings, and packets go round."""

import ctypes
import os
import signal
import socket
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import e2e
from bypass_test import wait_until
from testbed.process import run

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _ptrace(request, thread):
    if _libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


@contextmanager
def standing_still(pid, name):
    """One thread of a process is stopped, as a debugger does it; the others go on."""
    thread, = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()
               if (task / "comm").read_text().strip() == name]
    _ptrace(PTRACE_SEIZE, thread)
    try:
        _ptrace(PTRACE_INTERRUPT, thread)
        os.waitpid(thread, WALL)
        yield
    finally:
        try:
            _ptrace(PTRACE_DETACH, thread)
        except OSError:
            os.waitpid(thread, WALL)  # it was killed meanwhile: its process waits for us


class Supervisor:
    """What systemd hears. Its socket is in the environment that soundgated inherits."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="sgnotify-")
        path = f"{self._folder.name}/notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        os.environ.update(NOTIFY_SOCKET=path, WATCHDOG_USEC="2000000")

    def close(self):
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC"):
            os.environ.pop(name)
        self._socket.close()
        self._folder.cleanup()

    def heard(self, seconds):
        """All that is said within a time."""
        said = []
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                said += self._socket.recv(4096).decode().splitlines()
            except TimeoutError:
                break
        return said


class Watchdog(e2e.TestbedCase):
    options = {"settings": {**e2e.PATIENT, "gate": {"hold_max_ms": 20000, "drain_ms_max": 0},
                            "watchdog": {"lcore_ms_max": 2000, "thread_ms_max": 3000}},
               "bypass": True}

    @classmethod
    def setUpClass(cls):
        cls.supervisor = Supervisor()
        cls.addClassCleanup(cls.supervisor.close)
        super().setUpClass()

    def health(self, path):
        return run("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}",
                   "--unix-socket", self.gate.appliance.socket, f"http://localhost{path}").stdout

    def test_pings_come_while_all_goes_on(self):
        said = self.supervisor.heard(4)
        self.assertGreaterEqual(said.count("WATCHDOG=1"), 4)
        self.assertNotIn("WATCHDOG=trigger", said)
        self.assertEqual((self.health("/livez"), self.health("/readyz")), ("200", "200"))

    def test_a_stuck_thread_is_told_of_and_no_ping_follows(self):
        for name, part in (("sg-record", "recorder"), ("decoder-pool", "collector"),
                           ("sg-lcore", "lcore 0")):
            with self.subTest(part), standing_still(self.gate.appliance.pid, name):
                said = self.supervisor.heard(6)
                self.assertIn("WATCHDOG=trigger", said)
                after = said[said.index("WATCHDOG=trigger") + 1:]
                self.assertEqual(after, [])
                self.assertEqual((self.health("/livez"), self.health("/readyz")), ("503", "503"))
                status = self.gate.appliance.status()
                self.assertEqual((status["ready"], status["not_ready"]), (False, f"stuck: {part}"))
                self.assertIn(f"event=stuck part=\"{part}\"" if " " in part else
                              f"event=stuck part={part}", self.gate.appliance.log())
                # As systemd does then. The appliance comes back by itself there.
                os.kill(self.gate.appliance.pid, signal.SIGABRT)
                wait_until(self.gate.bypass.is_bridged, "packets go round", 5)
            self.gate.appliance.kill()
            self.assertEqual(self.gate.client.curl(self.gate.client.url("hello"))[0].status, 200)
            self.gate.appliance.start()
            self.assertIn("READY=1", self.supervisor.heard(1))


if __name__ == "__main__":
    e2e.main()
