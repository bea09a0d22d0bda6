"""Enrollment: recordings → a speaker's statistics, and what is to be said about them.

Recordings of one speaker should fit each other, and be nobody else's. Both are looked at when they
are enrolled, since a wrong recording in an enrollment is heard in no single answer later.
"""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import AudioError, ConfigError, MissingError
from speakergmm.features.reading import heard_side
from speakergmm.features.sides import is_pooled
from speakergmm.gmm import Statistics, accumulate
from speakergmm.parallel import single_threaded_libraries
from speakergmm.verification.answers import OF_LENGTH, EnrollmentReport
from speakergmm.verification.enough_speech import check_enough_speech
from speakergmm.verification.ratio import log_likelihood_ratio
from speakergmm.verification.speaker_store.enrolled import EnrolledRecording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from speakergmm.audio.sources import Recording
    from speakergmm.features.reading import HeardRecording
    from speakergmm.verification.engine import Engine

# Recordings that are compared each with all others; further ones are held against these.
MOST_COMPARED = 50


@dataclass(frozen=True, eq=False)
class _Part:
    """A recording that is to be enrolled: what was heard, its frames and their statistics.

    ``label`` names it among the others; samples have no name of their own.
    """

    label: str
    heard: HeardRecording
    file_digest: str
    frames: NDArray[np.float32]
    snr_db: float
    statistics: Statistics


def enroll_recordings(
    engine: Engine, speaker_id: str, recordings: Sequence[Recording]
) -> EnrollmentReport:
    """Add recordings to a speaker's enrollment; see `Verifier.enroll`."""
    recordings = _listed(recordings)
    parts = _heard(engine, recordings)
    # A short word is welcome among others.
    speech_s = sum(len(part.frames) for part in parts) / engine.frames_per_s
    check_enough_speech([part.label for part in parts], speech_s)
    _check_different(parts)
    if engine.system.cohort is not None:
        engine.system.cohort.check_enrolled(speaker_id, [part.file_digest for part in parts])
    before = _known(engine, speaker_id)
    fit, misfits = _consistency(engine, parts, before)
    frames_per_s = engine.frames_per_s
    duplicates = _duplicates(engine, speaker_id, parts)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    enrolled = [
        EnrolledRecording(
            part.label,
            part.heard.audio_digest,
            part.file_digest,
            part.heard.duration_s,
            len(part.frames) / frames_per_s,
            part.heard.quality.snr_db,
            fit[part.label],
            tuple(w.text for w in part.heard.quality.warnings if w.code != OF_LENGTH),
            now,
            part.heard.quality.speech_level_dbfs,
        )
        for part in parts
    ]
    added = _sum(engine, [part.statistics for part in parts])
    scorer, system = engine.scorer, engine.system

    def derive(statistics: Statistics) -> dict[str, NDArray[np.float64]]:
        if not scorer.compares_models:
            return {}
        model = system.enrollment.speaker_model(system.ubm, statistics)
        with single_threaded_libraries():
            return {scorer.key: scorer.cohort_scores(scorer.bank([model]))[0]}

    # Made before the store is locked, for which others wait; again only where they were quicker.
    expected = added if before is None else before + added
    ready = derive(expected)

    def derived(statistics: Statistics) -> dict[str, NDArray[np.float64]]:
        is_expected = statistics.n_frames == expected.n_frames and np.array_equal(
            statistics.n, expected.n
        )
        return ready if is_expected else derive(statistics)

    known = engine.store.enroll(
        speaker_id,
        added,
        enrolled,
        adaptation=dataclasses.asdict(system.enrollment),
        derive=derived,
    )
    n = known.statistics.n
    return EnrollmentReport(
        speaker_id,
        added.n_frames / frames_per_s,
        known.statistics.n_frames / frames_per_s,
        len(known.recordings),
        {part.label: part.heard.quality for part in parts},
        float(np.mean(n >= 1.0)),
        float(np.mean(n >= max(system.enrollment.relevance_factor, 1.0))),
        fit,
        misfits,
        duplicates,
    )


def _listed(recordings: Sequence[Recording]) -> list[Recording]:
    """Give recordings as a list, or refuse what is a single one."""
    is_samples = isinstance(recordings, tuple) and any(
        isinstance(part, (int, float, np.number)) for part in recordings
    )
    if is_samples or isinstance(recordings, (str, bytes, os.PathLike)):
        shown = "samples and their rate" if is_samples else repr(recordings)
        raise ConfigError(f"recordings is {shown}; expected a list, with one or more in it")
    try:
        listed = list(recordings)
    except TypeError:
        raise ConfigError(
            f"recordings is {recordings!r}; expected a list, with one or more in it"
        ) from None
    if not listed:
        raise ConfigError("no recordings to enroll; expected one or more")
    return listed


