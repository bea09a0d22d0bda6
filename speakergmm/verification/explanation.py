"""Why a recording was taken for a speaker, or not: what the answer is made of.

A score is a mean over frames, and an answer is the score times a number plus another, which depend
on the calibration and, with a cohort, on the recording as a whole. So each frame's part of the
answer is known exactly, and so is that of each component, since frames belong to components by
their responsibilities. So is what the answer would be without a second: by all others' scores.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from speakergmm._version import __version__
from speakergmm.audio.recordings import all_channels, one_channel_of
from speakergmm.audio.sources import source_of
from speakergmm.gmm.densities import block_slices, exact_log_joint, exponentiate
from speakergmm.parallel import single_threaded_libraries
from speakergmm.verification.explanation_values import (
    ComponentEvidence,
    Explanation,
    SecondLeftOut,
    Stretch,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from speakergmm.audio.sources import Recording
    from speakergmm.features.reading import HeardSide
    from speakergmm.gmm import DiagonalGMM
    from speakergmm.verification.answers import Verification
    from speakergmm.verification.engine import Engine, KnownSpeaker
    from speakergmm.verification.speaker_store import Enrollment
    from speakergmm.verification.system import System

    Floats = NDArray[np.float64]

# Evidence of single frames of 10 ms jumps; over a quarter of a second it can be read.
SMOOTH_S = 0.25

# Stretches and components that are named, and pieces that are left out in turn.
MOST_STRETCHES, MOST_COMPONENTS, MOST_PIECES = 100, 100, 60

# A gap of so many frames ends a stretch; shorter recordings are cut into quarters of a second.
GAP_FRAMES, SHORT_S, SHORT_PIECE_S = 5, 3.0, 0.25

# Normalizations after which a mean is no spectrum any more.
NO_SPECTRUM = frozenset({"cmvn", "sliding_cmvn", "warp"})


def explain_recording(
    engine: Engine, speaker_id: str, recording: Recording, limit: float
) -> tuple[Verification, Explanation]:
    """Verify a recording, and say what the answer rests on; see `Verifier.explain`."""
    speaker = engine.speaker(speaker_id)
    source = source_of(recording)
    heard = engine.hear([source])
    answer = engine.answer(speaker, heard, limit)
    system, frames = engine.system, heard.frames
    known = speaker.enrollment
    model = system.enrollment.speaker_model(system.ubm, known.statistics)
    slope, offset = _on_scale_of_answer(engine, speaker, heard)
    evidence, n_frames, shares = _evidence(system, model, frames, slope, offset)
    info, blocks = all_channels(source)
    samples = np.concatenate(list(one_channel_of(blocks, system.front_end.config.channel, source)))
    times_s = heard.recordings[0].kept_s
    curve = _smoothed(evidence, times_s, engine.frames_per_s)
    components = _components(system, model, known.statistics.n, n_frames, shares)
    explanation = Explanation(
        speaker_id=speaker_id,
        recording=answer.recording,
        answer=answer.value,
        is_calibrated=answer.llr is not None,
        threshold=limit,
        accepted=answer.accepted,
        samples=samples,
        sample_rate=info.sample_rate,
        times_s=times_s,
        hop_s=1 / engine.frames_per_s,
        evidence=evidence,
        smooth_s=SMOOTH_S,
        curve=curve,
        stretches=_stretches(evidence, curve, times_s, 1 / engine.frames_per_s),
        components=components,
        others_share=float(shares.sum() - sum(part.share for part in components)),
        seconds=tuple(_left_out(engine, speaker, heard, limit)),
        warnings=answer.warnings,
        notes=_notes(system),
        facts=_facts(engine, answer, known, heard.recordings[0].file_digest()),
    )
    return answer, explanation


def _on_scale_of_answer(
    engine: Engine, speaker: KnownSpeaker, heard: HeardSide
) -> tuple[float, float]:
    """Give slope and offset by which the raw score of this recording becomes its answer."""
    with single_threaded_libraries():
        against = engine.scorer.of_test(heard.frames)
    n_frames = len(heard.frames)
    at_zero, at_one = (
        _answer(engine, speaker, raw, against, n_frames, heard.snr_db) for raw in (0.0, 1.0)
    )
    return at_one - at_zero, at_zero


def _answer(
    engine: Engine,
    speaker: KnownSpeaker,
    raw: float,
    cohort_vs_test: Floats | None,
    n_frames: int,
    snr_db: float,
) -> float:
    """Give the answer that a raw score makes."""
    known = speaker.enrollment
    score = engine.scorer.normalize(
        np.array([raw]), cohort_vs_test, [known.speaker_id], speaker.cohort_scores
    )
    llr = engine.llr(float(score[0]), known.statistics.n_frames, n_frames, snr_db)
    return float(score[0]) if llr is None else llr


def _evidence(
    system: System, model: DiagonalGMM, frames: NDArray[np.float32], slope: float, offset: float
) -> tuple[Floats, Floats, Floats]:
    """Give each frame's part of the answer (T,), frames of each component and its part (C,)."""
    ubm = system.ubm
    evidence = np.empty(len(frames))
    n_frames, shares = np.zeros(ubm.n_components), np.zeros(ubm.n_components)
    directions = (model.means - ubm.means) / ubm.variances
    for block in block_slices(len(frames), ubm.n_components):
        x = frames[block].astype(np.float64)
        background = exact_log_joint(ubm, x)  # (T, C)
        responsibilities = background.copy()
        _, sums = exponentiate(responsibilities)
        responsibilities /= np.where(sums > 0, sums, 1.0)[:, None]
        n_frames += responsibilities.sum(axis=0)
        if system.scoring.scorer == "linear":
            # Of each component: γ (μ_speaker - μ)ᵀ Σ⁻¹ (x - μ).
            steps = x @ directions.T - np.sum(directions * ubm.means, axis=1)
            parts = responsibilities * steps
            evidence[block] = slope * parts.sum(axis=1) + offset
            shares += (slope * parts + offset * responsibilities).sum(axis=0)
        else:
            ratios = _ratios(background, exact_log_joint(model, x), system.scoring.top_c)
            evidence[block] = slope * ratios + offset
            shares += responsibilities.T @ evidence[block]
    return evidence, n_frames, shares / len(frames)


