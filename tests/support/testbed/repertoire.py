"""The uploads that the demo and the tests send: clean ones, and references in every disguise."""

from concurrent.futures import ThreadPoolExecutor

from .audio import EMBEDDED_AFTER_SECONDS, audible_start
from .uploads import BLOCK, PASS, UNCHECKED, Case


EDGE_SECONDS = 1.5  # a segment may reach so far beyond a cut


def exact_copy(workshop, track, outer):
    return Case(f"exact copy of {track.name}", track.path, BLOCK, track.title,
                reference_ahead_seconds=0)


def encoded(codec):
    def make(workshop, track, outer):
        path = workshop.encode(track, codec)
        return Case(f"{track.name} as {codec}", path, BLOCK, track.title,
                    reference_ahead_seconds=0)
    return make


def trim(codec, start, seconds):
    def make(workshop, track, outer):
        # Not on the grid of the reference's items.
        heard_from = audible_start(track, start + 0.0617, seconds)
        path = workshop.encode(track, codec, heard_from, seconds)
        return Case(f"{seconds} s of {track.name} from {heard_from:.0f} s, {codec}", path, BLOCK,
                    track.title, matched_seconds_min=0.6 * seconds,
                    matched_seconds_max=seconds + EDGE_SECONDS,
                    reference_ahead_seconds=heard_from)
    return make


def embedded(start, seconds):
    def make(workshop, track, outer):
        heard_from = audible_start(track, start, seconds)
        path = workshop.embed(track, heard_from, seconds, outer)
        return Case(f"{seconds} s of {track.name} inside {outer.name}", path, BLOCK,
                    track.title, matched_seconds_min=0.6 * seconds,
                    matched_seconds_max=seconds + 2 * EDGE_SECONDS,
                    reference_ahead_seconds=heard_from - EMBEDDED_AFTER_SECONDS)
    return make


# Needs references of 50 s or more. Neighbours in this list are as unlike as can be, since a
# reference is given a few that stand together.
DISGUISES = (
    exact_copy,
    encoded("opus 24k"),
    trim("mp3 128k", 20, 25),
    encoded("mp3 128k"),
    embedded(15, 25),
    encoded("aac 128k"),
    trim("opus 24k", 25, 20),
    encoded("m4a 128k"),
    encoded("flac"),
)


def disguised(workshop, references, others, per_reference):
    """Each reference in per_reference disguises, which take turns; others hold the embedded."""
    jobs = [(DISGUISES[(number * per_reference + turn) % len(DISGUISES)],
             track, others[number % len(others)])
            for number, track in enumerate(references) for turn in range(per_reference)]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda job: job[0](workshop, *job[1:]), jobs))


def clean(tracks):
    for track in tracks:
        yield Case(f"clean: {track.name}", track.path, PASS)


def unreadable(workshop, track):
    yield Case(f"corrupt: {track.name}", workshop.corrupt(track), UNCHECKED,
               reasons=("undecodable", "damaged", "truncated"))
    yield Case("not audio: a text file", workshop.text(), UNCHECKED, reasons=("not_audio",))