def _heard(engine: Engine, recordings: Sequence[Recording]) -> list[_Part]:
    """Listen to each recording, together where sides are normalized together."""
    config, ubm = engine.system.front_end.config, engine.system.ubm
    groups = [list(recordings)] if is_pooled(config) else [[one] for one in recordings]
    parts: list[_Part] = []
    for group in groups:
        side = heard_side(group, engine.system.front_end)
        start = 0
        for heard in side.recordings:
            frames = side.frames[start : start + heard.n_speech]
            start += heard.n_speech
            with single_threaded_libraries():
                statistics = accumulate(ubm, frames)
            label = _label(heard.name, [part.label for part in parts])
            digest = heard.file_digest()
            parts.append(_Part(label, heard, digest, frames, side.snr_db, statistics))
    return parts


def _label(name: str, taken: Sequence[str]) -> str:
    """Give a recording another name where its own is taken."""
    label, number = name, len(taken)
    while label in taken:
        number += 1
        label = f"{name} ({number})"
    return label


def _check_different(parts: Sequence[_Part]) -> None:
    seen: dict[str, str] = {}
    for part in parts:
        first = seen.setdefault(part.heard.audio_digest, part.label)
        if first != part.label:
            raise AudioError(
                f"{part.label}: the same recording as {first}; the same speech twice teaches "
                "nothing: give it once"
            )


def _known(engine: Engine, speaker_id: str) -> Statistics | None:
    """Give the statistics of what is enrolled of the speaker so far."""
    if not engine.store.is_begun():
        return None
    try:
        return engine.store.find(speaker_id).statistics
    except MissingError:
        return None


def _duplicates(
    engine: Engine, speaker_id: str, parts: Sequence[_Part]
) -> tuple[tuple[str, str], ...]:
    """Find recordings that are part of another speaker's enrollment."""
    if not engine.store.is_begun():
        return ()
    audio = [part.heard.audio_digest for part in parts]
    files = [part.file_digest for part in parts if part.file_digest]
    owners = engine.store.owners(audio, files, except_for=speaker_id)
    found = []
    for part in parts:
        owner = owners.get(part.heard.audio_digest) or owners.get(part.file_digest)
        if owner is not None:
            found.append((part.label, owner))
    return tuple(found)


def _consistency(
    engine: Engine, parts: Sequence[_Part], before: Statistics | None
) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """Tell how each recording fits the others, and which do not.

    The one that fits worst is taken out, and the rest looked at again without it, since a foreign
    recording spoils the model that the others are held against.
    """
    fit: dict[str, float | None] = dict.fromkeys((part.label for part in parts), None)
    kept = list(parts[:MOST_COMPARED])
    misfits: list[str] = []
    while len(kept) + (before is not None) >= 2:
        values = [
            _fit(engine, part, [p.statistics for p in kept if p is not part], before)
            for part in kept
        ]
        fit |= {part.label: value for part, value in zip(kept, values, strict=True)}
        worst = int(np.argmin(values))
        if values[worst] >= 0:
            break
        misfits.append(kept.pop(worst).label)
        if before is None and len(kept) == 1:
            # Of two that do not fit each other nobody knows which is wrong.
            misfits.append(kept[0].label)
    for part in parts[MOST_COMPARED:]:
        fit[part.label] = value = _fit(engine, part, [p.statistics for p in kept], before)
        if value < 0:
            misfits.append(part.label)
    return fit, tuple(misfits)


def _fit(
    engine: Engine, part: _Part, others: Sequence[Statistics], before: Statistics | None
) -> float:
    """Log-likelihood ratio of a recording against the model of other speech.

    Calibrated where there is a calibration; else exact, since that has a zero that means something,
    which scores of another kind lack. Exact too where a calibrated one would take every test of a
    cohort to be scored with each of these models.
    """
    system, scorer = engine.system, engine.scorer
    is_costly = scorer.compares_models and system.scoring.scorer != "linear"
    statistics = _sum(engine, [*others, *([] if before is None else [before])])
    model = system.enrollment.speaker_model(system.ubm, statistics)
    with single_threaded_libraries():
        if system.calibration is None or is_costly:
            return log_likelihood_ratio(model, system.ubm, part.frames)
        bank = scorer.bank([model])
        compared = scorer.cohort_scores(bank) if scorer.compares_models else None
        score = float(scorer.score(bank, part.frames, ["the others"], compared)[0])
    llr = engine.llr(score, statistics.n_frames, len(part.frames), part.snr_db)
    return score if llr is None else llr


def _sum(engine: Engine, parts: Sequence[Statistics]) -> Statistics:
    ubm = engine.system.ubm
    total = Statistics.zero(ubm.n_components, ubm.n_features)
    for part in parts:
        total = total + part
    return total
