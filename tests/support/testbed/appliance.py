"""Soundgate itself: `soundgated` in the gate's namespace, configured from what is shipped."""

import copy
import json
import os
import time
import tomllib

from .command_line import CommandLine
from .network import PORTS
from .process import Background, CommandFailed

READY_SECONDS_MAX = 30
BUSY_SECONDS_MAX = 30
SHIPPED = "deploy/soundgate.toml"


class Appliance:
    """Thread: start, stop and kill from the main thread; the rest from any."""

    def __init__(self, network, folder, repository, binaries, settings):
        self._network = network
        self._binaries = binaries
        self._config = folder / "soundgate.toml"
        self._log = folder / "soundgated.log"
        self._process = None
        self.store = folder / "store"
        self.socket = folder / "control.sock"
        self.settings = self._settings(repository / SHIPPED, settings)
        self.command = CommandLine(binaries / "soundgate", "--socket", self.socket)

    def _settings(self, shipped, changes):
        settings = merged(tomllib.loads(shipped.read_text()), {
            "store": str(self.store),
            "control": {"socket": str(self.socket)},
            "mode": {"default": "enforce"},
            "dataplane": {
                "eal": ["--no-huge", "-m", "512", "--no-pci", "--no-telemetry",
                        f"--file-prefix=sgbed-{os.getpid()}"],
                "client_port": self._network.device(PORTS[0]),
                "origin_port": self._network.device(PORTS[1]),
            },
        })
        return merged(settings, changes)

    @property
    def pid(self):
        return self._process.pid

    @property
    def log_path(self):
        return self._log

    def start(self):
        self._config.write_text(toml(self.settings))
        self._process = Background(
            self._network.within(self._network.gate, self._binaries / "soundgated",
                                 "--config", self._config), self._log)
        self._await_ready()
        if self._network.port_kind == "tap":
            self._network.adopt_taps()

    def _await_ready(self):
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not self._is_ready():
            if self._process.exit_code is not None:
                raise RuntimeError(f"soundgated exited {self._process.exit_code}:\n"
                                   f"{self._process.log_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"soundgated is not ready after {READY_SECONDS_MAX} s:\n"
                                   f"{self._process.log_tail()}")
            time.sleep(0.05)

    def _is_ready(self):
        done = self.command.run("status", "--json")
        return done.returncode == 0 and json.loads(done.stdout)["ready"]

    def stop(self):
        """As an operator does. Returns the exit code."""
        return self._process.stop() if self._process else None

    def kill(self):
        self._process.kill()

    def restart(self):
        self.stop()
        self.start()

    def status(self):
        return self.command.object("status")

    def decoder_pids(self):
        return [worker["pid"] for worker in self.status()["decoders"]["workers"]]

    def decision(self, request_id, seconds_max=0):
        """The verdict on the upload with this request id, with its ending. It is there as soon as
        the client has its answer; seconds_max: for an upload that has none, or is only observed."""
        deadline = time.monotonic() + seconds_max
        while True:
            try:
                found = self.command.lines("decisions", "list", "--request-id", request_id)
            except CommandFailed as failure:  # fifty ask at once, and sixteen are heard
                is_busy = "all control connections are in use" in str(failure)
                if not is_busy or time.monotonic() > deadline + BUSY_SECONDS_MAX:
                    raise
                time.sleep(0.1)
                continue
            if found:
                return found[-1]
            if time.monotonic() > deadline:
                raise RuntimeError(f"no decision on {request_id} after {seconds_max} s")
            time.sleep(0.1)

    def log(self):
        return self._log.read_text(errors="replace")


def merged(base, changes):
    """Tables are merged, everything else is replaced."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        both_tables = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both_tables else value
    return result


def toml(settings):
    """TOML text of scalars, lists of scalars, tables, and lists of tables, one level deep."""
    lines = []
    for key, value in sorted(settings.items(), key=lambda item: _is_table(item[1])):
        if isinstance(value, dict):
            lines += [f"[{key}]", *_scalars(value)]
        elif _is_table(value):
            for table in value:
                lines += [f"[[{key}]]", *_scalars(table)]
        else:
            lines += _scalars({key: value})
    return "\n".join(lines) + "\n"


def _is_table(value):
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _scalars(table):
    # JSON's strings, numbers, booleans and lists are TOML's too.
    return [f"{key} = {json.dumps(value)}" for key, value in table.items()]
