"""What the command line's contract tests share: programs, sounds, and a daemon without packets."""
import argparse
import json
import math
import os
import pathlib
import signal
import struct
import subprocess
import tempfile
import time
import unittest
import wave
from random import Random

ARGUMENTS = None
# Groups that every Debian machine has.
CURATORS, OPERATORS, ADMINS = "games", "operator", "staff"


def main():
    global ARGUMENTS
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True)
    parser.add_argument("--source", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    import sys
    unittest.main(module="__main__", argv=[sys.argv[0]] + rest, verbosity=1)


def write_tune(path, seed, seconds=30):
    """A WAV file that no other seed's resembles: chords that change each quarter of a second."""
    rate = 11025
    state = seed * 2654435761 % 2**32
    frames = bytearray()
    for _ in range(int(seconds * 4)):
        notes = []
        for _ in range(3):
            state = (state * 1664525 + 1013904223) % 2**32
            notes.append(110 * 2 ** ((state >> 16) % 48 / 12))
        for i in range(rate // 4):
            value = sum(math.sin(2 * math.pi * note * i / rate) for note in notes)
            frames += struct.pack("<h", int(value * 9000))
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(bytes(frames))
    return str(path)


def made_up_fingerprint(seed, count=240):
    """Items that change from one to the next as Chromaprint's do."""
    random = Random(seed)
    item = random.getrandbits(32)
    items = []
    for _ in range(count):
        item ^= random.getrandbits(32) & random.getrandbits(32) & random.getrandbits(32)
        items.append(item)
    return items


class CliTest(unittest.TestCase):
    """A folder with tunes; run() calls soundgate."""

    @classmethod
    def setUpClass(cls):
        cls.folder_object = tempfile.TemporaryDirectory(prefix="sgcli-")
        cls.folder = pathlib.Path(cls.folder_object.name)
        cls.tunes = [write_tune(cls.folder / f"tune {i}.wav", i + 1) for i in range(4)]

    @classmethod
    def tearDownClass(cls):
        cls.folder_object.cleanup()

    def program(self, name):
        return str(pathlib.Path(ARGUMENTS.programs) / name)

    def run_program(self, *arguments, stdin=b"", user=None, **options):
        other = {"user": user, "group": user, "extra_groups": []} if user else {}
        done = subprocess.run([str(a) for a in arguments], input=stdin, capture_output=True,
                              timeout=60, check=False, **other, **options)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def run_cli(self, *arguments, exit=0, **options):
        """Runs soundgate with backend(), checks the exit code, returns stdout and stderr."""
        code, out, err = self.run_program(self.program("soundgate"), *self.backend(), *arguments,
                                          **options)
        self.assertEqual(code, exit, f"{arguments}\nstdout: {out}\nstderr: {err}")
        return out, err

    def run_json(self, *arguments, **options):
        out, _ = self.run_cli("--json", *arguments, **options)
        return [json.loads(line) for line in out.splitlines()]

    def one_message(self, err, *parts):
        """Exactly one line on stderr, which names the program and says all the parts."""
        self.assertEqual(err.count("\n"), 1, err)
        self.assertRegex(err, "^soundgated?: ")
        for part in parts:
            self.assertIn(str(part), err)


class Daemon:
    """soundgated without packets."""

    def __init__(self, programs, folder):
        self.socket = folder / "control.sock"
        self.config = folder / "soundgate.toml"
        self.config.write_text(f'store = "{folder}/store"\n[control]\nsocket = "{self.socket}"\n'
                               f'curators = ["{CURATORS}"]\noperators = ["{OPERATORS}"]\n'
                               f'admins = ["{ADMINS}"]\n')
        self.command = [str(pathlib.Path(programs) / "soundgated"), "--config", str(self.config)]
        self.log_path = folder / "log"
        self.process = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stderr=log)
        for _ in range(200):
            if "event=started" in self.log_path.read_text() and self.socket.exists():
                return
            if self.process.poll() is not None:
                raise RuntimeError(self.log_path.read_text())
            time.sleep(0.05)
        raise RuntimeError("soundgated does not start: " + self.log_path.read_text())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        self.log_path.write_text("")
        return code

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=20)
        self.log_path.write_text("")


def can_switch_user():
    return os.geteuid() == 0
