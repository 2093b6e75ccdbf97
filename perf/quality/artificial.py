"""Sounds that say nothing: they must match nothing, not even another of the same kind.

SOUNDS: name → function(random) → samples of SECONDS. Each is made twice, by seeds of their own: as a
reference, and as an upload.
"""

import numpy as np

import attacks
from music import RATE

SECONDS = 60
TIMES = np.arange(SECONDS * RATE) / RATE


def tones(*hertz):
    return lambda random: sum(
        np.sin(2 * np.pi * f * TIMES + random.uniform(0, 6)) for f in hertz) / len(hertz)


def drone(hertz):
    """A held chord of many overtones, each swelling slowly by itself."""
    def made(random):
        parts = [np.sin(2 * np.pi * hertz * n * ratio * TIMES + random.uniform(0, 6)) / n *
                 (1 + 0.3 * np.sin(2 * np.pi * random.uniform(0.05, 0.2) * TIMES + random.uniform(0, 6)))
                 for n in range(1, 9) for ratio in (1, 1.5)]
        return sum(parts) / len(parts)
    return made


def metronome(beats_per_minute):
    """With a click of its own each time: one that sounds the same would be the same recording."""
    def made(random):
        samples = np.zeros(len(TIMES))
        click = (np.sin(2 * np.pi * random.uniform(600, 3000) * TIMES[:RATE // 20]) *
                 np.exp(-random.uniform(80, 200) * TIMES[:RATE // 20]))
        step = 60 / beats_per_minute * RATE
        for beat in np.arange(random.uniform(0, step), len(samples) - len(click), step):
            samples[int(beat):int(beat) + len(click)] += click
        return samples
    return made


SOUNDS = {
    "speech": None,  # what the attacks talk with
    "silence": lambda random: np.zeros(len(TIMES)),
    "hiss": lambda random: 1e-4 * random.standard_normal(len(TIMES)),
    "white_noise": lambda random: 0.2 * random.standard_normal(len(TIMES)),
    "pink_noise": lambda random: 2 * attacks.pink_noise(len(TIMES), random),
    "tone_440": tones(440),
    "tone_1000": tones(1000),
    "dial_tone": tones(350, 440),
    "hum": tones(50, 100, 150),
    "drone_55": drone(55),
    "drone_110": drone(110),
    **{f"metronome_{beats}": metronome(beats) for beats in (50, 60, 72, 90, 100, 120, 140, 177)},
}


def make(name, role, generator, speech):
    if name == "speech":
        return speech[:len(TIMES)]
    samples = np.asarray(SOUNDS[name](generator("artificial", name, role)), np.float32)
    return samples / max(1.0, float(np.abs(samples).max()))
