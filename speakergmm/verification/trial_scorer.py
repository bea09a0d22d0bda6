"""Scores of frames against speaker models as a system says, for everyday use: one test at a time.

What does not change from one test to the next, the cohort's models above all, is made once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from speakergmm.corpora import all_against_all
from speakergmm.files import value_digest
from speakergmm.verification.bank import ModelBank
from speakergmm.verification.linear import LinearBank, frame_offsets
from speakergmm.verification.trial_normalization import (
    NEEDS_COHORT_MODELS,
    NEEDS_COHORT_TESTS,
    NEEDS_COHORT_TRIALS,
    CohortScores,
    normalize_trials,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from speakergmm.gmm import DiagonalGMM
    from speakergmm.verification.system import System

    Floats: TypeAlias = NDArray[np.float64]

Bank: TypeAlias = ModelBank | LinearBank

# What a test is called in messages of the normalization.
TEST = "the recording"


@dataclass(frozen=True, eq=False)
class TrialScorer:
    """Scores tests by a system's scorer and normalization."""

    system: System

    @property
    def compares_models(self) -> bool:
        """Whether each speaker's model is scored with the cohort's tests."""
        return self.system.normalization.method in NEEDS_COHORT_TESTS

    @cached_property
    def key(self) -> str:
        """Names what the scores of `cohort_scores` depend on besides the speaker."""
        system = self.system
        settings = dataclasses.asdict(system.scoring), dataclasses.asdict(system.enrollment)
        return value_digest([system.cohort_digest, *settings])

    def bank(self, speaker_models: Sequence[DiagonalGMM]) -> Bank:
        """Stack models, to be scored against the same frames."""
        scoring, ubm = self.system.scoring, self.system.ubm
        if scoring.scorer == "linear":
            return LinearBank.of(speaker_models, ubm)
        return ModelBank.of(speaker_models, ubm, scoring.top_c)

    def joined(self, banks: Sequence[Bank]) -> Bank:
        """Put the models of several banks into one."""
        if self.system.scoring.scorer == "linear":
            directions = [bank.directions for bank in banks if isinstance(bank, LinearBank)]
            empty = np.empty((0, self.system.ubm.means.size))
            return LinearBank(self.system.ubm, np.concatenate([empty, *directions]))
        models = [m for bank in banks if isinstance(bank, ModelBank) for m in bank.speaker_models]
        return self.bank(models)

    def cohort_scores(self, bank: Bank, models: NDArray[np.integer] | None = None) -> Floats:
        """Scores (S, Z) of models, of all or of some by their numbers, with the cohort's tests."""
        chosen = np.arange(bank.n_models) if models is None else models
        if isinstance(bank, LinearBank):
            return np.asarray(bank.directions[chosen] @ self.cohort_offsets.T)
        return np.column_stack([bank.scores(test, chosen) for test in self.cohort_tests])

    def score(
        self,
        bank: Bank,
        frames: NDArray[np.floating],
        names: Sequence[str],
        models_vs_cohort: Floats | None,
    ) -> Floats:
        """Score frames (T, D) against a bank of S models, and normalize their scores (S,).

        Parameters
        ----------
        names : sequence of S
            Of the speakers, each once.
        models_vs_cohort : (S, Z), optional
            From `cohort_scores`, where the system's normalization needs it.
        """
        raw = bank.scores(frames, np.arange(bank.n_models))
        return self.normalize(raw, self.of_test(frames), names, models_vs_cohort)

    def normalize(
        self,
        raw: Floats,
        cohort_vs_test: Floats | None,
        names: Sequence[str],
        models_vs_cohort: Floats | None,
    ) -> Floats:
        """Normalize the scores (S,) of one test.

        Parameters
        ----------
        cohort_vs_test : (C,), optional
            From `of_test`.
        names, models_vs_cohort
            As for `score`.
        """
        method = self.system.normalization.method
        if method == "none":
            return raw
        against = CohortScores(
            models_vs_cohort,
            None if cohort_vs_test is None else cohort_vs_test[:, None],
            self._within_cohort if method in NEEDS_COHORT_TRIALS else None,
            None if self.system.cohort is None else self.system.cohort.same_speaker,
        )
        trials = all_against_all({name: f"speaker {name}" for name in names}, {TEST: TEST})
        return normalize_trials(raw, trials, against, self.system.normalization)

    def of_test(self, frames: NDArray[np.floating]) -> Floats | None:
        """Scores (C,) of the cohort's models with a test, where the normalization needs them."""
        if self.system.normalization.method not in NEEDS_COHORT_MODELS:
            return None
        return self._cohort_bank.scores(frames, np.arange(self._cohort_bank.n_models))

    @cached_property
    def cohort_offsets(self) -> Floats:
        """What linear scoring looks at of the cohort's tests, (Z, C · D)."""
        return np.stack([frame_offsets(self.system.ubm, test) for test in self.cohort_tests])

    @cached_property
    def cohort_tests(self) -> list[NDArray[np.float32]]:
        """Frames (T, D) of each of the cohort's tests."""
        cohort = self.system.cohort
        if cohort is None:
            return []
        return [cohort.test_frames(number) for number in range(len(cohort.test_speakers))]

    @cached_property
    def _cohort_bank(self) -> Bank:
        cohort = self.system.cohort
        return self.bank([] if cohort is None else list(cohort.models(self.system.ubm)))

    @cached_property
    def _within_cohort(self) -> Floats:
        return self.cohort_scores(self._cohort_bank)
