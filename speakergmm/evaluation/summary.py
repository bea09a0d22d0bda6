"""An evaluation: all numbers of one scored trial list, with what they were computed from."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speakergmm.config import check_whole
from speakergmm.corpora import trial_speakers
from speakergmm.evaluation.bootstrap import Estimate, estimates
from speakergmm.evaluation.metrics import CostModel, OperatingPoint, operating_points
from speakergmm.evaluation.roc import check_scores
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    import numpy as np

    from speakergmm.corpora import Scores
    from speakergmm.progress import Progress


METRICS = ("eer", "eer_interpolated", "min_dcf", "min_cllr", "actual_dcf", "cllr")
COUNTS = ("n_target", "n_nontarget", "n_models", "n_tests", "n_speakers")


@dataclass(frozen=True)
class EvaluationConfig:
    """Settings of an evaluation.

    Parameters
    ----------
    p_target, c_miss, c_fa : float
        The cost model of minDCF and actual DCF.
    n_resamples : int
        Bootstrap resamples for the intervals; 0 for none.
    """

    p_target: float = 0.01
    c_miss: float = 1.0
    c_fa: float = 1.0
    n_resamples: int = 1000

    def __post_init__(self) -> None:
        _ = self.cost
        check_whole("n_resamples", self.n_resamples, 0, 100_000)

    @property
    def cost(self) -> CostModel:
        """The cost model."""
        return CostModel(self.p_target, self.c_miss, self.c_fa)


@dataclass(frozen=True)
class Evaluation:
    """The numbers of one split.

    ``metrics`` holds ``eer``, ``eer_interpolated``, ``min_dcf``, ``min_cllr`` and, where scores
    are calibrated, ``actual_dcf`` and ``cllr``, each with its interval where there is one.
    ``thresholds`` holds the scores from which to accept at the ``eer`` and at the ``min_dcf``.
    """

    metrics: dict[str, Estimate]
    thresholds: dict[str, OperatingPoint]
    n_target: int
    n_nontarget: int
    n_models: int
    n_tests: int
    n_speakers: int

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Evaluation:
        """Read an entry of ``metrics.json``."""
        metrics = {
            name: Estimate(**{key: _number(number) for key, number in entry[name].items()})
            for name in METRICS
            if name in entry
        }
        thresholds = {
            name: OperatingPoint(**{key: _number(number) for key, number in point.items()})
            for name, point in entry["thresholds"].items()
        }
        return cls(metrics, thresholds, **{name: entry[name] for name in COUNTS})

    def to_json(self) -> dict[str, Any]:
        """Give the entry of ``metrics.json``: rates as fractions, infinity as text."""
        entry: dict[str, Any] = {}
        for name, estimate in self.metrics.items():
            numbers = dataclasses.asdict(estimate).items()
            entry[name] = {key: _plain(number) for key, number in numbers if number is not None}
        entry["thresholds"] = {
            name: {key: _plain(number) for key, number in dataclasses.asdict(point).items()}
            for name, point in self.thresholds.items()
        }
        return entry | {name: getattr(self, name) for name in COUNTS}


def _plain(number: float) -> float | str:
    """JSON has no infinity: write it as Python and JavaScript read it."""
    return number if math.isfinite(number) else str(number)


def _number(value: float | str) -> float:
    return float(value)


def evaluate_scores(
    scores: Scores,
    config: EvaluationConfig = EvaluationConfig(),
    *,
    rng: int | np.random.Generator = 0,
    progress: Progress = SILENT,
) -> Evaluation:
    """Compute all numbers of a scored trial list.

    Raises
    ------
    ScoreError
        When there are no trials of one kind, or scores are NaN.
    """
    check_scores(scores.target(), scores.nontarget())
    is_target = scores.trials.is_target
    if scores.llr is not None:
        check_scores(scores.llr[is_target], scores.llr[~is_target])
    return Evaluation(
        estimates(scores, config.cost, n_resamples=config.n_resamples, rng=rng, progress=progress),
        operating_points(scores.target(), scores.nontarget(), config.cost),
        int(is_target.sum()),
        int((~is_target).sum()),
        len(scores.trials.model_ids),
        len(scores.trials.test_ids),
        trial_speakers(scores.trials)[2],
    )
