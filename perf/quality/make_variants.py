#!/usr/bin/env python3
"""Makes what the quality programs compare: fingerprints of real tracks and of altered copies.

usage: make_variants.py --corpus DIR --out DIR [--references 100] [--others 100] [--kinds K,K,…]

DIR is what tests/support/fetch_corpus.sh makes. Tracks of one family share loops and stems, so
whole families become either references or others. Places are random, but seeded by the track's
name: a run makes what the last one made, and skips what is there. Needs ffmpeg and fpcalc.

Writes OUT/items/<name>.txt (decimal items, comma-separated, as `fpcalc -raw -plain` prints them)
and OUT/manifest.tsv: role, kind, name, reference, reference start and end in seconds, upload start
and end in seconds ("-" where there is none).
"""
import argparse
import hashlib
import os
import pathlib
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

ITEM_SECONDS = 1365 / 11025
SILENCE_ITEM = "627964279"  # what Chromaprint says of digital silence

# kind: (seconds, filters, encoder options, container). Seconds 0: the whole track.
KINDS = {
    "mp3_128k": (60, None, ["-c:a", "libmp3lame", "-b:a", "128k"], "mp3"),
    "aac_128k": (60, None, ["-c:a", "aac", "-b:a", "128k"], "m4a"),
    "opus_24k": (60, None, ["-c:a", "libopus", "-b:a", "24k"], "opus"),
    "trim_15s": (15, None, ["-c:a", "pcm_s16le"], "wav"),
    "trim_15s_b": (15, None, ["-c:a", "pcm_s16le"], "wav"),
    "trim_30s": (30, None, ["-c:a", "pcm_s16le"], "wav"),
    "trim_15s_mp3_128k": (15, None, ["-c:a", "libmp3lame", "-b:a", "128k"], "mp3"),
    "trim_15s_opus_24k": (15, None, ["-c:a", "libopus", "-b:a", "24k"], "opus"),
    "mp3_32k_mono": (30, None, ["-ac", "1", "-c:a", "libmp3lame", "-b:a", "32k"], "mp3"),
    "equalised": (30, "bass=g=10,treble=g=-10", ["-c:a", "pcm_s16le"], "wav"),
    "reverb": (30, "aecho=0.8:0.8:40|90|150:0.5|0.4|0.3", ["-c:a", "pcm_s16le"], "wav"),
    "tempo_2": (30, "atempo=1.02", ["-c:a", "pcm_s16le"], "wav"),
    "tempo_5": (30, "atempo=1.05", ["-c:a", "pcm_s16le"], "wav"),
    "speed_1": (30, "asetrate={rate}*1.01,aresample={rate}", ["-c:a", "pcm_s16le"], "wav"),
    "speed_2": (30, "asetrate={rate}*1.02,aresample={rate}", ["-c:a", "pcm_s16le"], "wav"),
    "embedded": (20, None, ["-c:a", "pcm_s16le"], "wav"),
}
DEFAULT_KINDS = "mp3_128k,aac_128k,opus_24k,trim_15s,trim_30s"


def sample_rate(path):
    return subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", "stream=sample_rate",
         "-of", "csv=p=0", str(path)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout.strip().strip(",")


# Both games have "Through Space".
SAME_FAMILY = {"starfighter": "singularity"}


def tracks_by_family(corpus):
    """{family: [(path, seconds), …]}"""
    families = {}
    for line in (corpus / "manifest.tsv").read_text().splitlines():
        family, seconds, path = line.split("\t")
        families.setdefault(SAME_FAMILY.get(family, family), []).append((corpus / path, float(seconds)))
    return families


def split_families(families, reference_count, other_count):
    """References: the families that reach the count with the fewest tracks to spare."""
    subsets = {0: []}  # number of tracks: families that have as many together
    for family in sorted(families):
        for total, subset in list(subsets.items()):
            subsets.setdefault(total + len(families[family]), subset + [family])
    total = min((t for t in subsets if t >= reference_count), default=max(subsets))
    chosen = set(subsets[total])
    references = [t for f in sorted(families) if f in chosen for t in families[f]]
    others = [t for f in sorted(families) if f not in chosen for t in families[f]]
    return references[:reference_count], others[:other_count]


def name_of(path, corpus):
    return str(path.relative_to(corpus)).replace("/", "_").replace(" ", "_")


