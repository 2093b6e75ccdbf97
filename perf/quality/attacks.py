"""What is done to music to hide it: each attack makes an upload of a stretch of one track.

An attack is either a change of samples (mono, music.RATE), or an ffmpeg filter and encoder that are
given the track as it came. Names carry what the report says of them; ROWS gathers them as the
report's table does, with the share that has to be found.
"""

from dataclasses import dataclass, field

import numpy as np

from music import RATE

SECONDS = 30  # of an excerpt, unless its name says otherwise


@dataclass(frozen=True)
class Encoded:
    """By ffmpeg, from the track's own samples."""
    extension: str
    encoder: tuple
    filters: str = "anull"


@dataclass(frozen=True)
class Changed:
    """By us: change(samples, context) → samples, or (samples, sample rate)."""
    change: object


@dataclass
class Context:
    """What a change may use besides the excerpt."""
    random: np.random.Generator
    speech: np.ndarray
    other: np.ndarray  # a track of another family
    notes: dict = field(default_factory=dict)


WAV = ("wav", ("-c:a", "pcm_s16le"))
CODECS = {
    "mp3_32k": Encoded("mp3", ("-ac", "1", "-c:a", "libmp3lame", "-b:a", "32k")),
    "mp3_128k": Encoded("mp3", ("-c:a", "libmp3lame", "-b:a", "128k")),
    "mp3_320k": Encoded("mp3", ("-c:a", "libmp3lame", "-b:a", "320k")),
    "aac_48k": Encoded("m4a", ("-ac", "1", "-c:a", "aac", "-b:a", "48k")),
    "opus_16k": Encoded("opus", ("-ac", "1", "-c:a", "libopus", "-b:a", "16k")),
    "vorbis": Encoded("ogg", ("-c:a", "libvorbis", "-q:a", "2")),
}
VOLUME = {
    "trim": Changed(lambda samples, _: samples),
    "volume_-18dB": Changed(lambda samples, _: samples * 10 ** (-18 / 20)),
    "volume_+6dB": Changed(lambda samples, _: samples * 2),  # clips
}


def filtered(filters):
    return Encoded(*WAV, filters)


def loudness(samples):
    return np.sqrt(np.mean(samples ** 2)) + 1e-9


def mixed(samples, noise, signal_to_noise_db):
    noise = noise[:len(samples)] * loudness(samples) / loudness(noise[:len(samples)])
    both = samples + noise * 10 ** (-signal_to_noise_db / 20)
    return both / max(1.0, np.abs(both).max())


def pink_noise(count, random):
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    return np.fft.irfft(spectrum, count)


def with_noise(decibels):
    return Changed(lambda samples, context: mixed(
        samples, pink_noise(len(samples), context.random), decibels))


def stretch_of(samples, count, random):
    start = int(random.integers(0, max(1, len(samples) - count)))
    return np.resize(samples[start:start + count], count)


def with_speech(decibels):
    return Changed(lambda samples, context: mixed(
        samples, stretch_of(context.speech, len(samples), context.random), decibels))


def with_music(decibels):
    return Changed(lambda samples, context: mixed(
        samples, stretch_of(context.other, len(samples), context.random), decibels))


def speed(factor):
    """Played faster: pitch and tempo go up together."""
    return Changed(lambda samples, _: (samples, round(RATE * factor)))


def tempo(factor):
    return filtered(f"rubberband=tempo={factor}")


def pitch(semitones):
    return filtered(f"rubberband=pitch={2 ** (semitones / 12)}")


def inverted(samples, _):
    """One channel turned upside down, and a little of what stereo is left: a mix is near silence."""
    return np.stack([samples, -0.98 * samples], axis=1)


SPECTRAL = {
    "eq_bass": filtered("bass=g=10,treble=g=-10,volume=-6dB"),
    "eq_treble": filtered("bass=g=-10,treble=g=10,volume=-6dB"),
    "compression": filtered("acompressor=threshold=0.03:ratio=20:attack=1:release=50:makeup=8,"
                            "alimiter=limit=0.7"),
    "reverb": filtered("aecho=0.8:0.8:40|90|150:0.5|0.4|0.3"),
    "phone_band": filtered("highpass=f=300,highpass=f=300,lowpass=f=3400,lowpass=f=3400"),
    "inverted_channel": Changed(inverted),
}

ATTACKS = {
    **CODECS, **VOLUME, **SPECTRAL,
    "noise_10dB": with_noise(10), "noise_5dB": with_noise(5), "noise_0dB": with_noise(0),
    "speech_0dB": with_speech(0),
    "music_6dB": with_music(6), "music_0dB": with_music(0),
    **{f"tempo_{percent:+d}%": tempo(1 + percent / 100) for percent in (-20, -10, -5, 5, 10, 20)},
    **{f"speed_{percent:+d}%": speed(1 + percent / 100)
       for percent in (-20, -6, -4, -2, -1, 1, 2, 4, 6, 25)},
    **{f"pitch_{semitones:+d}": pitch(semitones) for semitones in (-2, -1, 1, 2)},
}
SHORT_SECONDS = (10, 5)
SHORT = (*CODECS, *VOLUME)  # also as excerpts of these lengths: "mp3_32k_5s"

EMBEDDED_SECONDS, EMBEDDED_UPLOAD_SECONDS = 15, 600
MEDLEY_PARTS, MEDLEY_SECONDS = 10, 20


def named(names, suffix=""):
    return tuple(name + suffix for name in names)


# Title, attacks, least share found, bank's probes.
ROWS = (
    ("codecs, volume, trim: 30 s", named(SHORT), .995, "off"),
    ("codecs, volume, trim: 10 s", named(SHORT, "_10s"), .995, "off"),
    ("codecs, volume, trim: 5 s", named(SHORT, "_5s"), .92, "off"),
    *((name.replace("_", " "), (name,), .98, "off") for name in SPECTRAL),
    ("pink noise at 10 dB", ("noise_10dB",), .99, "off"),
    ("pink noise at 5 dB", ("noise_5dB",), .97, "off"),
    ("pink noise at 0 dB", ("noise_0dB",), .92, "off"),
    ("speech over it at 0 dB", ("speech_0dB",), .92, "off"),
    ("other music over it, 6 dB below", ("music_6dB",), .95, "off"),
    ("other music over it, equally loud", ("music_0dB",), .60, "off"),
    ("tempo ±5 %", ("tempo_-5%", "tempo_+5%"), .99, "off"),
    ("tempo ±10 %", ("tempo_-10%", "tempo_+10%"), .95, "off"),
    ("tempo ±20 %", ("tempo_-20%", "tempo_+20%"), .60, "off"),
    ("speed ±1 %", ("speed_-1%", "speed_+1%"), .99, "off"),
    ("speed ±2 %", ("speed_-2%", "speed_+2%"), .97, "near"),
    ("speed ±4 %", ("speed_-4%", "speed_+4%"), .97, "near"),
    ("speed ±6 %", ("speed_-6%", "speed_+6%"), .97, "near"),
    ("speed −20 %, +25 %", ("speed_-20%", "speed_+25%"), .92, "wide"),
    ("pitch ±1 semitone", ("pitch_-1", "pitch_+1"), .92, "near"),
    ("pitch ±2 semitones", ("pitch_-2", "pitch_+2"), .92, "wide"),
    ("15 s inside 10 minutes of other music", ("embedded",), .98, "off"),
    ("medley of 10 parts of 20 s", ("medley",), .97, "off"),
)

# Uploads of these kinds are probed; so are impostors.
PROBED = frozenset(name for _, names, _, probes in ROWS if probes != "off" for name in names)
