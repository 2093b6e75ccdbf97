"""Soundgate as systemd runs it: the units of deploy/systemd, in a machine of their own."""

import json
import os
import signal
import time

from .appliance import READY_SECONDS_MAX, Appliance, toml
from .command_line import CommandLine
from .network import PORTS

SERVICE, BYPASS = "soundgated.service", "soundgate-bypass.service"


class _InstalledCommand(CommandLine):
    """`soundgate`, as an operator of that machine calls it."""

    def __init__(self, machine):
        super().__init__("soundgate")
        self._machine = machine

    def run(self, *arguments, check=False, timeout=600):
        return self._machine.run("soundgate", *arguments, check=check, timeout=timeout)


class ManagedAppliance(Appliance):
    """start() boots the machine, and enables the units as deploy/INLINE.md says."""

    def __init__(self, machine, network, folder, repository, binaries, settings):
        super().__init__(network, folder, repository, binaries, settings)
        self.machine = machine
        self.settings["store"] = "/var/lib/soundgate"
        self.settings["control"].pop("socket")
        self.settings["bypass"] = {"lock": "/run/soundgate-bypass/lock",
                                   "journal": "/var/lib/soundgate-bypass/journal"}
        self.command = _InstalledCommand(machine)

    @property
    def pid(self):
        return self.machine.pid(SERVICE)

    def configure(self):
        self.machine.write("/etc/soundgate.toml", toml(self.settings))
        self.machine.write("/etc/default/soundgate-bypass",
                           f"SOUNDGATE_CLIENT={PORTS[0]}\nSOUNDGATE_ORIGIN={PORTS[1]}\n")

    def start(self):
        if self.machine.leader is None:
            self.configure()
            self.machine.boot()
        self.machine.run("systemctl", "enable", "--now", "soundgate-bypass", "soundgated",
                         check=False)
        self.await_restart(None)

    def stop(self):
        """The exit code; None where it never ran."""
        if self.machine.leader is None:
            return None
        self.machine.run("systemctl", "stop", SERVICE)
        self._log.write_text(self.log())  # which goes with the machine
        return int(self.machine.unit(SERVICE, "ExecMainStatus")["ExecMainStatus"])

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def await_restart(self, before, seconds_max=READY_SECONDS_MAX):
        """Until one serves: another than the one with that process id."""
        deadline = time.monotonic() + seconds_max
        while not (self.pid not in (None, before) and self._serves()):
            if time.monotonic() > deadline:
                tail = "\n".join(self.log().splitlines()[-20:])
                raise RuntimeError(f"systemd has not started it:\n{tail}")
            time.sleep(0.05)

    def _serves(self):
        done = self.command.run("status", "--json")
        return done.returncode == 0 and json.loads(done.stdout)["ready"]

    def log(self):
        if self.machine.leader is None:
            return ""
        return self.machine.run("journalctl", "--no-pager", "--output=short-precise",
                                f"--unit={SERVICE}", f"--unit={BYPASS}", check=False).stdout


class ManagedBypass:
    """soundgate-bypass as a unit: systemd starts and stops it."""

    def __init__(self, machine, network):
        self._machine = machine
        self._network = network

    def start(self):
        pass  # the appliance enables both

    def stop(self):
        self._machine.stop()

    def settings(self):
        return {}

    def is_bridged(self):
        return self._network.is_bridged("sgbypass")
