#!/usr/bin/env python3
"""Makes what index_scale searches with: fingerprints of real tracks, and of attacked excerpts.

usage: make_uploads.py --corpus DIR --build BUILD --out FILE [--tracks 236] [--uploads 60]

DIR is what tests/support/fetch_corpus.sh makes. Writes a line for each track and each upload:
  track  TAB -    TAB name TAB -     TAB items
  upload TAB kind TAB name TAB first TAB items
where `first` is the reference's item at which the excerpt starts (a fraction, since excerpts start
anywhere) and items are decimal, comma-separated, band after band. Places are random, seeded by the
track's name. Needs ffmpeg, and BUILD/bin/quality_fingerprint.
"""
import argparse
import array
import hashlib
import os
import pathlib
import random
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

ITEM_SECONDS = 1365 / 11025
EXCERPT_SECONDS = 30
FORMAT = "aformat=sample_fmts=s16:sample_rates=44100:channel_layouts=stereo"
NOISE = (f"loudnorm=I=-20:TP=-3,{FORMAT}[a];anoisesrc=color=pink:amplitude={{}}:r=44100,{FORMAT}[n];"
         "[a][n]amix=inputs=2:duration=first:normalize=0")

# kind: filters. Each excerpt goes through Opus at 24 kbit/s or PCM afterwards, by ENCODED.
KINDS = {
    "trim": FORMAT,
    "opus_24k": FORMAT,
    "equalised": f"{FORMAT},bass=g=10,treble=g=-10",
    "compressed": f"{FORMAT},acompressor=threshold=0.03:ratio=15:attack=2:release=60:makeup=6",
    "reverb": f"{FORMAT},aecho=0.8:0.8:40|90|150:0.5|0.4|0.3",
    "band_pass": f"{FORMAT},highpass=f=300,lowpass=f=3400",
    "pink_noise": NOISE.format(0.25),
    "tempo_5": f"{FORMAT},atempo=1.05",
    "tempo_10": f"{FORMAT},atempo=0.90",
    "speed_1": f"{FORMAT},asetrate=44100*1.01,aresample=44100",
    "speed_2": f"{FORMAT},asetrate=44100*1.02,aresample=44100",
}
ENCODED = {"opus_24k": (["-c:a", "libopus", "-b:a", "24k"], "opus")}


def items_of(build, path):
    with tempfile.NamedTemporaryFile(suffix=".u32") as items:
        subprocess.run([build / "bin" / "quality_fingerprint"], input=f"{path}\t{items.name}\n",
                       text=True, check=True, stdout=subprocess.DEVNULL)
        return ",".join(map(str, array.array("I", pathlib.Path(items.name).read_bytes())))


def track(build, path, name):
    return "\t".join(["track", "-", name.replace(" ", "_"), "-", items_of(build, path)])


def upload(build, path, name, seconds, kind):
    chance = random.Random(hashlib.sha256(f"{name} {kind}".encode()).digest())
    start = chance.uniform(1, seconds - EXCERPT_SECONDS - 1)
    encoder, container = ENCODED.get(kind, (["-c:a", "pcm_s16le"], "wav"))
    with tempfile.TemporaryDirectory() as scratch:
        made = pathlib.Path(scratch) / f"upload.{container}"
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-ss", str(start), "-t",
                        str(EXCERPT_SECONDS), "-i", str(path), "-vn", "-af", KINDS[kind], *encoder,
                        str(made)], check=True, stdin=subprocess.DEVNULL)
        items = items_of(build, made)
    return "\t".join(["upload", kind, name.replace(" ", "_"), f"{start / ITEM_SECONDS:.2f}", items])


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--corpus", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--tracks", type=int, default=236)
    parser.add_argument("--uploads", type=int, default=60, help="of each kind")
    options = parser.parse_args()

    tracks = []
    for line in (options.corpus / "manifest.tsv").read_text().splitlines():
        _, seconds, path = line.split("\t")
        tracks.append((options.corpus / path, path, float(seconds)))
    random.Random(1).shuffle(tracks)
    tracks = tracks[:options.tracks]
    attacked = [t for t in tracks if t[2] > EXCERPT_SECONDS + 5][:options.uploads]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        lines = list(pool.map(lambda t: track(options.build, t[0], t[1]), tracks))
        lines += pool.map(lambda job: upload(options.build, *job),
                          [(*t, kind) for kind in KINDS for t in attacked])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