def write_items(source, target):
    out = subprocess.run(["fpcalc", "-raw", "-length", "0", "-plain", str(source)],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout.strip()
    if not out:
        sys.exit(f"make_variants: fpcalc printed no items for {source}")
    target.write_text(out + "\n")


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True,
                   stdin=subprocess.DEVNULL)


class Maker:
    def __init__(self, corpus, out):
        self.corpus, self.items = corpus, out / "items"
        self.items.mkdir(parents=True, exist_ok=True)
        self.out = out

    @staticmethod
    def row(role, kind, name, reference="-", times=()):
        cells = [f"{t:.3f}" for t in times] or ["-"] * 4
        return "\t".join([role, kind, name, reference, *cells])

    def whole(self, role, path):
        name = name_of(path, self.corpus)
        target = self.items / f"{name}.txt"
        if not target.exists():
            write_items(path, target)
        return self.row(role, "whole", name)

    def variant(self, path, seconds_total, kind, other):
        seconds, filters, encoder, container = KINDS[kind]
        base = name_of(path, self.corpus)
        chance = random.Random(hashlib.sha256(f"{base} {kind}".encode()).digest())
        seconds = min(seconds, seconds_total - 1)
        start = self.audible_start(base, seconds, seconds_total, chance)
        name = f"{base}.{kind}"
        target = self.items / f"{name}.txt"
        lead = chance.uniform(15, 25) if kind == "embedded" else 0.0
        if not target.exists():
            made = self.out / f"scratch-{os.getpid()}-{threading.get_ident()}.{container}"
            if kind == "embedded":
                self.embed(path, start, seconds, other, lead, made)
            else:
                filters = filters and filters.format(rate=sample_rate(path))
                ffmpeg("-ss", start, "-t", seconds, "-i", path, "-vn",
                       *(["-af", filters] if filters else []), *encoder, made)
            write_items(made, target)
            made.unlink()
        return self.row("upload", kind, name, base, (start, start + seconds, lead, lead + seconds))

    def audible_start(self, base, seconds, seconds_total, chance):
        """Silence is silence: a stretch of it cannot be told from another track's."""
        items = (self.items / f"{base}.txt").read_text().split(",")
        best = (1.0, 0.0)  # share of silence, start
        for _ in range(100):
            start = chance.uniform(0, seconds_total - seconds - 0.5)
            first, end = int(start / ITEM_SECONDS), int((start + seconds - 2.7) / ITEM_SECONDS)
            best = min(best, (items[first:end].count(SILENCE_ITEM) / (end - first), start))
            if best[0] < 0.3:
                break
        return best[1]

    @staticmethod
    def embed(path, start, seconds, other, lead, made):
        mono = "aformat=sample_fmts=s16:sample_rates=44100:channel_layouts=stereo"
        ffmpeg("-t", lead, "-i", other, "-ss", start, "-t", seconds, "-i", path, "-ss", 5, "-t", 15,
               "-i", other, "-filter_complex",
               f"[0:a]{mono}[a];[1:a]{mono}[b];[2:a]{mono}[c];[a][b][c]concat=n=3:v=0:a=1",
               "-c:a", "pcm_s16le", made)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--corpus", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--references", type=int, default=100)
    parser.add_argument("--others", type=int, default=100)
    parser.add_argument("--kinds", default=DEFAULT_KINDS)
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    if unknown := [k for k in kinds if k not in KINDS]:
        sys.exit(f"make_variants: unknown kind {unknown[0]}; there are {', '.join(KINDS)}")

    references, others = split_families(tracks_by_family(options.corpus), options.references,
                                        options.others)
    if not references or not others:
        sys.exit(f"make_variants: too few tracks in {options.corpus}")
    maker = Maker(options.corpus, options.out)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(lambda t: maker.whole("reference", t[0]), references))
        rows += pool.map(lambda t: maker.whole("other", t[0]), others)
        jobs = [(path, seconds, kind, others[index % len(others)][0]) for kind in kinds
                for index, (path, seconds) in enumerate(references)]
        rows += pool.map(lambda job: maker.variant(*job), jobs)
    (options.out / "manifest.tsv").write_text("\n".join(rows) + "\n")
    print(f"{len(references)} references, {len(others)} others, {len(kinds)} kinds")


if __name__ == "__main__":
    main()
