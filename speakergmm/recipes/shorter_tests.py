"""What less speech costs: the trials of a list again, with tests cut short, and their error rates.

The table that comes of it tells a user what to expect of a short recording, and what a longer one
would bring; a stream knows by it what a score of the speech so far is worth.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import ScoreError
from speakergmm.evaluation import eer
from speakergmm.features.normalizing import forgets_the_rest
from speakergmm.progress import SILENT
from speakergmm.recipes.enrolled_models import enrolled_models
from speakergmm.recipes.steps import PooledTests
from speakergmm.verification.calibration import fit_calibration
from speakergmm.verification.cohort_scoring import score_cohort
from speakergmm.verification.expected_errors import ExpectedErrors
from speakergmm.verification.scoring import score_trials
from speakergmm.verification.side_information import TrialSide
from speakergmm.verification.trial_normalization import NEEDS_COHORT_MODELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from speakergmm.corpora import Pools, Protocol, Scores
    from speakergmm.features import FrameStore, FrontEndConfig
    from speakergmm.gmm.model_file import BackgroundModel
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.config import Settings
    from speakergmm.recipes.raw_scores import RawScores
    from speakergmm.verification import CalibrationRecord, Cohort

# Seconds of net speech that tests are cut to, as far as most of them have clearly more.
LENGTHS_S = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
CLEARLY_MORE = 1.25


def lengths_below(speech_s: float) -> tuple[float, ...]:
    """Give the lengths that tests of so much speech are cut to."""
    return tuple(length for length in LENGTHS_S if CLEARLY_MORE * length <= speech_s)


def median_speech_s(raw: RawScores) -> float:
    """Seconds of net speech in a test of a list, the median."""
    return float(np.median(raw.side.values["test_speech"]))


def score_shorter(
    raw: RawScores,
    lengths_s: Iterable[float],
    enrollment_file: Path,
    protocol: Protocol,
    tests: Pools,
    store: FrameStore,
    background: BackgroundModel,
    settings: Settings,
    *,
    cohort: Cohort | None = None,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> dict[float, RawScores]:
    """Score the trials of a split again, with no more than so much speech of each test.

    What a test has is cut after the front end, so noise subtraction and voice activity detection
    have seen all of it, and so have some normalizations; see `measured_on`.

    Parameters
    ----------
    raw : RawScores
        Of the whole tests.
    tests, store
        Test id → the entries of the store that make it up.
    """
    found = {}
    ubm, front_end = background.gmm, background.front_end
    models = enrolled_models(enrollment_file, protocol, ubm, settings.enrollment)
    method = settings.score_normalization.method
    for length_s in lengths_s:
        load = PooledTests(store, tests, front_end.n_frames(length_s))
        task = f"scores of {length_s:g} s"
        scores = score_trials(
            models, ubm, load, protocol.trials, **dataclasses.asdict(settings.scoring),
            jobs=jobs, progress=progress, task=task,
        )  # fmt: skip
        against = raw.cohort
        if cohort is not None and method in NEEDS_COHORT_MODELS:
            # What the tests' cut leaves as it was is taken from the whole.
            cut = score_cohort(
                cohort, ubm, models, protocol.trials.test_ids, load, settings.scoring, "t",
                jobs=jobs, progress=progress,
            )  # fmt: skip
            against = dataclasses.replace(against, cohort_vs_tests=cut.cohort_vs_tests)
        speech_s = np.minimum(raw.side.values["test_speech"], length_s)
        side = TrialSide({**raw.side.values, "test_speech": speech_s})
        found[length_s] = dataclasses.replace(raw, score=scores, cohort=against, side=side)
    return found


def expected_errors(
    fitted: Mapping[float, Scores],
    measured: Mapping[float, Scores],
    record: CalibrationRecord,
    threshold: float,
) -> tuple[ExpectedErrors, ...]:
    """Sum up the error rates at each length.

    Parameters
    ----------
    fitted : mapping
        Seconds of speech → scored trials by which to tell what a score of so much is worth. The
        longest are whole tests, of which ``record`` tells.
    measured : mapping
        The same lengths → other trials, on which errors are counted: by their log-likelihood
        ratios, or where they have none by those that the fit makes of their scores.
    record : CalibrationRecord
        Of whole tests.
    threshold : float
    """
    own = record.calibration
    whole = (own.scale, own.offset) if isinstance(own.scale, float) and not own.side else None
    rows = []
    for length_s, scores in sorted(measured.items()):
        worth = whole if length_s == max(measured) else None
        worth = worth or _worth(fitted[length_s], record.p_target) or whole
        if worth is None:
            continue
        scale, offset = worth
        llr = scale * scores.score + offset if scores.llr is None else scores.llr
        is_target = scores.trials.is_target
        target, nontarget = llr[is_target], llr[~is_target]
        rows.append(
            ExpectedErrors(
                length_s,
                float(eer(target, nontarget)),
                float(np.mean(target < threshold)),
                float(np.mean(nontarget >= threshold)),
                scale,
                offset,
                len(target),
                len(nontarget),
            )
        )
    return tuple(rows)


def _worth(scores: Scores, p_target: float) -> tuple[float, float] | None:
    """Fit scale and offset of ratios; None where no finite ones exist."""
    is_target = scores.trials.is_target
    try:
        fitted = fit_calibration(
            scores.score[is_target], scores.score[~is_target], p_target=p_target
        )
    except ScoreError:
        return None
    return (fitted.scale, fitted.offset) if isinstance(fitted.scale, float) else None


def measured_on(trials: str, front_end: FrontEndConfig) -> str:
    """Name the trials of a table, and say where shorter tests look better than they are."""
    if forgets_the_rest(front_end):
        return trials
    return f"{trials}, cut after normalization, which flatters short tests"
