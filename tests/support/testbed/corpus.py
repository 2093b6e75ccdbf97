"""The real music that tests/support/fetch_corpus.sh fetched."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Track:
    path: Path
    family: str  # tracks of one family may share loops and stems
    seconds: float

    @property
    def name(self):
        return self.path.stem

    @property
    def title(self):
        """What `soundgate enroll` calls it."""
        return self.path.name


def tracks(corpus, *, families=None, seconds_min=0, seconds_max=float("inf")):
    """Those of the manifest, in its order."""
    found = []
    for line in (corpus / "manifest.tsv").read_text().splitlines():
        family, seconds, path = line.split("\t")
        track = Track(corpus / path, family, float(seconds))
        if (families is None or family in families) and seconds_min <= track.seconds <= seconds_max:
            found.append(track)
    return found
