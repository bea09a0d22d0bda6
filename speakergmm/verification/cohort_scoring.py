"""Scores of models and tests against a cohort."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.corpora import Trials
from speakergmm.progress import SILENT
from speakergmm.verification.scoring import score_trials
from speakergmm.verification.trial_normalization import (
    NEEDS_COHORT_MODELS,
    NEEDS_COHORT_TESTS,
    NEEDS_COHORT_TRIALS,
    CohortScores,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from speakergmm.gmm import DiagonalGMM
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.verification.cohort import Cohort
    from speakergmm.verification.scoring import ScoringConfig


def score_cohort(
    cohort: Cohort,
    ubm: DiagonalGMM,
    speaker_models: Sequence[DiagonalGMM],
    test_ids: Sequence[str],
    load_test: Callable[[str], NDArray[np.floating]],
    scoring: ScoringConfig,
    method: str,
    *,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> CohortScores:
    """Score models and tests against a cohort, as far as a method of normalization needs it."""
    models = cohort.models(ubm)
    n_tests = len(cohort.test_speakers)

    def every_pair(
        models: Sequence[DiagonalGMM], tests: Sequence[str], load: Callable[[str], Any], task: str
    ) -> NDArray[np.float64]:
        shape = len(models), len(tests)
        index = np.indices(shape, dtype=np.int32).reshape(2, -1)
        trials = Trials(
            tuple(map(str, range(len(models)))),
            tuple(tests),
            index[0],
            index[1],
            np.zeros(index.shape[1], dtype=np.bool_),
        )
        scores = score_trials(
            models, ubm, load, trials, **dataclasses.asdict(scoring), jobs=jobs, progress=progress,
            task=task,
        )  # fmt: skip
        return scores.reshape(shape)

    cohort_tests = [str(number) for number in range(n_tests)]
    load_cohort = _LoadCohortTest(cohort)
    models_vs_cohort = cohort_vs_tests = cohort_vs_cohort = None
    if method in NEEDS_COHORT_TESTS:
        task = "scores with the cohort's tests"
        models_vs_cohort = every_pair(speaker_models, cohort_tests, load_cohort, task)
    if method in NEEDS_COHORT_MODELS:
        task = "scores with the cohort's models"
        cohort_vs_tests = every_pair(models, test_ids, load_test, task)
    if method in NEEDS_COHORT_TRIALS:
        task = "scores within the cohort"
        cohort_vs_cohort = every_pair(models, cohort_tests, load_cohort, task)
    return CohortScores(models_vs_cohort, cohort_vs_tests, cohort_vs_cohort, cohort.same_speaker)


@dataclass(frozen=True)
class _LoadCohortTest:
    """Loads a cohort's test by its number as text; can be sent to another process."""

    cohort: Cohort

    def __call__(self, number: str) -> NDArray[np.float32]:
        return self.cohort.test_frames(int(number))
