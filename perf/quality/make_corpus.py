#!/usr/bin/python3
"""Makes what the quality suite measures with: fingerprints of references, distractors, uploads.

usage: make_corpus.py --corpus DIR --out DIR --build DIR [--tracks N] [--attacks A,A,…]

Every track is a reference, and every attack is tried on every track. Distractors are further
references: pieces of the same music at other speeds, spliced. Impostors are uploads of the same
kind, and so are sounds that say nothing (artificial.py). What comes from one family is never an
impostor to each other. Everything is seeded by names: a run makes what the last one made, and keeps
what is there. Fingerprints are made by Soundgate's own decoder workers.

Writes OUT/items/NAME.u32 (items, little-endian) and OUT/manifest.jsonl, a line for each:
role (reference, distractor, impostor, upload), kind, name, family, parts[]: {reference,
reference_start, reference_end, upload_start, upload_end} in seconds: what is in an upload.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import artificial
import attacks
import music
from music import RATE

# What files of fingerprints hold: another when they are to be made again.
FORMAT = "three bands, silent below 1e-4; probes by view, of all of it and the treble"
DISTRACTORS, IMPOSTORS = 4000, 4000
# Far from what the widest probes search (0.75 to 1.35), so that none resembles its own track.
OTHER_SPEEDS = (0.52, 0.56, 0.60, 0.64, 1.56, 1.65, 1.75, 1.85, 1.95, 2.10)
SPLICED_SECONDS = (15, 60)    # of each piece
DISTRACTOR_SECONDS = (120, 300)
IMPOSTOR_SECONDS = (10, 200)


class Fingerprinter:
    """One decoder worker; thread: one."""

    def __init__(self, build, *options):
        self._process = subprocess.Popen([build / "bin" / "quality_fingerprint", *options],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def write(self, source, target):
        partial = target.with_suffix(".partial")
        self._process.stdin.write(f"{source}\t{partial}\n")
        self._process.stdin.flush()
        if not self._process.stdout.readline():
            raise RuntimeError(f"no fingerprint of {source}")
        probes = Path(f"{partial}.probes")
        if probes.exists():
            probes.rename(f"{target}.probes")
        partial.rename(target)


class Maker:
    def __init__(self, options):
        self.items = options.out / "items"
        self.pcm = options.out / "pcm"
        for folder in (self.items, self.pcm):
            folder.mkdir(parents=True, exist_ok=True)
        self.check_format(options.out / "format")
        self.build = options.build
        self.tracks = music.tracks(options.corpus)
        self.speech = music.speech(self.pcm)
        self.scratch = Path(tempfile.mkdtemp(prefix="quality-", dir="/dev/shm"))
        self._local = threading.local()

    def check_format(self, path):
        found = path.read_text() if path.exists() else ""
        if found != FORMAT and any(self.items.iterdir()):
            sys.exit(f"quality: the fingerprints in {self.items} were made by another version: remove them")
        path.write_text(FORMAT)

    def fingerprint(self, source, name, probed=False):
        key = "probing" if probed else "plain"
        if not hasattr(self._local, key):
            setattr(self._local, key,
                    Fingerprinter(self.build, *(["--probes"] if probed else [])))
        getattr(self._local, key).write(source, self.target(name))

    def target(self, name):
        return self.items / f"{name}.u32"

    def is_there(self, name, probed=False):
        return self.target(name).exists() and (
            not probed or self.target(f"{name}").with_suffix(".u32.probes").exists())

    def scratch_file(self, extension):
        return self.scratch / f"{threading.get_ident()}.{extension}"

    def from_samples(self, name, samples, rate=RATE, probed=False):
        wav = self.scratch_file("wav")
        music.write_wav(wav, samples, rate)
        self.fingerprint(wav, name, probed)
        wav.unlink()

    # Each of these returns rows of the manifest.

    def reference(self, track):
        if not self.is_there(track.name):
            self.fingerprint(track.path, track.name)
        track.samples(self.pcm)
        return [row("reference", "whole", track.name, track.family)]

    def spliced(self, role, number, seconds_range):
        """Pieces of one family's music, at one other speed."""
        random = music.generator(role, number)
        family = [track for track in self.tracks
                  if track.family == self.tracks[number % len(self.tracks)].family]
        name = f"{role}-{number:05}"
        probed = role == "impostor"
        if not self.is_there(name, probed):
            speed = float(random.choice(OTHER_SPEEDS)) * float(random.uniform(0.99, 1.01))
            seconds = random.uniform(*seconds_range) * speed  # before it is played faster
            pieces = []
            while sum(map(len, pieces)) < seconds * RATE:
                samples = family[int(random.integers(len(family)))].samples(self.pcm)
                length = int(random.uniform(*SPLICED_SECONDS) * speed * RATE)
                pieces.append(attacks.stretch_of(samples, min(length, len(samples)), random))
            self.from_samples(name, np.concatenate(pieces)[:int(seconds * RATE)], RATE * speed,
                              probed)
        return [row(role, "spliced", name, family[0].family)]

    def artificial(self, sound):
        """Twice, and of no family: neither is ever to be found in the other. Of speech there is no
        reference: attacks talk over music with it, and would be found."""
        rows = []
        for role in ("impostor",) if sound == "speech" else ("distractor", "impostor"):
            name = f"artificial-{sound}-{role}"
            probed = role == "impostor"
            if not self.is_there(name, probed):
                self.from_samples(name, artificial.make(sound, role, music.generator, self.speech),
                                  probed=probed)
            rows.append(row(role, "artificial", name, name))
        return rows

    def attacked(self, track, wanted):
        """All attacks on one excerpt of a track; its shorter ones begin where it begins."""
        samples = track.samples(self.pcm)
        random = music.generator("excerpt", track.name)
        start = music.audible_start(samples, attacks.SECONDS, random)
        if start is None:
            return []
        rows, encodings = [], []
        for kind, attack, seconds in wanted:
            name = f"{track.name}.{kind}"
            rows.append(row("upload", kind, name, track.family,
                            [part(track, start / RATE, seconds, 0)]))
            if self.is_there(name, kind in attacks.PROBED):
                continue
            if isinstance(attack, attacks.Encoded):
                encodings.append((name, kind, attack, seconds))
            else:
                context = attacks.Context(music.generator(name), self.speech, self.other(track, name))
                changed = attack.change(samples[start:start + seconds * RATE], context)
                samples_and_rate = changed if isinstance(changed, tuple) else (changed, RATE)
                self.from_samples(name, *samples_and_rate, kind in attacks.PROBED)
        self.encode(track, start / RATE, encodings)
        return rows

    def encode(self, track, start, encodings):
        """All of a track's in one run of ffmpeg: it decodes once."""
        outputs, arguments = [], []
        for number, (name, kind, attack, seconds) in enumerate(encodings):
            path = self.scratch_file(f"{number}.{attack.extension}")
            outputs.append((path, name, kind))
            # Cut first: the filters may change how long it is.
            arguments += ["-map", "0:a:0", "-af", f"atrim=duration={seconds},{attack.filters}",
                          *attack.encoder, path]
        if outputs:
            music.ffmpeg("-ss", f"{start:.6f}", "-i", track.path, *arguments)
        for path, name, kind in outputs:
            self.fingerprint(path, name, kind in attacks.PROBED)
            path.unlink()

    def other(self, track, *words):
        """Samples of a track of another family."""
        random = music.generator("other", track.name, *words)
        others = [other for other in self.tracks if other.family != track.family]
        return others[int(random.integers(len(others)))].samples(self.pcm)

    def embedded(self, track):
        random = music.generator("embedded", track.name)
        samples = track.samples(self.pcm)
        start = music.audible_start(samples, attacks.EMBEDDED_SECONDS, random)
        if start is None:
            return []
        name = f"{track.name}.embedded"
        total, inside = attacks.EMBEDDED_UPLOAD_SECONDS * RATE, attacks.EMBEDDED_SECONDS * RATE
        lead = int(random.uniform(0.1, 0.9) * (total - inside))
        if not self.is_there(name):
            around, number = np.zeros(0, np.float32), 0
            while len(around) < total:
                around = np.concatenate([around, self.other(track, "around", number)])
                number += 1
            self.from_samples(name, np.concatenate(
                [around[:lead], samples[start:start + inside], around[lead:total - inside]]))
        return [row("upload", "embedded", name, track.family,
                    [part(track, start / RATE, attacks.EMBEDDED_SECONDS, lead / RATE)])]

    def medley(self, number):
        """Ten parts of tracks of different families where there are so many."""
        random = music.generator("medley", number)
        name = f"medley-{number:04}"
        pieces, parts, family = [], [], []
        for track in (self.tracks[i] for i in random.permutation(len(self.tracks))):
            samples = track.samples(self.pcm)
            start = music.audible_start(samples, attacks.MEDLEY_SECONDS, random)
            if start is None or family.count(track.family) > 1:
                continue
            parts.append(part(track, start / RATE, attacks.MEDLEY_SECONDS,
                              len(pieces) * attacks.MEDLEY_SECONDS))
            family.append(track.family)
            pieces.append(samples[start:start + attacks.MEDLEY_SECONDS * RATE])
            if len(pieces) == attacks.MEDLEY_PARTS:
                break
        if not self.is_there(name):
            self.from_samples(name, np.concatenate(pieces))
        return [row("upload", "medley", name, ",".join(sorted(set(family))), parts)]


