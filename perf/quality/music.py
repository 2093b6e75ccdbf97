"""The suite's raw material: real tracks, as mono samples at the rate that fingerprints are made of."""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE = 11025  # Hz
BANDS = 3      # whose items are in a file, one after the other
SILENT = 10 ** (-50 / 20)  # of full scale: what is softer cannot be recognised

# Both games have "Through Space".
SAME_FAMILY = {"starfighter": "singularity"}


@dataclass(frozen=True)
class Track:
    path: Path
    family: str  # tracks of one family may share loops and stems: never impostors to each other
    name: str    # unique, and fit for a file name

    def samples(self, cache):
        """The whole track, float32 in -1..1, from a cache."""
        cached = cache / f"{self.name}.s16"
        if not cached.exists():
            partial = cached.with_suffix(".partial")
            ffmpeg("-i", self.path, "-map", "0:a:0", "-ac", "1", "-ar", RATE, "-f", "s16le", partial)
            partial.rename(cached)
        return np.fromfile(cached, np.int16).astype(np.float32) / 32768


def ffmpeg(*arguments, **options):
    return subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", "-threads", "1", *map(str, arguments)],
        check=True, stdin=subprocess.DEVNULL, **options)


def tracks(corpus):
    """Those of tests/support/fetch_corpus.sh's manifest."""
    found = []
    for line in (corpus / "manifest.tsv").read_text().splitlines():
        family, _, path = line.split("\t")
        name = path.replace("/", "_").replace(" ", "_")
        found.append(Track(corpus / path, SAME_FAMILY.get(family, family), name))
    if not found:
        sys.exit(f"quality: there are no tracks in {corpus}")
    return sorted(found, key=lambda track: track.name)


def generator(*words):
    """Random numbers that depend on these words alone: a run makes what the last one made."""
    digest = hashlib.sha256(" ".join(map(str, words)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def audible_start(samples, seconds, random):
    """A start, in samples, of so many seconds that are heard; None where there are none."""
    length = int(seconds * RATE)
    if length >= len(samples):
        return None
    for _ in range(100):
        start = int(random.integers(0, len(samples) - length))
        blocks = samples[start:start + length // RATE * RATE].reshape(-1, RATE)
        if np.sqrt((blocks ** 2).mean(axis=1)).min() > SILENT:
            return start
    return None


def write_wav(path, samples, rate=RATE):
    """samples: (n,) or (n, channels) in -1..1; what is louder clips."""
    samples = np.atleast_2d(samples.T).T
    data = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    channels = samples.shape[1]
    header = (b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt "
              + (16).to_bytes(4, "little") + (1).to_bytes(2, "little")
              + channels.to_bytes(2, "little") + int(rate).to_bytes(4, "little")
              + (int(rate) * channels * 2).to_bytes(4, "little")
              + (channels * 2).to_bytes(2, "little") + (16).to_bytes(2, "little")
              + b"data" + len(data).to_bytes(4, "little"))
    path.write_bytes(header + data)


def speech(cache):
    """Some minutes of talk, by several voices of a synthesizer."""
    cached = cache / "speech.s16"
    if not cached.exists():
        parts = []
        for voice, pitch in (("en-gb", 40), ("en-us", 65), ("de", 50), ("fr", 55), ("es", 45)):
            wav = subprocess.run(["espeak-ng", "-v", voice, "-p", str(pitch), "--stdout", TEXT],
                                 check=True, capture_output=True).stdout
            parts.append(subprocess.run(
                ["ffmpeg", "-v", "error", "-i", "-", "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"],
                input=wav, check=True, capture_output=True).stdout)
        cached.write_bytes(b"".join(parts))
    return np.fromfile(cached, np.int16).astype(np.float32) / 32768


TEXT = """It was a bright cold day in April, said the first of them, and nobody had expected it.
The second one shook her head, looked at the harbour, and counted seventeen ships, four of which
carried oranges, while the others waited for the tide. How long, she asked, do you think that it
takes to teach a parrot the names of all the rivers of this continent? Longer than it takes to
forget them, he replied, and went on drawing maps on the back of an envelope."""