def _ratios(background: Floats, speaker: Floats, top_c: int | None) -> Floats:
    """Log-likelihood ratio of each frame (T,), over all components or each frame's best."""
    if top_c is not None:
        best = np.argpartition(background, -top_c, axis=1)[:, -top_c:]
        background, speaker = (
            np.take_along_axis(joint, best, axis=1) for joint in (background, speaker)
        )
    above, below = exponentiate(speaker)[0], exponentiate(background)[0]
    with np.errstate(invalid="ignore"):
        return np.where(np.isneginf(above) & np.isneginf(below), 0.0, above - below)


def _smoothed(evidence: Floats, times_s: Floats, frames_per_s: float) -> Floats:
    """Mean evidence of the frames within `SMOOTH_S` around each."""
    half = SMOOTH_S / 2 + 0.01 / frames_per_s
    first = np.searchsorted(times_s, times_s - half)
    last = np.searchsorted(times_s, times_s + half, side="right")
    sums = np.concatenate([[0.0], np.cumsum(evidence)])
    return np.asarray((sums[last] - sums[first]) / (last - first))


def _stretches(
    evidence: Floats, curve: Floats, times_s: Floats, hop_s: float
) -> tuple[Stretch, ...]:
    """Cut where the curve changes its sign or speech pauses; name what adds most."""
    signs = curve >= 0
    cuts = np.flatnonzero((np.diff(signs) != 0) | (np.diff(times_s) > (GAP_FRAMES + 0.5) * hop_s))
    bounds = [0, *(cuts + 1).tolist(), len(evidence)]
    found = [
        Stretch(
            max(0.0, float(times_s[start] - hop_s / 2)),
            float(times_s[stop - 1] + hop_s / 2),
            float(evidence[start:stop].sum() / len(evidence)),
        )
        for start, stop in itertools.pairwise(bounds)
    ]
    found.sort(key=lambda stretch: -abs(stretch.share))
    return tuple(found[:MOST_STRETCHES])


def _components(
    system: System, model: DiagonalGMM, enrolled: Floats, n_frames: Floats, shares: Floats
) -> tuple[ComponentEvidence, ...]:
    """Describe the components that add most."""
    total = n_frames.sum()
    spectrum = _spectrum(system)
    parts = []
    for c in np.argsort(-np.abs(shares), kind="stable")[:MOST_COMPONENTS]:
        envelopes: tuple[Floats | None, Floats | None, Floats | None] = (None, None, None)
        if spectrum is not None:
            frequencies_hz, matrix, static = spectrum
            envelopes = (
                frequencies_hz,
                system.ubm.means[c, static] @ matrix,
                model.means[c, static] @ matrix,
            )
        parts.append(
            ComponentEvidence(
                int(c),
                float(system.ubm.weights[c]),
                float(n_frames[c] / total),
                float(shares[c]),
                *envelopes,
                adapted_by=float(enrolled[c]),
            )
        )
    return tuple(parts)


