"""What Soundgate costs traffic that it does not inspect, against testpmd on the same ports.

  perf/forwarding.py [ROUNDS]

UDP frames of 512 bytes from one port to the other: as many as go, then half as many as the slower
one takes, for the time that they take. First through two veth pairs (net_af_packet, where most of
the cost is the kernel's), then through shared memory (net_memif, with no kernel between). Both
forwarders run in turns; the median of the rounds counts. The generator has CPU 0, the forwarder's
lcore CPU 1. It exits 1 where Soundgate forwards less than 0.9 of what testpmd does
(`--forward-mode=io`, which looks at nothing), or adds more than 50 µs at the 99th percentile.
Needs root, two CPUs with nothing else on them, dpdk-testpmd and a release build.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("SOUNDGATE_BUILD", REPOSITORY / "build" / "release"))
ROUNDS = 3
SECONDS = 2
START_SECONDS_MAX = 20
SHARE_MIN = 0.9
ADDED_US_MAX = 50
SKIPPED = 77


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


class Veth:
    """Two veth pairs: the forwarder at the near ends, the generator at the far.

    The far ends are in a namespace of their own: net_af_packet names its fanout groups by process
    and interface, so that two processes in one namespace get in each other's way by chance.
    """

    name = "net_af_packet"
    near = ("near-client", "near-origin")
    far = ("far-client", "far-origin")

    def __init__(self):
        self._near, self._far = (f"sg{end}-{os.getpid()}" for end in ("near", "far"))
        self.forwarder, self.generator = (
            [f"net_af_packet{number},iface={name},qpairs=1" for number, name in enumerate(names)]
            for names in (self.near, self.far))

    def __enter__(self):
        for namespace in (self._near, self._far):
            run("ip", "netns", "add", namespace)
        for near, far in zip(self.near, self.far):
            run(*self.at_near("ip", "link", "add", near, "type", "veth", "peer", "name", far,
                              "netns", self._far))
            for name, within in ((near, self.at_near), (far, self.at_far)):
                run(*within("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1"))
                run(*within("ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off",
                            "gro", "off"))
                run(*within("ip", "link", "set", name, "up"))
        return self

    def __exit__(self, *_):
        for namespace in (self._near, self._far):
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)

    def at_near(self, *command):
        return ["ip", "netns", "exec", self._near, *map(str, command)]

    def at_far(self, *command):
        return ["ip", "netns", "exec", self._far, *map(str, command)]


class Memif:
    """Two shared memory interfaces; the forwarder listens, the generator connects."""

    name = "net_memif"

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.forwarder, self.generator = (
            [f"net_memif{number},role={role},id={number},socket={self._folder.name}/socket,"
             "socket-abstract=no" for number in (0, 1)] for role in ("server", "client"))
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def at_near(self, *command):
        return [str(word) for word in command]

    at_far = at_near


def testpmd(ports):
    vdevs = [word for device in ports.forwarder for word in ("--vdev", device)]
    return ports.at_near("dpdk-testpmd", "--no-huge", "-m", "256", "--no-pci", "--no-telemetry",
                         "--no-shconf", "--lcores=0@0,1@1", *vdevs, "--", "--forward-mode=io",
                         "--auto-start", "--no-mlockall", "--disable-link-check",
                         "--total-num-mbufs=16384")


def soundgate(ports):
    return ports.at_near(BUILD / "tests/dataplane/run_dataplane", *ports.forwarder,
                         "enforce", "none", 50, 1, 1, 1)


FORWARDERS = (testpmd, soundgate)


class Forwarder:
    """Runs until the block ends. testpmd ends as soon as nobody can type any more."""

    def __init__(self, ports, command):
        self._ports = ports
        self._command = command(ports)

    def __enter__(self):
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=self._log,
                                         stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._forwards():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._log.seek(0)
                raise RuntimeError(f"{self._command}: {self._log.read().decode()}")
        return self

    def _forwards(self):
        try:
            return load(self._ports, 100, seconds=0.1)["received"] > 0
        except subprocess.CalledProcessError:  # its ports are not there yet
            return False

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


def load(ports, rate, seconds=SECONDS):
    return json.loads(run(*ports.at_far(BUILD / "perf/load/load_forwarding", *ports.generator,
                                        seconds, rate)))


def throughput(ports, forwarder):
    """Packets a second. Where its port refused none of them, the generator was the limit."""
    with Forwarder(ports, forwarder):
        loaded = load(ports, 0)
        if loaded["refused"] == 0 and loaded["sent"] - loaded["received"] < loaded["sent"] / 1000:
            print(f"  ({ports.name}, {forwarder.__name__}: the generator was the limit)")
        return loaded["received"] / SECONDS


def latency(ports, forwarder, rate):
    """The 99th percentile, in µs."""
    with Forwarder(ports, forwarder):
        return load(ports, rate)["p99_us"]


def measure(ports, rounds):
    most = [[throughput(ports, forwarder) for forwarder in FORWARDERS] for _ in range(rounds)]
    half = min(statistics.median(figures[i] for figures in most) for i in (0, 1)) / 2
    late = [[latency(ports, forwarder, half) for forwarder in FORWARDERS] for _ in range(rounds)]
    return most, half, late


def report(name, most, half, late):
    share = statistics.median(ours / theirs for theirs, ours in most)
    added = statistics.median(ours - theirs for theirs, ours in late)
    print(f"{name:14}{'packets/s':>12}{'p99 at half':>14}")
    for i, forwarder in enumerate(("testpmd io", "soundgate")):
        rate, p99 = (statistics.median(figures[i] for figures in rounds) for rounds in (most, late))
        print(f"  {forwarder:12}{rate:12.0f}{p99:11.1f} µs")
    print(f"  share {share:.3f} (at least {SHARE_MIN}); adds {added:.1f} µs at p99 "
          f"(at most {ADDED_US_MAX}) at {half:.0f} packets/s")
    return share >= SHARE_MIN and added <= ADDED_US_MAX


def main():
    if os.geteuid() != 0 or os.cpu_count() < 2 or not shutil.which("dpdk-testpmd"):
        return SKIPPED
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    good = True
    for kind in (Veth, Memif):
        with kind() as ports:
            good = report(ports.name, *measure(ports, rounds)) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
