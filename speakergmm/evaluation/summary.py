"""An evaluation: all numbers of one scored trial list, with what they were computed from."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.config import check_whole, use_plain_numbers
from speakergmm.evaluation.bootstrap import bootstrap
from speakergmm.evaluation.cost import COST_POINTS, CostModel
from speakergmm.evaluation.detection import OperatingPoint, detect
from speakergmm.evaluation.draws import Draws, Estimate
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora import Scores
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress


# In the order in which they are shown; with the highest that each can be.
METRICS = {
    "eer": 0.5,
    "eer_interpolated": 1.0,
    "auc": 1.0,
    "min_dcf": 1.0,
    "actual_dcf": math.inf,
    "min_cllr": 1.0,
    "cllr": math.inf,
    "calibration_loss": math.inf,
}
COUNTS = ("n_target", "n_nontarget", "n_models", "n_tests", "n_speakers")

# Rates of one error at which the other is given.
FIXED_RATES = (0.001, 0.01, 0.1)

# With no error among n speakers, more than 3 / n of them erring is ruled out with a confidence of
# 95 % (the rule of three: Hanley & Lippman-Hand 1983).
RULE_OF_3 = 3

# Where the convex hull is followed for the band around the curve, as p_miss / p_fa.
BAND_RATIOS = tuple(10.0 ** (k / 10) for k in range(-30, 31))


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
        use_plain_numbers(self)
        _ = self.cost
        check_whole("n_resamples", self.n_resamples, 0, 100_000)

    @property
    def cost(self) -> CostModel:
        """The cost model."""
        return CostModel(self.p_target, self.c_miss, self.c_fa)


@dataclass(frozen=True, eq=False)
class Band:
    """Where the convex hull may lie: rates (J,) at each ratio p_miss / p_fa, low and high."""

    ratio: NDArray[np.float64]
    p_fa_low: NDArray[np.float64]
    p_fa_high: NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """The numbers of one split.

    ``metrics`` holds those of `METRICS`; ``actual_dcf``, ``cllr`` and ``calibration_loss`` only
    where scores are calibrated; each with its interval where there is one. ``points`` holds the
    minimal and actual detection cost at the operating points of well-known evaluations.
    ``thresholds`` holds the scores from which to accept at the ``eer`` and at the ``min_dcf``.
    ``p_miss_at`` and ``p_fa_at`` hold one error rate for values of the other.
    """

    metrics: dict[str, Estimate]
    thresholds: dict[str, OperatingPoint]
    n_target: int
    n_nontarget: int
    n_models: int
    n_tests: int
    n_speakers: int
    points: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    p_miss_at: dict[str, float] = field(default_factory=dict)
    p_fa_at: dict[str, float] = field(default_factory=dict)
    band: Band | None = field(default=None, compare=False, repr=False)

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Evaluation:
        """Read an entry of ``metrics.json``."""
        thresholds = {
            name: OperatingPoint(**{key: float(number) for key, number in point.items()})
            for name, point in entry["thresholds"].items()
        }
        return cls(
            {name: _estimate(entry[name]) for name in METRICS if name in entry},
            thresholds,
            **{name: entry[name] for name in COUNTS},
            points={
                name: {metric: _estimate(found) for metric, found in point.items()}
                for name, point in entry.get("points", {}).items()
            },
            p_miss_at=dict(entry.get("p_miss_at", {})),
            p_fa_at=dict(entry.get("p_fa_at", {})),
        )

    def to_json(self) -> dict[str, Any]:
        """Give the entry of ``metrics.json``: rates as fractions, infinity as text."""
        thresholds = {
            name: {key: _plain(number) for key, number in dataclasses.asdict(point).items()}
            for name, point in self.thresholds.items()
        }
        return {
            **{name: _entry(estimate) for name, estimate in self.metrics.items()},
            "thresholds": thresholds,
            "points": {
                name: {metric: _entry(estimate) for metric, estimate in point.items()}
                for name, point in self.points.items()
            },
            "p_miss_at": self.p_miss_at,
            "p_fa_at": self.p_fa_at,
            **{name: getattr(self, name) for name in COUNTS},
        }


def _entry(estimate: Estimate) -> dict[str, float | str]:
    numbers = dataclasses.asdict(estimate).items()
    return {key: _plain(number) for key, number in numbers if number is not None}


def _plain(number: float) -> float | str:
    """JSON has no infinity: write it as Python and JavaScript read it."""
    return number if math.isfinite(number) else str(number)


def _estimate(entry: Mapping[str, float | str]) -> Estimate:
    return Estimate(**{key: float(number) for key, number in entry.items()})


def evaluate_scores(
    scores: Scores,
    config: EvaluationConfig = EvaluationConfig(),
    *,
    rng: int | np.random.Generator = 0,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> Evaluation:
    """Compute all numbers of a scored trial list.

    Parameters
    ----------
    jobs : int, optional
        Threads of the bootstrap; default: the cores that the process may use. Results do not
        depend on it.

    Raises
    ------
    ScoreError
        When there are no trials of one kind, or scores are NaN.
    """
    is_target = scores.trials.is_target
    costs = [config.cost, *(cost for point in COST_POINTS.values() for cost in point)]
    draws = bootstrap(
        scores, costs, config.n_resamples, rng, ratios=BAND_RATIOS, jobs=jobs, progress=progress
    )
    detection = detect(scores.target(), scores.nontarget())
    return Evaluation(
        metric_estimates(draws),
        detection.operating_points(config.cost),
        int(is_target.sum()),
        int((~is_target).sum()),
        len(scores.trials.model_ids),
        len(scores.trials.test_ids),
        draws["eer"].n_speakers,
        points=_points(draws),
        p_miss_at={f"{rate:g}": detection.p_miss_at(rate) for rate in FIXED_RATES},
        p_fa_at={f"{rate:g}": detection.p_fa_at(rate) for rate in FIXED_RATES},
        band=_band(draws),
    )


def named_draws(draws: Mapping[str, Draws]) -> dict[str, Draws]:
    """Give what was drawn of each metric, in the order of `METRICS`, by its own name.

    The first cost model is that of the detection costs.
    """
    found = {name: draws[name] for name in ("eer", "eer_interpolated", "auc", "min_cllr")}
    found["min_dcf"] = draws["min_dcf:0"]
    if "cllr" in draws:
        found |= {"actual_dcf": draws["actual_dcf:0"], "cllr": draws["cllr"]}
        found["calibration_loss"] = draws["cllr"].minus(draws["min_cllr"])
    return {name: found[name] for name in METRICS if name in found}


def metric_estimates(drawn: Mapping[str, Draws]) -> dict[str, Estimate]:
    """Give every metric with its interval."""
    found = named_draws(drawn)
    estimates = {name: draws.estimate(highest=METRICS[name]) for name, draws in found.items()}
    estimates["auc"] = _auc(found["auc"])
    for name in ("eer", "eer_interpolated"):
        if estimates[name].value == 0 and len(found[name].drawn):
            high = min(METRICS[name], RULE_OF_3 / found[name].n_speakers)
            estimates[name] = Estimate(0.0, 0.0, high)
    return estimates


def _auc(draws: Draws) -> Estimate:
    """Give the area with its interval, by what lacks to 1."""
    lost = dataclasses.replace(
        draws, observed=1 - draws.observed, drawn=1 - draws.drawn, left_out=1 - draws.left_out
    ).estimate(highest=1.0)
    if lost.low is None or lost.high is None:
        return Estimate(draws.observed)
    return Estimate(draws.observed, 1 - lost.high, 1 - lost.low)


def _points(draws: Mapping[str, Draws]) -> dict[str, dict[str, Estimate]]:
    """Give the detection costs of well-known evaluations."""
    points: dict[str, dict[str, Estimate]] = {}
    # The first cost model is the user's.
    first = 1
    for name, costs in COST_POINTS.items():
        places = range(first, first + len(costs))
        first += len(costs)
        points[name] = {
            metric: mean_draws([draws[f"{metric}:{k}"] for k in places]).estimate(
                highest=METRICS[metric]
            )
            for metric in ("min_dcf", "actual_dcf")
            if f"{metric}:0" in draws
        }
    return points


def mean_draws(parts: Sequence[Draws]) -> Draws:
    """Average numbers in the same resamples."""
    return Draws(
        float(np.mean([part.observed for part in parts])),
        np.mean([part.drawn for part in parts], axis=0),
        np.mean([part.left_out for part in parts], axis=0),
        parts[0].n_speakers,
    )


def _band(draws: Mapping[str, Draws]) -> Band | None:
    kept = []
    for ratio in BAND_RATIOS:
        p_fa = draws["eer" if ratio == 1 else f"p_fa:{ratio:g}"].estimate(highest=1.0)
        if p_fa.low is not None and p_fa.high is not None:
            kept.append((ratio, p_fa.low, p_fa.high))
    return Band(*np.array(kept).T) if kept else None
