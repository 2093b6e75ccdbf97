"""The `soundgate` command, on a socket or on a store, with its JSON read."""

import json

from .process import run


class CommandLine:
    """Thread: any."""

    def __init__(self, program, *target):
        self._program = program
        self._target = target  # "--socket", path or "--store", path

    def run(self, *arguments, check=False, timeout=600):
        """As a user sees it: exit code, stdout, stderr."""
        return run(self._program, *arguments, *self._target, check=check, timeout=timeout)

    def lines(self, *arguments, check=True, **options):
        """The JSON objects it prints."""
        done = self.run(*arguments, "--json", check=check, **options)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def object(self, *arguments, **options):
        lines = self.lines(*arguments, **options)
        assert len(lines) == 1, f"{arguments}: {len(lines)} lines of JSON where one was expected"
        return lines[0]
