"""The testbed: network, origin, appliance and client, made on entry and gone on exit."""

import itertools
import os
import shutil
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .appliance import Appliance, merged
from .bypass import Bypass
from .client import Client
from .digest import digest
from .machine import Machine
from .managed import ManagedAppliance, ManagedBypass
from .network import Network
from .origin import Origin
from .process import run
from .uploads import Outcome, judge

REPOSITORY = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("SOUNDGATE_BUILD", REPOSITORY / "build" / "release"))
CORPUS = Path(os.environ.get("SOUNDGATE_CORPUS", REPOSITORY / "build" / "corpus"))
DERIVED = CORPUS.with_name(CORPUS.name + "-derived")


def program(name):
    """Where the build put one of ours."""
    for folder in ("bin", "control", "tests/support"):
        if (BUILD / folder / name).exists():
            return BUILD / folder / name
    raise FileNotFoundError(f"{name} is not built in {BUILD}")


class Testbed:
    """Use as a context manager, from the main thread.

    settings: changes to deploy/soundgate.toml, as nested dicts. relay: options of soundgate-relay,
    which then stands between the client and the gate. vlans: identifiers of the tags, outermost first,
    that frames have on the gate's ports. bypass: whether soundgate-bypass watches. managed: both
    run as units of a systemd, in a machine of their own. upload() may be called from any thread.
    """

    def __init__(self, *, port_kind="af_packet", relay=(), vlans=(), settings=None, bypass=False,
                 managed=False):
        if os.geteuid() != 0:
            raise PermissionError("the testbed makes network namespaces: run it as root")
        binaries = program("soundgated").parent
        tags = [word for vlan in vlans for word in ("--vlan", str(vlan))]
        self._relay = [program("soundgate-relay"), *relay, *tags] if relay or tags else None
        self._origin_relay = [program("soundgate-relay"), *tags] if tags else None
        self.folder = Path(tempfile.mkdtemp(prefix="sgbed-"))
        self.network = Network(port_kind)
        self.origin = Origin(self.network, self.folder)
        self.client = Client(self.network)
        settings = settings or {}
        if managed:
            self.machine = Machine(self.network, self.folder, BUILD)
            self.bypass = ManagedBypass(self.machine, self.network)
            self.appliance = ManagedAppliance(self.machine, self.network, self.folder, REPOSITORY,
                                              binaries, settings)
        else:
            self.bypass = Bypass(self.network, self.folder, binaries) if bypass else None
            if self.bypass:
                settings = merged(self.bypass.settings(), settings)
            self.appliance = Appliance(self.network, self.folder, REPOSITORY, binaries, settings)
        self.soundgate = self.appliance.command
        self._numbers = itertools.count(1)

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that __exit__ runs
        try:
            self.network.create(self._relay, self.folder / "relay.log", self._origin_relay)
            # A TAP is the origin's interface only once Soundgate runs.
            first, second = self.appliance, self.origin
            if self.network.port_kind == "af_packet":
                first, second = second, first
            if self.bypass:
                self.bypass.start()
            first.start()
            second.start()
        except BaseException:
            self._tear_down()
            raise
        return self

    def __exit__(self, kind, error, trace):
        if error is not None:
            print(f"--- end of soundgated's log:\n{self._log_tail()}", file=sys.stderr)
        problems = self._tear_down()
        if error is None and problems:
            raise RuntimeError("; ".join(problems))

    def _log_tail(self):
        return "\n".join(self.appliance.log().splitlines()[-30:])

    def _tear_down(self):
        """Returns what is wrong with how Soundgate stopped."""
        problems = []
        exit_code = self.appliance.stop()
        if exit_code:
            problems.append(f"soundgated exited {exit_code}: {self._log_tail()}")
        self.origin.stop()
        if self.bypass:
            self.bypass.stop()
        self.network.delete_relays()
        left = run("ip", "netns", "pids", self.network.gate, check=False).stdout.split()
        if left:
            problems.append(f"soundgated left processes behind: {' '.join(left)}")
        self.network.delete()
        if not os.environ.get("SOUNDGATE_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
        return problems

    def enroll(self, bank, *paths, action="block"):
        """Into a bank that is made if there is none."""
        if bank not in (known["name"] for known in self.soundgate.lines("bank", "list")):
            self.soundgate.lines("bank", "create", bank, "--action", action)
        return self.soundgate.lines("enroll", "--bank", bank, *paths)

    def upload(self, case, **options):
        """Sends a Case through the appliance, and judges what became of it."""
        number = next(self._numbers)
        name = f"{number:03}{case.path.suffix}"
        request_id = f"upload-{number}"
        answer = self.client.put(case.path, name, request_id, **options)
        is_held = self.appliance.settings["mode"]["default"] == "enforce"
        verdict = self.appliance.decision(request_id, 0 if is_held and answer.status else 20)
        ending = self.origin.ending(request_id)  # what is not there by then never comes
        arrived = self.origin.has(name)
        identical = arrived and self.origin.digest(name) == digest(case.path)
        return judge(Outcome(case, name, answer, verdict, ending, arrived, identical))

    def upload_all(self, cases, at_once=8, **options):
        """Yields the outcomes in the order of the cases, as soon as they are there."""
        with ThreadPoolExecutor(at_once) as pool:
            yield from pool.map(lambda case: self.upload(case, **options), cases)