def _spectrum(system: System) -> tuple[Floats, Floats, slice] | None:
    """Tell how cepstra become a spectral envelope in dB: frequencies, matrix, which features."""
    config, transform = system.front_end.config, system.front_end.transform
    if config.normalization in NO_SPECTRUM or config.rasta:
        return None
    bank = transform.filter_bank
    middles = [
        float(np.average(np.arange(len(w)), weights=w)) + first if w.sum() > 0 else float(first)
        for first, w in (
            (bank.first[m], bank.weights[bank.edges[m] : bank.edges[m + 1]])
            for m in range(bank.n_filters)
        )
    ]
    frequencies_hz = np.array(middles) * config.sample_rate / transform.n_fft
    # The transform takes nepers; its inverse times dB in a neper gives dB.
    matrix = np.linalg.pinv(transform.dct.astype(np.float64)) * (10 / math.log(10))
    first = int(config.log_energy)
    return frequencies_hz, matrix, slice(first, first + transform.dct.shape[1])


def _left_out(
    engine: Engine, speaker: KnownSpeaker, heard: HeardSide, limit: float
) -> Iterator[SecondLeftOut]:
    """Answer again without each second, by the scores of all others."""
    times_s, duration_s = heard.recordings[0].kept_s, heard.recordings[0].duration_s
    piece_s = SHORT_PIECE_S if duration_s < SHORT_S else float(math.ceil(duration_s / MOST_PIECES))
    # The last frame may stand around the very end.
    last = max(0, math.ceil(duration_s / piece_s) - 1)
    piece = np.minimum(np.floor(times_s / piece_s).astype(int), last)
    numbers, n_frames = np.unique(piece, return_counts=True)
    if len(numbers) < 2:
        return
    # Scores are means over frames, so those of the parts give that of any of them together.
    with single_threaded_libraries():
        parts = [heard.frames[piece == number] for number in numbers]
        raw = [float(speaker.bank.scores(part, np.arange(1))[0]) for part in parts]
        against = [engine.scorer.of_test(part) for part in parts]
    for i, number in enumerate(numbers.tolist()):
        weights = np.where(numbers == number, 0, n_frames).astype(np.float64)
        weights /= weights.sum()
        compared = [row for row in against if row is not None]
        value = _answer(
            engine,
            speaker,
            float(weights @ raw),
            weights @ compared if compared else None,
            len(piece) - int(n_frames[i]),
            heard.snr_db,
        )
        yield SecondLeftOut(
            number * piece_s,
            min((number + 1) * piece_s, duration_s),
            value,
            value >= limit,
            int(n_frames[i]),
        )


def _notes(system: System) -> tuple[str, ...]:
    notes = []
    if system.cohort is not None:
        notes.append(
            "The score is normalized by strangers' scores, which depend on the recording as a "
            "whole; the parts shown are those of this recording."
        )
    if system.calibration is None:
        notes.append("The system is not calibrated, so the answer is a score, not a ratio.")
    return tuple(notes)


def _facts(
    engine: Engine, answer: Verification, known: Enrollment, digest: str
) -> tuple[tuple[str, str], ...]:
    """Say what was heard, and by what it was judged: enough to do it again."""
    quality, system = answer.quality, engine.system
    snr = "no noise heard" if quality.snr_db is None else f"{quality.snr_db:.1f} dB"
    enrolled_s = known.statistics.n_frames / engine.frames_per_s
    facts = [
        ("net speech", f"{answer.speech_s:.1f} s of {quality.duration_s:.1f} s"),
        ("SNR", snr),
        ("bandwidth", f"{quality.bandwidth_hz:,.0f} Hz"),
        ("recording, SHA-256", digest or "samples, no file"),
        ("enrolled", f"{enrolled_s:.1f} s of speech from {len(known.recordings)} recordings"),
        ("system", system.name or "without a name"),
        ("background model, SHA-256", system.ubm_digest),
        ("program", f"speakergmm {__version__}"),
    ]
    if answer.expected is not None and system.calibration is not None:
        expected = answer.expected
        facts.append(
            (
                "errors to expect",
                (
                    f"{100 * expected.p_miss:.1f} % of true speakers rejected, "
                    f"{100 * expected.p_fa:.1f} % of strangers accepted, with "
                    f"{expected.speech_s:.1f} s of speech; {system.calibration.measured_on}"
                ),
            )
        )
    return tuple(facts)
