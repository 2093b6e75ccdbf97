"""Makes uploads of every kind from real tracks, with ffmpeg, into a folder that serves as a cache."""

import random

from .process import run

# Extension and encoder; of the ways to encode, the quick ones, which sound no better.
CODECS = {
    "mp3 128k": ("mp3", "-c:a", "libmp3lame", "-b:a", "128k", "-compression_level", "7"),
    "aac 128k": ("aac", "-c:a", "aac", "-aac_coder", "fast", "-b:a", "128k"),  # ADTS
    "m4a 128k": ("m4a", "-c:a", "aac", "-aac_coder", "fast", "-b:a", "128k"),  # index comes last
    "opus 24k": ("opus", "-c:a", "libopus", "-b:a", "24k", "-compression_level", "4"),
    "flac": ("flac", "-c:a", "flac"),
    "wav": ("wav", "-c:a", "pcm_s16le"),
    "vorbis": ("ogg", "-c:a", "libvorbis", "-q:a", "4"),
}

EMBEDDED_AFTER_SECONDS = 30  # of the other track


class Workshop:
    """Thread: any, where no two make the same file."""

    def __init__(self, folder):
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def encode(self, track, codec, start=None, seconds=None):
        """The track, or a part of it, in one of CODECS."""
        return self.encode_all(track, [codec], start, seconds)[0]

    def encode_all(self, track, codecs, start=None, seconds=None):
        """The same in several of them: it is decoded once."""
        cut = []
        if start is not None:
            cut += ["-ss", start]
        if seconds is not None:
            cut += ["-t", seconds]
        paths, outputs = [], []
        for codec in codecs:
            extension, *encoder = CODECS[codec]
            stem = "-".join([track.name, codec.replace(" ", ""), *(str(word) for word in cut[1::2])])
            paths.append(self._folder / f"{track.family}-{stem}.{extension}")
            if not paths[-1].exists():
                outputs.append((paths[-1], encoder))
        if outputs:
            arguments = [word for path, encoder in outputs
                         for word in ("-map", "0:a:0", *encoder, _partial(path))]
            _ffmpeg(*cut, "-i", track.path, *arguments)
            for path, _ in outputs:
                _partial(path).rename(path)
        return paths

    def encode_over_and_over(self, track, codec, seconds):
        """The track again and again, for so many seconds."""
        extension, *encoder = CODECS[codec]
        return self._make(
            f"{track.name}-{codec.replace(' ', '')}-for-{seconds}.{extension}",
            lambda path: _ffmpeg("-stream_loop", -1, "-i", track.path, "-map", "0:a:0",
                                 "-t", seconds, *encoder, path))

    def embed(self, inner, start, seconds, outer, codec="mp3 128k"):
        """A part of one track between two parts of another, which goes on where it was left."""
        extension, *encoder = CODECS[codec]
        lead = EMBEDDED_AFTER_SECONDS
        graph = (f"[0:a]atrim=0:{lead},{_SAME_FORMAT}[a];"
                 f"[1:a]atrim={start}:{start + seconds},{_SAME_FORMAT}[b];"
                 f"[0:a]atrim={lead}:{2 * lead},{_SAME_FORMAT}[c];"
                 "[a][b][c]concat=n=3:v=0:a=1")
        return self._make(
            f"{outer.name}-around-{inner.name}-{start}-{seconds}.{extension}",
            lambda path: _ffmpeg("-i", outer.path, "-i", inner.path, "-filter_complex", graph,
                                 *encoder, path))

    def corrupt(self, track):
        """The track with everything behind its first headers overwritten by noise."""
        intact = 6000

        def write(path):
            content = track.path.read_bytes()
            noise = random.Random(track.name).randbytes(len(content) - intact)
            path.write_bytes(content[:intact] + noise)
        return self._make(f"{track.name}-corrupt{track.path.suffix}", write)

    def text(self, bytes_count=400_000):
        """Not audio."""
        line = b"The quick brown fox jumps over the lazy dog. 0123456789\n"

        def write(path):
            path.write_bytes((line * (bytes_count // len(line) + 1))[:bytes_count])
        return self._make("prose.txt", write)

    def _make(self, name, write):
        path = self._folder / name
        if not path.exists():
            write(_partial(path))
            _partial(path).rename(path)
        return path


def _partial(path):
    return path.with_name("partial-" + path.name)


_SAME_FORMAT = ("asetpts=PTS-STARTPTS,aresample=44100,"
                "aformat=sample_fmts=fltp:channel_layouts=stereo")


def audible_start(track, start, seconds):
    """The first start, from this one on and then around, where the track is not silent for a
    second anywhere in so many seconds: silence cannot be recognised. None where there is none."""
    latest = track.seconds - seconds
    step = 2.5
    starts = [start + number * step for number in range(int(latest / step) + 1)]
    for candidate in (at if at <= latest else at % latest for at in starts):
        if not _has_silence(track.path, candidate, seconds):
            return candidate
    return None


def _has_silence(path, start, seconds):
    heard = run("ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-ss", start, "-t", seconds,
                "-i", path, "-vn", "-af", "silencedetect=noise=-50dB:duration=1",
                "-f", "null", "-").stderr
    return "silence_start" in heard


def _ffmpeg(*arguments):
    run("ffmpeg", "-nostdin", "-y", "-loglevel", "error", "-threads", "1", *arguments)
