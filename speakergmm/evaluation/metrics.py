"""Single numbers that say how well scores tell speakers apart, and how well they are calibrated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.config import check_range
from speakergmm.evaluation.roc import (
    check_scores,
    group_ratios,
    hull_groups,
    roc,
    roc_convex_hull,
    score_counts,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class CostModel:
    """What errors cost, and how often a trial is a target.

    Parameters
    ----------
    p_target : float
        Prior probability of a target trial, between 0 and 1.
    c_miss, c_fa : float
        Cost of rejecting a target, and of accepting a nontarget; above 0.
    """

    p_target: float = 0.01
    c_miss: float = 1.0
    c_fa: float = 1.0

    def __post_init__(self) -> None:
        check_range("p_target", self.p_target, 1e-9, 1 - 1e-9)
        check_range("c_miss", self.c_miss, 1e-9)
        check_range("c_fa", self.c_fa, 1e-9)

    @property
    def threshold(self) -> float:
        """The log-likelihood ratio from which accepting is the cheaper decision (Bayes)."""
        return math.log(self.c_fa * (1 - self.p_target)) - math.log(self.c_miss * self.p_target)

    @property
    def effective_prior(self) -> float:
        """The prior that leads to the same decisions when both errors cost 1."""
        return 0.5 * (1 - math.tanh(self.threshold / 2))

    def dcf(self, p_miss: ArrayLike, p_fa: ArrayLike) -> NDArray[np.float64]:
        """Give the normalized detection cost; 1 is the better of accept all and reject all."""
        miss, fa = self.c_miss * self.p_target, self.c_fa * (1 - self.p_target)
        return (miss * np.asarray(p_miss) + fa * np.asarray(p_fa)) / min(miss, fa)


def diagonal_crossing(p_miss: NDArray[np.float64], p_fa: NDArray[np.float64]) -> float:
    """Where a piecewise linear curve from (0, 1) to (1, 0) meets p_miss = p_fa."""
    i = int(np.argmax(p_miss >= p_fa))
    # p_miss - p_fa rises from -1 to 1: it changes its sign between i - 1 and i.
    before, after = p_miss[i - 1] - p_fa[i - 1], p_miss[i] - p_fa[i]
    share = -before / (after - before)
    return float(p_miss[i - 1] + share * (p_miss[i] - p_miss[i - 1]))


def eer(target: ArrayLike, nontarget: ArrayLike) -> float:
    """Equal error rate, on the ROC convex hull (Brümmer & de Villiers 2013).

    The rate at which misses and false alarms are equal when one may toss a coin between two
    thresholds. It does not depend on the order of ties or on any monotone change of the scores.

    Parameters
    ----------
    target, nontarget : (N,)
        Scores; ±inf allowed.

    Returns
    -------
    float
        A fraction from 0 (perfect) to 0.5 (useless, or worse than useless).

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    return diagonal_crossing(*roc_convex_hull(target, nontarget))


def eer_interpolated(target: ArrayLike, nontarget: ArrayLike) -> float:
    """Equal error rate by linear interpolation between neighboring operating points.

    What most published figures use. Never below `eer`, and above 0.5 for inverted scores.

    Returns
    -------
    float
        A fraction from 0 (perfect) to 1 (perfectly inverted).

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    curve = roc(target, nontarget)
    return diagonal_crossing(curve.p_miss, curve.p_fa)


def min_dcf(target: ArrayLike, nontarget: ArrayLike, cost: CostModel = CostModel()) -> float:
    """Smallest normalized detection cost over all thresholds, "accept all" and "reject all" too.

    Returns
    -------
    float
        From 0 (perfect) to 1 (no better than a decision without listening).

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    return float(cost.dcf(*roc_convex_hull(target, nontarget)).min())


def actual_dcf(target: ArrayLike, nontarget: ArrayLike, cost: CostModel = CostModel()) -> float:
    """Compute the normalized detection cost of accepting when llr ≥ ``cost.threshold``.

    Parameters
    ----------
    target, nontarget : (N,)
        Calibrated log-likelihood ratios, in nats.

    Returns
    -------
    float
        0 is perfect; at or above `min_dcf`, and above 1 where the calibration does harm.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    target_llr, nontarget_llr = check_scores(target, nontarget)
    p_miss = np.mean(target_llr < cost.threshold)
    p_fa = np.mean(nontarget_llr >= cost.threshold)
    return float(cost.dcf(p_miss, p_fa))


def cllr(target: ArrayLike, nontarget: ArrayLike) -> float:
    """Cost of the log-likelihood ratios (Brümmer & du Preez 2006), in bits.

    What is lost, averaged over all priors and costs, by trusting the ratios.

    Parameters
    ----------
    target, nontarget : (N,)
        Log-likelihood ratios, in nats.

    Returns
    -------
    float
        0 is perfect, 1 is what knowing nothing (all ratios 0) costs; above 1 the ratios mislead;
        +inf when a target has -inf or a nontarget +inf.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    target_llr, nontarget_llr = check_scores(target, nontarget)
    miss = np.logaddexp(0.0, -target_llr).mean()
    false_alarm = np.logaddexp(0.0, nontarget_llr).mean()
    return float((miss + false_alarm) / (2 * math.log(2)))


def min_cllr(target: ArrayLike, nontarget: ArrayLike) -> float:
    """Cllr after the best monotone calibration, by pool adjacent violators, in bits.

    Returns
    -------
    float
        From 0 (perfect) to 1 (useless): what the scores could give. The difference to `cllr` is
        the calibration loss.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    _, n_target, n_nontarget = score_counts(*check_scores(target, nontarget))
    return min_cllr_of_groups(*hull_groups(n_target, n_nontarget))


def min_cllr_of_groups(n_target: NDArray[np.float64], n_nontarget: NDArray[np.float64]) -> float:
    """Cllr in bits of groups of trials that each get the ratio of their own counts."""
    share_target = n_target / n_target.sum()
    share_nontarget = n_nontarget / n_nontarget.sum()
    llr = group_ratios(n_target, n_nontarget)
    # A group of one kind only has an infinite ratio, which costs that kind nothing.
    mixed = (share_target > 0) & (share_nontarget > 0)
    miss = share_target[mixed] @ np.logaddexp(0.0, -llr[mixed])
    false_alarm = share_nontarget[mixed] @ np.logaddexp(0.0, llr[mixed])
    return float((miss + false_alarm) / (2 * math.log(2)))


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold on the score (accept from it on), and its error rates as fractions.

    The threshold is NaN, which accepts nobody, where only that is best and a score is +inf.
    """

    score: float
    p_miss: float
    p_fa: float


def operating_points(
    target: ArrayLike, nontarget: ArrayLike, cost: CostModel = CostModel()
) -> dict[str, OperatingPoint]:
    """Find the thresholds that matter, on the scores at hand.

    Returns
    -------
    dict
        ``eer``: where misses and false alarms are closest to each other; ``min_dcf``: where the
        detection cost is lowest.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    curve = roc(target, nontarget)
    places = {
        "eer": int(np.argmin(np.abs(curve.p_miss - curve.p_fa))),
        "min_dcf": int(np.argmin(cost.dcf(curve.p_miss, curve.p_fa))),
    }
    return {
        name: OperatingPoint(
            float(curve.threshold[i]), float(curve.p_miss[i]), float(curve.p_fa[i])
        )
        for name, i in places.items()
    }
