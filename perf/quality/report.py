#!/usr/bin/python3
"""Says what quality_match's results are worth: a table (Markdown, JSON) and plots (PNG).

usage: report.py DIR

Reads DIR/manifest.jsonl and DIR/METHOD.jsonl of each method. An upload's part is found when a match
names its reference and, where the method says where, lies on the part. A false match is one with
a reference of another family: of an impostor, or of an upload that nothing else was mixed into.
AcoustID's scores are taken from the least threshold that lets none of them through. Ends with 1 where
Soundgate has a false match.
"""

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

import music  # noqa: E402
from attacks import ROWS  # noqa: E402

METHODS = {"soundgate": "Soundgate", "soundgate-near": "Soundgate, near",
           "soundgate-wide": "Soundgate, wide", "acoustid": "AcoustID",
           "acoustid-whole": "AcoustID, whole"}
MIXED = ("embedded", "medley", "music_")  # hold other families' music, by design
WITH_PROBES = {"near": "soundgate-near", "wide": "soundgate-wide"}  # matched only what has probes


def lines(path):
    with path.open() as file:
        return [json.loads(line) for line in file]


class Results:
    """Of one method."""

    def __init__(self, uploads, found):
        self._found = {line["name"]: line for line in found}
        self._uploads = {name: upload for name, upload in uploads.items() if name in self._found}

    def matches(self, name):
        return self._found[name]["matches"]

    def false_matches(self, families):
        """(upload, match), best score first; of impostors, and of attacks that mix nothing in."""
        wrong = [(upload["name"], match)
                 for upload in self._uploads.values() if not upload["kind"].startswith(MIXED)
                 for match in self.matches(upload["name"])
                 if families[match["reference"]] != upload["family"]]
        return sorted(wrong, key=lambda pair: -pair[1]["score"])

    def keep_scores_above(self, threshold):
        for line in self._found.values():
            line["matches"] = [match for match in line["matches"] if match["score"] > threshold]

    def recall(self):
        """{kind: (parts found, parts)}"""
        counts = defaultdict(lambda: [0, 0])
        for upload in self._uploads.values():
            for part in upload["parts"]:
                counts[upload["kind"]][0] += self._segment(upload["name"], part) is not None
                counts[upload["kind"]][1] += 1
        return counts

    def _segment(self, name, part):
        """The one on the part; {} where the method does not say where."""
        for match in self.matches(name):
            if match["reference"] != part["reference"]:
                continue
            for segment in match.get("segments", [{}]):
                if not segment or is_on(segment, part):
                    return segment
        return None

    def boundary_errors(self, kinds):
        """Seconds, of the starts and ends that were found."""
        errors = []
        for upload in self._uploads.values():
            if upload["kind"] not in kinds:
                continue
            for part in upload["parts"]:
                if segment := self._segment(upload["name"], part):
                    errors += [abs(segment[side] - part[side])
                               for side in ("upload_start", "upload_end")]
        return errors

    def cpu_ms_per_minute(self, item_count):
        cpu = sum(line["cpu_seconds"] for line in self._found.values())
        seconds = sum(item_count(name) for name in self._found) * 1365 / 11025
        return 1000 * cpu / (seconds / 60)


    def impostor_count(self):
        return sum(upload["role"] == "impostor" for upload in self._uploads.values())


def is_on(segment, part):
    """Whether most of the segment is. Which of a reference's repeats it names does not matter."""
    shared = (min(segment["upload_end"], part["upload_end"])
              - max(segment["upload_start"], part["upload_start"]))
    return 2 * shared > segment["upload_end"] - segment["upload_start"]


def share(counts, kinds):
    found, total = (sum(counts[kind][side] for kind in kinds if kind in counts) for side in (0, 1))
    return found / total if total else None


def percent(value):
    return "–" if value is None else f"{100 * value:.1f}"


def shares(recalls, row):
    """Of one row of the table, {method: share}: Soundgate's with the probes that the row is about."""
    _, kinds, _, probes = row
    return {method: share(recalls.get(WITH_PROBES.get(probes), counts)
                          if method == "soundgate" else counts, kinds)
            for method, counts in recalls.items() if method not in WITH_PROBES.values()}


