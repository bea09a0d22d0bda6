"""Voices for the empty recordings of a miniature copy: short, synthetic, one a speaker."""

from __future__ import annotations

import io
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from scipy.signal import resample_poly

from speakergmm.audio.synthetic import SAMPLE_RATE, draw_voice, speak

if TYPE_CHECKING:
    from pathlib import Path

    from speakergmm.corpora import Utterance, Utterances

# What a speaker says in all; recordings are stretches of it.
WHOLE_S = 12.0
ALONE_S = 4.0

# Some 50 dB below the voice: no room is as quiet as zeros.
NOISE = 1e-3

# Of calls, whose other side is somebody else.
STRANGER = 1000


@cache
def _voice(number: int, rate: int):
    """All that a speaker says; (n_samples,)."""
    rng = np.random.default_rng(number)
    samples = speak(draw_voice(rng), WHOLE_S, rng)
    samples = resample_poly(samples, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else samples
    return samples + NOISE * rng.standard_normal(len(samples))


def _stretch(number: int, take: int, rate: int, seconds: float):
    """Give a stretch, which differs from those of the takes before."""
    n = int(rate * seconds)
    samples = _voice(number, rate)
    start = take * n % (len(samples) - n)
    return samples[start : start + n]


def _speaker(utterance: Utterance) -> str:
    """Tell who is heard: in spoofed speech it is the machine of the attack."""
    return utterance.session_id if utterance.condition == "spoof" else utterance.speaker_id


def give_voices(utterances: Utterances, copy: Path, rate: int, seconds: float) -> None:
    """Let every recording hold the voice of its speaker, in the format that its name says.

    Where utterances have channels the recordings are telephone calls: two sides, mu-law. Who is
    recorded once alone says more, as a cohort needs a model and a test of each.
    """
    speakers = Counter(map(_speaker, utterances.values()))
    numbers = {speaker: number for number, speaker in enumerate(sorted(speakers))}
    takes = dict.fromkeys(speakers, 0)
    for utterance in utterances.values():
        speaker = _speaker(utterance)
        length_s = seconds if speakers[speaker] > 1 else ALONE_S
        sides = [_stretch(numbers[speaker], takes[speaker], rate, length_s)]
        if utterance.channel is not None:
            other = _stretch(STRANGER + numbers[speaker], takes[speaker], rate, length_s)
            sides.insert(1 - utterance.channel, other)
        takes[speaker] += 1
        (copy / utterance.path).write_bytes(_encoded(utterance, np.stack(sides, axis=1), rate))


def _encoded(utterance: Utterance, samples, rate: int) -> bytes:
    """Encode samples (n_samples, n_channels) as the file's name says; TIMIT's .WAV is SPHERE."""
    suffix = utterance.path.suffix
    kind = "NIST" if suffix in (".sph", ".WAV") else suffix[1:].upper()
    coding = "ULAW" if utterance.channel is not None else None
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format=kind, subtype=coding)
    return content.getvalue()
