#!/usr/bin/env python3
"""What Soundgate costs traffic that it does not inspect, against testpmd on the same ports.

  perf/forwarding.py [ROUNDS]

Two veth pairs, net_af_packet on the near ends, and UDP frames of 512 bytes from one far end to the
other: as many as go, then half as many as the slower one takes, for the time that they take. Both
forwarders run in turns, each on one lcore that no CPU is set aside for; the median of the rounds
counts. It exits 1 where Soundgate forwards less than 0.9 of what testpmd does (`--forward-mode=io`,
which looks at nothing), or adds more than 50 µs at the 99th percentile. On a busy machine the
generator, too, is short of time: packets for each second of the forwarder's own CPU are shown
beside. Needs root, dpdk-testpmd and a release build.
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
NAMESPACE = f"sgforward-{os.getpid()}"
NEAR = ("near-client", "near-origin")
FAR = ("far-client", "far-origin")
DEVICES = [f"net_af_packet{number},iface={name},qpairs=1" for number, name in enumerate(NEAR)]


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def within(*command):
    return ["ip", "netns", "exec", NAMESPACE, *map(str, command)]


def make_network():
    run("ip", "netns", "add", NAMESPACE)
    for near, far in zip(NEAR, FAR):
        run(*within("ip", "link", "add", near, "type", "veth", "peer", "name", far))
        for name in (near, far):
            run(*within("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1"))
            run(*within("ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off",
                        "gro", "off"))
            run(*within("ip", "link", "set", name, "up"))


def testpmd():
    vdevs = [word for device in DEVICES for word in ("--vdev", device)]
    cpus = f"(0-{os.cpu_count() - 1})"
    return within("dpdk-testpmd", "--no-huge", "-m", "256", "--no-pci", "--no-telemetry",
                  "--no-shconf", f"--lcores=0@{cpus},1@{cpus}", *vdevs, "--",
                  "--forward-mode=io", "--auto-start", "--no-mlockall", "--disable-link-check",
                  "--total-num-mbufs=16384")


def soundgate():
    return within(BUILD / "tests/dataplane/run_dataplane", *DEVICES, "enforce", "none", 50)


class Forwarder:
    """Runs until the block ends. testpmd ends as soon as nobody can type any more."""

    def __init__(self, command):
        self._command = command

    def __enter__(self):
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=self._log,
                                         stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS_MAX
        while load(100, seconds=0.1)["received"] == 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._log.seek(0)
                raise RuntimeError(f"{self._command}: {self._log.read().decode()}")
        return self

    def cpu_seconds(self):
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


def load(rate, seconds=SECONDS):
    return json.loads(run(*within(BUILD / "perf/load/load_forwarding", *FAR, seconds, rate)))


def throughput(forwarder):
    """Packets a second, and packets for each second of its CPU."""
    with Forwarder(forwarder()) as running:
        before = running.cpu_seconds()
        received = load(0)["received"]
        return received / SECONDS, received / (running.cpu_seconds() - before)


def latency(forwarder, rate):
    with Forwarder(forwarder()):
        return load(rate)["p99_us"]


def measure(rounds):
    forwarders = (testpmd, soundgate)
    most = [[throughput(forwarder) for forwarder in forwarders] for _ in range(rounds)]
    half = min(statistics.median(figures[i][0] for figures in most) for i in (0, 1)) / 2
    late = [[latency(forwarder, half) for forwarder in forwarders] for _ in range(rounds)]
    return most, half, late


def report(most, half, late):
    rates, by_cpu, p99 = ([statistics.median(pick(figures, i) for figures in rounds)
                           for i in (0, 1)] for rounds, pick in (
        (most, lambda figures, i: figures[i][0]), (most, lambda figures, i: figures[i][1]),
        (late, lambda figures, i: figures[i])))
    share = statistics.median(ours[0] / theirs[0] for theirs, ours in most)
    added = statistics.median(ours - theirs for theirs, ours in late)
    print(f"{'':12}{'packets/s':>12}{'by CPU s':>12}{'p99 at half':>14}")
    for i, name in enumerate(("testpmd io", "soundgate")):
        print(f"{name:12}{rates[i]:12.0f}{by_cpu[i]:12.0f}{p99[i]:11.1f} µs")
    print(f"share {share:.3f} (at least {SHARE_MIN}), by CPU {by_cpu[1] / by_cpu[0]:.3f}; "
          f"adds {added:.1f} µs at p99 (at most {ADDED_US_MAX}) at {half:.0f} packets/s")
    return share >= SHARE_MIN and added <= ADDED_US_MAX


def main():
    if os.geteuid() != 0 or not shutil.which("dpdk-testpmd"):
        return SKIPPED
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    try:
        make_network()
        return 0 if report(*measure(rounds)) else 1
    finally:
        subprocess.run(["ip", "netns", "delete", NAMESPACE], check=False, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