def table(recalls):
    shown = [METHODS[method] for method in recalls if method not in WITH_PROBES.values()]
    head = ["attack", "at least", *shown]
    rows = [head, ["---"] * len(head)]
    for row in ROWS:
        title, _, least, probes = row
        cells = [percent(value) for value in shares(recalls, row).values()]
        title += "" if probes == "off" else f" (`{probes}`)"
        rows.append([title, percent(least), *cells])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def summary(method, results, wrong, threshold, folder):
    errors = results.boundary_errors(("embedded", "medley"))
    words = [f"{METHODS[method]}: {len({name for name, _ in wrong})} of "
             f"{results.impostor_count()} impostors, and of attacked uploads, match what they are "
             "not made of"]
    if threshold is not None:
        words = [f"{METHODS[method]}: its threshold is {threshold:.3f}, the best score of what is "
                 "not a copy"]
    if errors:
        words.append(f"boundaries of embedded parts off by {statistics.median(errors):.2f} s "
                     f"(95 %: {sorted(errors)[int(.95 * (len(errors) - 1))]:.2f} s)")
    cpu = results.cpu_ms_per_minute(
        lambda name: (folder / "items" / f"{name}.u32").stat().st_size // (4 * music.BANDS))
    words.append(f"{cpu:.2f} ms of CPU a minute of upload")
    return "; ".join(words) + "."


def plot_recall(path, recalls):
    titles = [row[0] for row in ROWS]
    figure, axes = pyplot.subplots(figsize=(10, 9), layout="constrained")
    methods = [method for method in recalls if method not in WITH_PROBES.values()]
    height = 0.8 / len(methods)
    for number, method in enumerate(methods):
        values = [100 * (shares(recalls, row)[method] or 0) for row in ROWS]
        axes.barh([place + number * height for place in range(len(ROWS))], values, height,
                  label=METHODS[method])
    for place, row in enumerate(ROWS):
        axes.plot([100 * row[2]] * 2, [place - height / 2, place + 0.8 - height / 2], color="black",
                  label="wanted" if place == 0 else None)
    axes.set_yticks([place + 0.3 for place in range(len(ROWS))], titles)
    axes.invert_yaxis()
    axes.set_xlim(0, 101)
    axes.set_xlabel("found, %")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.06), ncols=4, frameon=False)
    figure.savefig(path, dpi=110)


def plot_scores(path, results, uploads):
    """Of the references that uploads were made of, over how much of the upload matched."""
    figure, axes = pyplot.subplots(figsize=(9, 6), layout="constrained")
    right = [(segment["upload_end"] - segment["upload_start"], match["score"])
             for upload in uploads.values() for match in results.matches(upload["name"])
             if match["reference"] in {part["reference"] for part in upload["parts"]}
             for segment in match["segments"][:1]]
    axes.scatter(*zip(*right), s=3, alpha=0.3, label="the right reference")
    axes.set_xlabel("seconds matched")
    axes.set_ylabel("score of the best segment")
    axes.legend()
    figure.savefig(path, dpi=110)


def main():
    folder = Path(sys.argv[1])
    rows = lines(folder / "manifest.jsonl")
    references = [row for row in rows if row["role"] in ("reference", "distractor")]
    families = {row["name"]: row["family"] for row in references}
    uploads = {row["name"]: row for row in rows if row["role"] in ("impostor", "upload")}
    recalls, summaries, wrongs = {}, [], {}
    for method in METHODS:
        if not (folder / f"{method}.jsonl").exists():
            continue
        results = Results(uploads, lines(folder / f"{method}.jsonl"))
        wrong = results.false_matches(families)
        wrongs[method] = len(wrong)
        if method.startswith("soundgate"):
            for name, match in wrong:
                print(f"FALSE MATCH {name}: {match['reference']}, score {match['score']:.3f} of "
                      f"{match['threshold']:.3f} ({METHODS[method]})", file=sys.stderr)
            if method == "soundgate":
                plot_scores(folder / "scores.png", results, uploads)
        threshold = None
        if not method.startswith("soundgate"):
            threshold = wrong[0][1]["score"] if wrong else 0
            results.keep_scores_above(threshold)
        recalls[method] = results.recall()
        summaries.append(summary(method, results, wrong, threshold, folder))
    tracks = sum(row["role"] == "reference" for row in references)
    text = (f"{len(references)} references, {tracks} of them tracks."
            f"\n\n{table(recalls)}\n\n" + "\n".join(f"- {line}" for line in summaries) + "\n")
    (folder / "report.md").write_text(text)
    (folder / "report.json").write_text(json.dumps({
        row[0]: shares(recalls, row) for row in ROWS}, indent=1))
    plot_recall(folder / "recall.png", recalls)
    print(text)
    if any(method.startswith("soundgate") and false_count for method, false_count in wrongs.items()):
        sys.exit("quality: there are false matches")


if __name__ == "__main__":
    main()
