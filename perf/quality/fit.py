#!/usr/bin/python3
"""Fits how often unrelated music reaches a strength, and shows it beside what copies reach.

usage: fit.py DIR

Reads DIR/manifest.jsonl and what quality_calibrate wrote of it, DIR/impostor.tsv and DIR/upload.tsv.
Of an impostor and a family of references only the strongest stretch counts: what one piece of music
has in common with another, it has with all that is cut of that. Prints, for each band and either
tempo, the tails above several starts, and the thresholds of 1e-6 false matches an upload that
follow; those in index/align/threshold.cc are chosen of them. Draws strengths.png.
"""

import json
import math
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

import music  # noqa: E402

# Tails by (tempo, band), as quality_calibrate writes them.
TEMPOS = {"0": "same tempo", "1": "other tempo"}
JOINT = "all"
BANDS = {"0": "all of it", "1": "bass", "2": "treble", JOINT: "all bands together"}
TAILS = {(tempo, band): f"{BANDS[band]}, {TEMPOS[tempo]}" for band in BANDS for tempo in TEMPOS}
ITEM_SECONDS = 1365 / 11025
SAME_SPEED = 0.02  # what an "other" tempo may be off 1 and still be the same


def stretches(path):
    with path.open() as file:
        for line in file:
            (kind, upload, seconds, reference, relation, _, _, _, score, _, strength, speed,
             tempo, band, joint) = line.rstrip("\n").split("\t")
            yield (kind, upload, float(seconds), reference, relation, float(score), float(strength),
                   float(speed), (tempo, band))
            yield (kind, upload, float(seconds), reference, relation, float(score), float(joint),
                   float(speed), (tempo, JOINT))


def impostor_tails(folder, families):
    """{tail: strengths, falling}, and seconds of the impostors."""
    best, seconds = {tail: defaultdict(float) for tail in TAILS}, {}
    for (kind, upload, length, reference, relation, _, strength, speed,
         tail) in stretches(folder / "impostor.tsv"):
        if kind == "artificial" or reference.startswith("artificial-"):
            continue  # no music, and no sample of what is uploaded
        seconds[upload] = length
        if relation != "other" or (tail[0] == "1" and abs(speed - 1) <= SAME_SPEED):
            continue
        pair = upload, families[reference]
        best[tail][pair] = max(best[tail][pair], strength)
    return ({tail: sorted(found.values(), reverse=True) for tail, found in best.items()},
            sum(seconds.values()))


def copies(folder):
    """The strongest of each upload with what it was made of, whatever its tempo."""
    best = defaultdict(float)
    for _, upload, _, _, relation, _, strength, _, _ in stretches(folder / "upload.tsv"):
        if relation == "made_of":
            best[upload] = max(best[upload], strength)
    return sorted(best.values(), reverse=True)


def fit(strengths, count, pair_seconds):
    """An exponential tail above the strength that so many reach: rate, start, scale."""
    start = strengths[count]
    scale = sum(strength - start for strength in strengths[:count]) / count
    return count / pair_seconds, start, scale


def threshold(tail, reference_seconds, upload_seconds, bearable=0.5e-6):
    rate, start, scale = tail
    return start + scale * max(0, math.log(rate * reference_seconds * upload_seconds / bearable))


def main():
    folder = Path(sys.argv[1])
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").open()]
    references = [row for row in rows if row["role"] in ("reference", "distractor")]
    families = {row["name"]: row["family"] for row in references}
    reference_seconds = ITEM_SECONDS * sum(
        (folder / "items" / f"{row['name']}.u32").stat().st_size // (4 * music.BANDS) for row in references)
    tails, upload_seconds = impostor_tails(folder, families)
    pair_seconds = reference_seconds * upload_seconds
    figure, axes = pyplot.subplots(figsize=(9, 6), layout="constrained")
    print("band, tempo, above, start, scale, rate per s and s; threshold here of 30 s, of 214 s at 1M")
    for name, strengths in ((TAILS[key], found) for key, found in tails.items()):
        for count in (400, 200, 100, 50):
            if count >= len(strengths):
                continue
            tail = fit(strengths, count, pair_seconds)
            print(f"{name}, {count}, {tail[1]:.3f}, {tail[2]:.4f}, {tail[0]:.2e}; "
                  f"{threshold(tail, reference_seconds, 28):.2f}, "
                  f"{threshold(tail, 214e6, 214):.2f}")
        axes.step(strengths, [(n + 1) / pair_seconds for n in range(len(strengths))],
                  label=f"impostors, {name}")
    axes.set_yscale("log")
    axes.set_ylabel("unrelated stretches per second of upload and second of reference")
    axes.set_xlabel("strength")
    found = copies(folder)
    other = axes.twinx()
    other.plot(found, [(n + 1) / len(found) for n in range(len(found))], color="black",
               label="copies, as strong or stronger")
    other.set_ylim(0, 1)
    other.set_ylabel("share of copies")
    figure.legend(loc="upper right", bbox_to_anchor=(0.9, 0.95), frameon=False)
    figure.savefig(folder / "strengths.png", dpi=110)


if __name__ == "__main__":
    main()
