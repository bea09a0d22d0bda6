"""Score normalization of lists of trials, by their models' and tests' scores against a cohort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from speakergmm.config import check_choice, check_whole, use_plain_numbers
from speakergmm.errors import ConfigError, ScoreError
from speakergmm.verification.cohort_moments import moments
from speakergmm.verification.normalization import zt_moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from speakergmm.corpora import Trials

    Floats: TypeAlias = NDArray[np.float64]

Method: TypeAlias = Literal["none", "z", "t", "zt", "s", "as"]
METHODS: tuple[Method, ...] = ("none", "z", "t", "zt", "s", "as")

# Which scores against the cohort each method looks at: those of its tests with the models of the
# trials, of its models with the tests of the trials, of its models with its tests.
NEEDS_COHORT_TESTS = frozenset({"z", "zt", "s", "as"})
NEEDS_COHORT_MODELS = frozenset({"t", "zt", "s", "as"})
NEEDS_COHORT_TRIALS = frozenset({"zt"})


@dataclass(frozen=True)
class NormalizationConfig:
    """Settings of score normalization.

    Parameters
    ----------
    method : {"none", "z", "t", "zt", "s", "as"}
        See the functions `z_norm` to `as_norm`.
    top_n : int
        Of ``"as"``: the cohort scores that each side is normalized by, its highest.
    tests_per_speaker : int
        Tests that the cohort has of each of its speakers, at most.
    enrollment_s, test_s : float or None
        Seconds of recording that a cohort's model, and its test, are made of; None: as much as the
        development's have in the median.
    """

    method: Method = "none"
    top_n: int = 50
    tests_per_speaker: int = 2
    enrollment_s: float | None = None
    test_s: float | None = None

    def __post_init__(self) -> None:
        use_plain_numbers(self)
        check_choice("method", self.method, METHODS)
        check_whole("top_n", self.top_n, 2, unit="cohort scores")
        check_whole("tests_per_speaker", self.tests_per_speaker, 1)
        for name in ("enrollment_s", "test_s"):
            value = getattr(self, name)
            if value is not None and not 0.1 <= value <= 86_400:
                raise ConfigError(f"{name} is {value!r}; expected 0.1 to 86,400 s, or 'none'")

    @property
    def label(self) -> str:
        """The method, with what else decides the scale of its scores."""
        return f"as-{self.top_n}" if self.method == "as" else self.method

    @classmethod
    def from_label(cls, label: str) -> NormalizationConfig:
        """Read what `label` gave.

        Raises
        ------
        ConfigError
            When it is none.
        """
        method, _, top_n = label.partition("-")
        settings: dict[str, Any] = {"method": method}
        if top_n:
            settings["top_n"] = int(top_n) if top_n.isdecimal() else top_n
        config = cls(**settings)
        if label != config.label:
            raise ConfigError(
                f"normalization is {label!r}; expected a method, or 'as' with its number of cohort "
                "scores, such as 'as-50'"
            )
        return config


@dataclass(frozen=True, eq=False)
class CohortScores:
    """Scores against a cohort of C models and Z tests, as far as a method needs them.

    Parameters
    ----------
    models_vs_cohort : (S, Z), optional
        Of each model of the trials with the cohort's tests.
    cohort_vs_tests : (C, N), optional
        Of the cohort's models with each test of the trials.
    cohort_vs_cohort : (C, Z), optional
        Of the cohort's models with its tests.
    same_speaker : (C, Z) bool, optional
        Which of these are of one speaker: they are no impostor scores, and left out.
    """

    models_vs_cohort: Floats | None = None
    cohort_vs_tests: Floats | None = None
    cohort_vs_cohort: Floats | None = None
    same_speaker: NDArray[np.bool_] | None = None


def normalize_trials(
    scores: Floats, trials: Trials, cohort: CohortScores, config: NormalizationConfig
) -> Floats:
    """Normalize the scores (N,) of a list of trials.

    Parameters
    ----------
    cohort : CohortScores
        Of the list's models and tests, in their order.

    Returns
    -------
    (N,) float64
        As the function of the method gives for the whole matrix.

    Raises
    ------
    ScoreError, ConfigError
        As `as_norm`, naming the model or the test.
    """
    if config.method == "none":
        return scores
    bad = np.flatnonzero(np.isnan(scores))
    if len(bad):
        model, test = trials.model_index[bad[0]], trials.test_index[bad[0]]
        raise ScoreError(
            f"{len(bad):,} of {len(scores):,} scores are NaN, the first of model "
            f"{trials.model_ids[model]!r} with test {trials.test_ids[test]!r}; score them again"
        )
    _check_tables(cohort, len(trials.model_ids), len(trials.test_ids))
    models, tests = trials.model_index, trials.test_index
    by_model = by_test = None
    if config.method == "zt":
        by_model, by_test = zt_moments(
            _given(cohort.models_vs_cohort),
            _given(cohort.cohort_vs_tests),
            _given(cohort.cohort_vs_cohort),
            cohort.same_speaker,
            model_names=trials.model_ids,
            test_names=trials.test_ids,
        )
    else:
        top_n = config.top_n if config.method == "as" else None
        if config.method in NEEDS_COHORT_TESTS:
            known = _given(cohort.models_vs_cohort)
            by_model = moments(known, "model", names=trials.model_ids, top_n=top_n)
        if config.method in NEEDS_COHORT_MODELS:
            known = _given(cohort.cohort_vs_tests).T
            by_test = moments(known, "test", names=trials.test_ids, top_n=top_n)
    parts = []
    if by_model is not None:
        parts.append((scores - by_model.mean[models]) / by_model.deviation[models])
    if by_test is not None:
        before = parts.pop() if config.method == "zt" else scores
        parts.append((before - by_test.mean[tests]) / by_test.deviation[tests])
    return parts[0] if len(parts) == 1 else 0.5 * (parts[0] + parts[1])


def _check_tables(cohort: CohortScores, n_models: int, n_tests: int) -> None:
    """Refuse cohort scores of other models or tests than the trials'."""
    tables = (
        ("models", cohort.models_vs_cohort, 0, n_models),
        ("tests", cohort.cohort_vs_tests, 1, n_tests),
    )
    for what, table, axis, expected in tables:
        if table is not None and table.shape[axis] != expected:
            raise ScoreError(
                f"the cohort was scored with {table.shape[axis]} {what}, the trials name "
                f"{expected}; score the cohort again"
            )


def _given(scores: Floats | None) -> Floats:
    if scores is None:
        raise ScoreError("the cohort was not scored as this normalization needs it; score it again")
    return scores
