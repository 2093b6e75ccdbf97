"""soundgate-bypass in the gate's namespace, round the appliance's two ports."""

from .network import PORTS
from .process import Background


class Bypass:
    """Thread: start, stop and kill from the main thread; the rest from any."""

    def __init__(self, network, folder, binaries):
        self._network = network
        self._program = binaries / "soundgate-bypass"
        self.log_path = folder / "bypass.log"
        self.lock = folder / "forwarding.lock"
        self.journal = folder / "bypass.journal"
        self._process = None

    def settings(self):
        return {"bypass": {"lock": str(self.lock), "journal": str(self.journal)}}

    def command(self, *more):
        return self._network.within(
            self._network.gate, self._program, "--client", PORTS[0], "--origin", PORTS[1],
            "--lock", self.lock, "--journal", self.journal, *more)

    def start(self):
        self._process = Background(self.command(), self.log_path)

    def kill(self):
        self._process.kill()

    def stop(self):
        return self._process.stop() if self._process else None

    def is_bridged(self):
        return self._network.is_bridged("sgbypass")
