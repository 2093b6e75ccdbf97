"""Processes that the testbed starts: run to their end, or in the background until stopped."""

import ctypes
import os
import signal
import subprocess

STOP_SECONDS_MAX = 15
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class CommandFailed(Exception):
    pass


def run(*command, check=True, timeout=120, **options):
    """Runs a command to its end. Raises CommandFailed, with what it said, unless it exits 0."""
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, **options)
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise CommandFailed(f"{' '.join(command)}: exit {done.returncode}: {said}")
    return done


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Background:
    """A process with its output in a log file. It dies with the thread that started it (that is
    what Linux offers), so start it from the main thread."""

    def __init__(self, command, log_path):
        self.command = [str(word) for word in command]
        self.log_path = log_path
        with open(log_path, "ab") as log:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=_die_with_parent)

    @property
    def pid(self):
        return self._process.pid

    @property
    def exit_code(self):
        """None while it runs."""
        return self._process.poll()

    def log_tail(self, lines=20):
        text = self.log_path.read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def kill(self):
        self._process.kill()
        self._process.wait()

    def stop(self):
        """SIGTERM, and SIGKILL where that is not heard. Returns the exit code."""
        if self.exit_code is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._process.returncode


def alive(pid):
    return os.path.exists(f"/proc/{pid}")
