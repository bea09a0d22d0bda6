"""Identification: who of many a recording is of, by Bayes' rule over all of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import CohortError, MissingError
from speakergmm.parallel import single_threaded_libraries
from speakergmm.verification.answers import Candidate, Identification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from speakergmm.features.reading import HeardSide
    from speakergmm.verification.engine import Engine
    from speakergmm.verification.roster import Shortlist

    Floats = NDArray[np.float64]


def identify_recording(
    engine: Engine, heard: HeardSide, top: int, limit: float | None
) -> Identification:
    """Rank the enrolled speakers, and decide; ``limit`` is what a claim has to reach.

    That is None of a closed set. With ratios it stands for a prior, by which the probabilities are
    made, so that somebody is named exactly if more probable than nobody: with P(i) ∝ p / S ·
    exp(llr_i) and P(none) ∝ 1 - p that is llr_i ≥ ln((1 - p) / p) + ln S.
    """
    shortlist = engine.roster.shortlist(heard.frames)
    n_enrolled = shortlist.n_enrolled
    with single_threaded_libraries():
        scores = engine.scorer.score(
            shortlist.bank, heard.frames, shortlist.ids, _cohort_scores(engine, shortlist)
        )
    llr = _ratios(engine, shortlist, scores, heard)
    values = scores if llr is None else llr
    posteriors, none = None, None
    p_known = 1.0 if limit is None else float(np.exp(-np.logaddexp(0.0, limit)))
    if llr is not None:
        others = _other_ratios(llr, shortlist)
        posteriors, none = posterior(llr, n_enrolled, p_known, others)
        if limit is not None:
            limit += math.log(n_enrolled)
    candidates: list[Candidate] = []
    refused: list[str] = []
    for i in np.argsort(-values, kind="stable"):
        speaker_id = shortlist.ids[i]
        if len(candidates) == top:
            break
        if not _is_stranger_to_cohort(engine, speaker_id):
            refused.append(speaker_id)
            continue
        candidates.append(
            Candidate(
                speaker_id,
                float(scores[i]),
                None if llr is None else float(llr[i]),
                None if posteriors is None else float(posteriors[i]),
            )
        )
    if not candidates:
        raise CohortError(
            f"{engine.store.path}: all who are enrolled are in the cohort, whose scores are no "
            "strangers' then; make the cohort of others"
        )
    best = candidates[0]
    engine.check_stranger(best.speaker_id, heard)
    value = best.score if best.llr is None else best.llr
    is_one = limit is None or value >= limit
    return Identification(
        ", ".join(recording.name for recording in heard.recordings),
        tuple(candidates),
        best.speaker_id if is_one else None,
        limit is None,
        limit,
        none,
        n_enrolled,
        len(heard.frames) / engine.frames_per_s,
        heard.recordings[0].quality,
        p_known,
        (*_notes(engine, heard, refused), *engine.system.warnings),
    )


def _is_stranger_to_cohort(engine: Engine, speaker_id: str) -> bool:
    cohort = engine.system.cohort
    if cohort is None:
        return True
    try:
        known = engine.store.find(speaker_id)
        cohort.check_enrolled(speaker_id, [r.file_digest for r in known.recordings])
    except CohortError:
        return False
    except MissingError:
        # Removed meanwhile; who is named is a matter of the state that was ranked.
        return True
    return True


def _notes(engine: Engine, heard: HeardSide, refused: Sequence[str]) -> list[str]:
    """Name those whose enrollment has the recording, and those who were left out."""
    owners = engine.store.owners(
        [recording.audio_digest for recording in heard.recordings], [], except_for=""
    )
    return [
        f"this recording is part of the enrollment of {owner!r}, so it tells nothing: give another"
        for owner in dict.fromkeys(owners.values())
    ] + [
        f"{speaker_id!r} is in the cohort, so is left out; make the cohort of others"
        for speaker_id in refused
    ]


def posterior(
    llr: Floats, n_enrolled: int, p_known: float, others: Floats | None = None
) -> tuple[Floats, float]:
    """Give the probability of each speaker, and that it is none of them.

    P(i) ∝ p / S · exp(llr_i), P(none) ∝ 1 - p (Bayes, with each of the S speakers as likely as any
    other).

    Parameters
    ----------
    llr : (K,)
        Natural log, of those who are asked for.
    n_enrolled : int
        S.
    p_known : float
        p, how often it is one of them; 1 of a closed set.
    others : (S - K,), optional
        Of the rest, who are not asked for.
    """
    everybody = np.concatenate([llr, [] if others is None else others])
    with np.errstate(divide="ignore"):
        terms = np.append(everybody + np.log(p_known / n_enrolled), np.log(1.0 - p_known))
    terms -= terms.max()
    weights = np.exp(terms)
    weights /= weights.sum()
    return weights[: len(llr)], float(weights[-1])


def _other_ratios(llr: Floats, shortlist: Shortlist) -> Floats:
    """Estimate the ratios of those who were not scored, by their ranks.

    One by one they are out of the question, but thousands together weigh something. The line of
    ratio over rank among those who were scored is drawn on to them; e to a ratio that varies about
    the line is e^(v/2) times that of the line on average, v its variance.
    """
    if len(shortlist.other_ranks) == 0:
        return np.empty(0)
    center = shortlist.ranks.mean()
    spread = shortlist.ranks - center
    slope = max(0.0, float(spread @ llr) / max(float(spread @ spread), 1e-300))
    variance = float(np.var(llr - slope * spread))
    return np.asarray(llr.mean() + slope * (shortlist.other_ranks - center) + variance / 2)


def _cohort_scores(engine: Engine, shortlist: Shortlist) -> Floats | None:
    """Scores (S, Z) of the models with the cohort's tests, kept since enrollment."""
    if not engine.scorer.compares_models:
        return None
    revisions = dict(zip(shortlist.ids, shortlist.revisions, strict=True))
    kept = engine.store.derived_of(revisions, engine.scorer.key)
    scores = [kept.get(speaker_id) for speaker_id in shortlist.ids]
    # Of those who were enrolled with another system, or have changed meanwhile.
    missing = np.flatnonzero([own is None for own in scores])
    if len(missing):
        made = engine.scorer.cohort_scores(shortlist.bank, missing)
        for i, own in zip(missing, made, strict=True):
            scores[i] = own
    return np.array(scores, dtype=np.float64)


def _ratios(
    engine: Engine, shortlist: Shortlist, scores: Floats, heard: HeardSide
) -> Floats | None:
    if engine.system.calibration is None:
        return None
    ratios = [
        engine.llr(float(score), int(n_frames), len(heard.frames), heard.snr_db)
        for score, n_frames in zip(scores, shortlist.n_frames, strict=True)
    ]
    return np.array(ratios, dtype=np.float64)
