"""Explanations to be looked at: a synthetic voice, and evidence drawn at random."""

from __future__ import annotations

import numpy as np
from report_cases import HOSTILE, LONG

from speakergmm.audio.synthetic import draw_voice, speak
from speakergmm.verification.explanation_values import (
    ComponentEvidence,
    Explanation,
    SecondLeftOut,
    Stretch,
)

SAMPLE_RATE = 16_000
HOP_S = 0.01
SMOOTH_S = 0.25


def smooth(values, width):
    kernel = np.ones(min(width, len(values)))
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def make_samples(seconds, seed=5):
    """Speech with pauses: two thirds of every three seconds."""
    rng = np.random.default_rng(seed)
    samples = speak(draw_voice(rng), seconds, rng)
    place = np.arange(len(samples)) / SAMPLE_RATE
    samples[(place % 3 > 1.6) & (place % 3 < 2.3)] *= 0.02
    return samples + rng.normal(0, 0.002, len(samples)).astype(np.float32)


def make_times(seconds):
    times = (np.arange(max(1, round(seconds / HOP_S) - 2)) + 1.25) * HOP_S
    kept = (times % 3 <= 1.6) | (times % 3 >= 2.3)
    return times[kept] if kept.any() else times


def make_stretches(times, evidence, curve):
    """Cut where the curve changes its sign, or speech has a gap."""
    cuts = np.flatnonzero((np.diff(np.sign(curve)) != 0) | (np.diff(times) > 1.5 * HOP_S)) + 1
    parts = np.split(np.arange(len(times)), cuts)
    found = [
        Stretch(
            float(times[part[0]] - HOP_S / 2),
            float(times[part[-1]] + HOP_S / 2),
            float(evidence[part].sum() / len(times)),
        )
        for part in parts
    ]
    return tuple(sorted(found, key=lambda stretch: -abs(stretch.share)))


def make_seconds(times, evidence, threshold):
    place = np.floor(times).astype(int)
    total, found = evidence.sum(), []
    sums, counts = np.bincount(place, evidence), np.bincount(place)
    for second in np.flatnonzero(counts):
        if counts[second] < len(times):
            without = float((total - sums[second]) / (len(times) - counts[second]))
            found.append(
                SecondLeftOut(
                    float(second), float(second + 1), without, without >= threshold,
                    int(counts[second]),
                )
            )  # fmt: skip
    return tuple(found)


def make_components(answer, n, rng, *, envelopes=True):
    frequencies = np.linspace(0, SAMPLE_RATE / 2, 40)
    shares = rng.normal(answer / 8, 0.4, n) * abs(answer or 1) / 3
    found = []
    for number, share in zip(rng.permutation(64)[:n], shares, strict=True):
        tilt = -40 * frequencies / frequencies[-1] + 3 * rng.normal(size=40)
        bump = 8 * rng.normal() * np.exp(-(((frequencies - rng.uniform(500, 5000)) / 600) ** 2))
        found.append(
            ComponentEvidence(
                int(number), float(rng.uniform(0.001, 0.05)), float(rng.uniform(0.001, 0.2)),
                float(share), *((frequencies, tilt, tilt + bump) if envelopes else (None,) * 3),
                float(rng.uniform(0, 900)),
            )
        )  # fmt: skip
    found.sort(key=lambda component: -abs(component.share))
    return tuple(found), float(answer - shares.sum())


def make_explanation(
    seconds=6.0,
    *,
    samples=None,
    answer=4.4,
    threshold=2.3,
    n_components=9,
    envelopes=True,
    seed=1,
    **others,
):
    """Explain an answer by smooth evidence about it."""
    rng = np.random.default_rng(seed)
    times = make_times(seconds)
    wave = smooth(rng.normal(size=len(times)), 30) * 30 + rng.normal(size=len(times))
    evidence = wave - wave.mean() + answer
    curve = smooth(evidence, round(SMOOTH_S / HOP_S))
    components, rest = make_components(answer, n_components, rng, envelopes=envelopes)
    values = {
        "speaker_id": "anna",
        "recording": "recordings/door/2024-05-03 08:14.wav",
        "is_calibrated": True,
        "samples": make_samples(seconds) if samples is None else samples,
        "sample_rate": SAMPLE_RATE,
        "notes": ("Scores are normalized by a cohort: 24 background speakers.",),
        "facts": (("net speech", "4.6 s"), ("SNR", "23 dB"), ("sample rate", "16,000 Hz")),
    }
    return Explanation(
        **values | others,
        answer=answer,
        threshold=threshold,
        accepted=answer >= threshold,
        times_s=times,
        hop_s=HOP_S,
        evidence=evidence,
        smooth_s=SMOOTH_S,
        curve=curve,
        stretches=make_stretches(times, evidence, curve),
        components=components,
        others_share=rest,
        seconds=make_seconds(times, evidence, threshold),
    )


def make_hostile_explanation():
    """Explain a rejection with all that spoils pages."""
    return make_explanation(
        9.5,
        answer=-0.31,
        threshold=-0.3,
        n_components=30,
        is_calibrated=False,
        speaker_id=f"{HOSTILE} $x$ \\alpha \u202e👩\u200d💻" + LONG * 50,
        recording=f"\x00\udc80{LONG}/$y^2$ ünï.wav",
        warnings=("1.2 s of speech: too short a recording to be sure.", f"{HOSTILE} \u2067"),
        notes=(LONG, HOSTILE),
        facts=((f"a & {HOSTILE}", LONG), ("SNR", "-2 dB")),
    )
