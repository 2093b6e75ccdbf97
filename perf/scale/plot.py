#!/usr/bin/python3
"""Makes a table and a plot of what index_scale measured.

usage: plot.py scale.jsonl     writes scale.md and scale.png beside it
Needs Debian's python3-matplotlib, and therefore Debian's python3.
"""
import json
import pathlib
import sys

import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the choice of a backend)

GIB = 1 << 30


def share(recall, what):
    """Of all uploads: those with the right candidate."""
    return sum(r[what] for r in recall.values()) / sum(r["uploads"] for r in recall.values())


def table(rows):
    head = ("references", "windows", "lists", "memory, bytes a reference", "add, ms a reference",
            "open, s", "search, ms a 214 s upload", "the same, mapped", "candidates found",
            "by exact search")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for r in rows:
        n = r["references"]
        lines.append("| " + " | ".join([
            f"{n:,}", f"{r['windows']:,}", f"{r['lists']:,}", f"{r['memory_bytes'] / n:,.0f}",
            f"{r['add_ms_per_reference']:.2f}", f"{r['open_cpu_s']:.3f}",
            f"{r['search']['median_ms']:.1f}", f"{r['file_search']['median_ms']:.1f}",
            f"{share(r['file_recall'], 'found'):.1%}", f"{share(r['file_recall'], 'exact'):.1%}",
        ]) + " |")
    kinds = sorted(rows[0]["file_recall"])
    lines += ["", "| attack, 30 s | exact | " + " | ".join(f"{r['references']:,}" for r in rows) +
              " |", "|" + "---|" * (len(rows) + 2)]
    for kind in kinds:
        of = rows[0]["file_recall"][kind]
        lines.append(f"| {kind} | {of['exact']} of {of['uploads']} | " + " | ".join(
            str(r["file_recall"][kind]["found"]) for r in rows) + " |")
    return "\n".join(lines) + "\n"


def plot(rows, path):
    sizes = [r["references"] for r in rows]
    panels = [
        ("memory, GiB", [("windows", [r["memory_bytes"] / GIB for r in rows])], True),
        ("search, ms of CPU a 214 s upload",
         [("in memory", [r["search"]["median_ms"] for r in rows]),
          ("mapped file", [r["file_search"]["median_ms"] for r in rows])], True),
        ("add, ms a reference", [("", [r["add_ms_per_reference"] for r in rows])], False),
        ("open, s", [("", [r["open_cpu_s"] for r in rows])], True),
        ("attacked uploads with the right candidate",
         [("exact", [share(r["file_recall"], "exact") for r in rows]),
          ("index", [share(r["file_recall"], "found") for r in rows])], False),
        ("window hits of the right place, of those of exact search",
         [(kind, [r["file_recall"][kind]["found_hits"] /
                  max(1, r["file_recall"][kind]["exact_hits"]) for r in rows])
          for kind in sorted(rows[0]["file_recall"])], False),
    ]
    figure, axes = pyplot.subplots(2, 3, figsize=(16, 9))
    for axis, (title, lines, logarithmic) in zip(axes.flat, panels):
        axis.set_prop_cycle(color=pyplot.get_cmap("tab20" if len(lines) > 10 else "tab10").colors)
        for label, values in lines:
            axis.plot(sizes, values, marker="o", label=label)
        axis.set_xscale("log")
        if logarithmic:
            axis.set_yscale("log")
        axis.set_xlabel("references of 214 s")
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=.3)
        if len(lines) > 1:
            axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    source = pathlib.Path(sys.argv[1])
    rows = [json.loads(line) for line in source.read_text().splitlines() if line]
    source.with_suffix(".md").write_text(table(rows))
    plot(rows, source.with_suffix(".png"))
    print(table(rows), end="")


if __name__ == "__main__":
    main()
