"""The origin that hashes and keeps nothing, as a process in the origin's namespace."""

import json
import time
from pathlib import Path

from .network import ORIGIN_IPV4
from .process import Background

PORT = 8080
READY_SECONDS_MAX = 10
SCRIPT = Path(__file__).with_name("hashing_origin.py")

# For a testbed's settings: uploads to it are inspected too.
INSPECTED = {"inspect": [{"ports": [80, PORT], "hosts": ["*"], "paths": ["/*"],
                          "methods": ["PUT", "POST"], "min_bytes": 0}]}


class HashingOrigin:
    """Use as a context manager, from the main thread."""

    def __init__(self, network, folder, *, multipath=False):
        self._command = network.within(network.origin, "python3", SCRIPT, ORIGIN_IPV4, PORT,
                                       *(["--multipath"] if multipath else []))
        self._log = folder / "hashing-origin.log"
        self._process = None

    def __enter__(self):
        self._process = Background(self._command, self._log)
        deadline = time.monotonic() + READY_SECONDS_MAX
        while "listening" not in self._log.read_text():
            if self._process.exit_code is not None or time.monotonic() > deadline:
                raise RuntimeError(f"it did not start: {self._process.log_tail()}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self._process.stop()

    def upload(self, path):
        """What came of this request: path, bytes, sha256, whole. None where nothing did."""
        for line in self._log.read_text().splitlines():
            if line.startswith("{") and json.loads(line)["path"] == path:
                return json.loads(line)
        return None
