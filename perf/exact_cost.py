#!/usr/bin/env python3
"""What an upload costs whose bytes are known, or the packets in it, against decoding it, on real
music in each format.

  perf/exact_cost.py

Runs perf/micro/fingerprint/exact_cost.cc, which says what is measured, on the files of
scan_cost.py and a WAV, and on copies of them that were tagged and wrapped anew; exits 1 where one
is over its limit. Needs the corpus and a release build.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from scan_cost import make_files

from testbed import bed, corpus
from testbed.audio import Workshop

TAGS = ("-metadata", "title=Another", "-metadata", "artist=Somebody else", "-metadata", "comment=x")
COVER_BYTES = 300_000

# How the same packets are put into another file, by what the original is called.
COPIES = {
    ".m4a": (("-movflags", "+faststart"), ".m4a"),  # index first, where the original has it last
    ".flac": ((), ".flac"),
    ".opus": ((), ".opus"),
    ".ogg": (("-page_duration", "100000"), ".ogg"),
    ".wav": ((), ".wav"),
}


def id3_tag(content_bytes):
    """Of ID3v2.3, with a picture of so many bytes."""
    picture = b"\0image/jpeg\0\3\0" + b"\x55" * content_bytes
    frames = b"APIC" + len(picture).to_bytes(4, "big") + b"\0\0" + picture
    size = bytes(len(frames) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + frames


def copy_of(original, folder):
    """The same packets in another file; tagged by hand where ffmpeg would write other headers."""
    if original.suffix in (".mp3", ".aac"):
        copy = folder / f"copy-{original.name}"
        copy.write_bytes(id3_tag(COVER_BYTES) + original.read_bytes())
        return copy
    arguments, suffix = COPIES[original.suffix]
    copy = folder / f"copy-{original.stem}{suffix}"
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", original, "-map", "0:a:0", "-c",
                    "copy", *TAGS, *arguments, copy], check=True)
    return copy


def main():
    workshop = Workshop(bed.DERIVED)
    track = corpus.tracks(bed.CORPUS, families=("singularity",), seconds_min=200)[0]
    files = [*make_files(workshop), workshop.encode(track, "wav")]
    program = bed.BUILD / "perf/micro/fingerprint/micro_exact"
    with tempfile.TemporaryDirectory() as folder:
        copies = [f"{file}={copy_of(Path(file), Path(folder))}" for file in files]
        return subprocess.run([program, "--check", *files, *copies], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