def row(role, kind, name, family, parts=()):
    return {"role": role, "kind": kind, "name": name, "family": family, "parts": list(parts)}


def part(track, start, seconds, upload_start):
    return {"reference": track.name, "reference_start": start, "reference_end": start + seconds,
            "upload_start": upload_start, "upload_end": upload_start + seconds}


def wanted_attacks(names):
    wanted = [(name, attack, attacks.SECONDS) for name, attack in attacks.ATTACKS.items()]
    wanted += [(f"{name}_{seconds}s", attacks.ATTACKS[name], seconds)
               for seconds in attacks.SHORT_SECONDS for name in attacks.SHORT]
    known = {name for name, _, _ in wanted} | {"embedded", "medley"}
    if unknown := [name for name in names or () if name not in known]:
        sys.exit(f"quality: there is no attack {unknown[0]}; there are {', '.join(sorted(known))}")
    return [entry for entry in wanted if names is None or entry[0] in names]


def make(options, maker):
    names = options.attacks.split(",") if options.attacks else None
    wanted = wanted_attacks(names)
    chosen = [maker.tracks[i] for i in
              music.generator("chosen").permutation(len(maker.tracks))[:options.tracks]]
    rows = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        def run(what, function, *arguments):
            made = [row for made in pool.map(function, *arguments) for row in made]
            print(f"quality: {len(made)} {what}", file=sys.stderr, flush=True)
            rows.extend(made)
        run("references", maker.reference, maker.tracks)
        run("distractors", lambda n: maker.spliced("distractor", n, DISTRACTOR_SECONDS),
            range(options.distractors))
        run("impostors", lambda n: maker.spliced("impostor", n, IMPOSTOR_SECONDS),
            range(options.impostors))
        run("artificial sounds", maker.artificial, artificial.SOUNDS)
        run("attacks", lambda track: maker.attacked(track, wanted), chosen)
        if names is None or "embedded" in names:
            run("embedded", maker.embedded, chosen)
        if names is None or "medley" in names:
            run("medleys", maker.medley, range(len(chosen) // 5))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--tracks", type=int, default=10**6, help="attack only so many")
    parser.add_argument("--attacks", help="only these")
    parser.add_argument("--distractors", type=int, default=DISTRACTORS)
    parser.add_argument("--impostors", type=int, default=IMPOSTORS)
    options = parser.parse_args()
    maker = Maker(options)
    try:
        rows = make(options, maker)
    finally:
        for left in maker.scratch.iterdir():
            left.unlink()
        maker.scratch.rmdir()
    manifest = options.out / "manifest.jsonl"
    manifest.with_suffix(".partial").write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest.with_suffix(".partial").rename(manifest)


if __name__ == "__main__":
    main()
