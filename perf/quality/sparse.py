#!/usr/bin/python3
"""Measures what sparse coverage finds of short excerpts: how long periods should be, and what closer
looks are worth.

usage: sparse.py --corpus DIR --out DIR --build DIR [--excerpts N]

Half of the corpus's families are banned: all of their tracks are references. Of N of them an excerpt
of 10, 15 and 30 s is put at some place of 3 minutes of music of the other half, which is an upload;
the other half's tracks, as they are, are clean ones. quality_sparse plays them all; its columns are
said there. Everything is seeded by names, and what is there is kept.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

import music
from make_corpus import Fingerprinter, part, row
from music import RATE

UPLOAD_SECONDS = 180
EXCERPT_SECONDS = (10, 15, 30)


class Maker:
    def __init__(self, options):
        self.items, self.pcm = options.out / "items", options.out / "pcm"
        for folder in (self.items, self.pcm):
            folder.mkdir(parents=True, exist_ok=True)
        self.fingerprinter = Fingerprinter(options.build)
        tracks = music.tracks(options.corpus)
        families = sorted({track.family for track in tracks})
        self.banned = [track for track in tracks if families.index(track.family) % 2 == 0]
        self.clean = [track for track in tracks if families.index(track.family) % 2 == 1]

    def fingerprint(self, source, name):
        target = self.items / f"{name}.u32"
        if not target.exists():
            self.fingerprinter.write(source, target)

    def whole(self, role, track):
        self.fingerprint(track.path, track.name)
        return [row(role, "clean" if role == "impostor" else "whole", track.name, track.family)]

    def excerpts(self, track):
        """One of each length, in music of one other track after another."""
        random = music.generator("sparse", track.name)
        samples = track.samples(self.pcm)
        start = music.audible_start(samples, max(EXCERPT_SECONDS), random)
        if start is None:
            return []
        around = np.zeros(0, np.float32)
        while len(around) < UPLOAD_SECONDS * RATE:
            other = self.clean[int(random.integers(len(self.clean)))]
            around = np.concatenate([around, other.samples(self.pcm)])
        rows = []
        for seconds in EXCERPT_SECONDS:
            lead = random.uniform(0, UPLOAD_SECONDS - seconds)
            name = f"{track.name}.sparse_{seconds}s"
            rows.append(row("upload", f"{seconds} s", name, track.family,
                            [part(track, start / RATE, seconds, lead)]))
            if not (self.items / f"{name}.u32").exists():
                at, inside = int(lead * RATE), seconds * RATE
                wav = self.items / "upload.wav"
                music.write_wav(wav, np.concatenate(
                    [around[:at], samples[start:start + inside],
                     around[at:UPLOAD_SECONDS * RATE - inside]]))
                self.fingerprint(wav, name)
                wav.unlink()
        return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--excerpts", type=int, default=60, help="of so many tracks")
    options = parser.parse_args()
    maker = Maker(options)
    rows = [row for track in maker.banned for row in maker.whole("reference", track)]
    rows += [row for track in maker.clean for row in maker.whole("impostor", track)]
    chosen = music.generator("sparse").permutation(len(maker.banned))[:options.excerpts]
    rows += [row for i in chosen for row in maker.excerpts(maker.banned[i])]
    (options.out / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    print(f"sparse: {len(maker.banned)} references, {len(maker.clean)} clean tracks, "
          f"{len(rows) - len(maker.banned) - len(maker.clean)} uploads", file=sys.stderr, flush=True)
    subprocess.run([options.build / "perf" / "quality" / "quality_sparse", options.out], check=True)


if __name__ == "__main__":
    main()
