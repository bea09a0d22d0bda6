"""Single numbers that say how well scores tell speakers apart, and how well they are calibrated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.config import check_range
from speakergmm.evaluation.cost import CostModel
from speakergmm.evaluation.roc import (
    ScoreRuns,
    check_scores,
    group_ratios,
    hull_groups,
    rates,
    score_runs,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# No error rates outside [0, 1], whatever the last digit of a product.
ROUNDING = 1e-12


def diagonal_crossing(
    p_miss: NDArray[np.float64], p_fa: NDArray[np.float64], ratio: float = 1.0
) -> float:
    """Give p_fa where a piecewise linear curve from (0, 1) to (1, 0) meets p_miss = ratio · p_fa.

    At a ratio of 1 it is p_miss as well.
    """
    i = int(np.argmax(p_miss >= ratio * p_fa))
    # p_miss - ratio · p_fa rises from below 0 to 1: it changes its sign between i - 1 and i.
    before, after = p_miss[i - 1 : i + 1] - ratio * p_fa[i - 1 : i + 1]
    share = -before / (after - before)
    return float(p_fa[i - 1] + share * (p_fa[i] - p_fa[i - 1]))


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold on the score (accept from it on), and its error rates as fractions.

    The threshold is NaN, which accepts nobody, where only that is best and a score is +inf.
    """

    score: float
    p_miss: float
    p_fa: float


class Detection:
    """What the order of the scores says: all metrics of discrimination, from one sort and one PAV.

    Its methods are the functions of the same names in this module, for whoever wants several of
    them. Made by `detect`.

    Parameters
    ----------
    runs : ScoreRuns
    """

    def __init__(self, runs: ScoreRuns) -> None:
        self.runs = runs
        self.n_target, self.n_nontarget = runs.n_target, runs.n_nontarget
        self.hull_groups = hull_groups(self.n_target, self.n_nontarget)
        self.hull = rates(*self.hull_groups)

    @cached_property
    def rates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The rates p_miss and p_fa at the ends of the runs."""
        return rates(self.n_target, self.n_nontarget)

    def eer(self) -> float:
        """See `eer`."""
        return diagonal_crossing(*self.hull)

    def eer_interpolated(self) -> float:
        """See `eer_interpolated`."""
        return diagonal_crossing(*self.rates)

    def min_dcf(self, *costs: CostModel) -> float:
        """See `min_dcf`; of several cost models the mean."""
        return float(np.mean([cost.dcf(*self.hull).min() for cost in costs]))

    def p_fa_at_ratio(self, ratio: float) -> float:
        """Give p_fa at the point of the convex hull where p_miss is so many times as large."""
        return diagonal_crossing(*self.hull, ratio)

    def min_cllr(self) -> float:
        """See `min_cllr`."""
        return min_cllr_of_groups(*self.hull_groups)

    def auc(self) -> float:
        """See `auc`."""
        return auc_of_groups(self.n_target, self.n_nontarget)

    def p_miss_at(self, p_fa: float) -> float:
        """See `p_miss_at`."""
        misses, false_alarms = self.rates
        return float(misses[np.argmax(false_alarms <= p_fa + ROUNDING)])

    def p_fa_at(self, p_miss: float) -> float:
        """See `p_fa_at`."""
        misses, false_alarms = self.rates
        return float(false_alarms[np.searchsorted(misses, p_miss + ROUNDING, side="right") - 1])

    def operating_points(self, cost: CostModel) -> dict[str, OperatingPoint]:
        """See `operating_points`."""
        points = self.runs.points()
        best = int(np.argmin(cost.dcf(points.p_miss, points.p_fa)))
        lowest_cost = (points.threshold[best], points.p_miss[best], points.p_fa[best])
        return {
            "eer": self._equal_point(),
            "min_dcf": OperatingPoint(*map(float, lowest_cost)),
        }

    def _equal_point(self) -> OperatingPoint:
        """Find the threshold at which the two rates are closest to each other."""
        points, runs = self.runs.points(), self.runs
        i = int(np.argmax(points.p_miss >= points.p_fa))
        near = slice(i - 1, i + 1)
        threshold, p_miss, p_fa = points.threshold[near], points.p_miss[near], points.p_fa[near]
        if p_miss[0] == p_miss[1]:
            # A run of nontargets alone, each of whose distinct scores is a threshold as well.
            first, last = runs.nontarget_ends[near]
            inside = runs.nontarget[first:last]
            starts = np.flatnonzero(inside[1:] != inside[:-1]) + 1
            n_accepted = len(runs.nontarget) - first - starts
            threshold = np.append(threshold, inside[starts])
            p_miss = np.append(p_miss, np.full(len(starts), p_miss[0]))
            p_fa = np.append(p_fa, n_accepted / len(runs.nontarget))
        best = int(np.argmin(np.abs(p_miss - p_fa)))
        return OperatingPoint(float(threshold[best]), float(p_miss[best]), float(p_fa[best]))


def detect(target: ArrayLike, nontarget: ArrayLike) -> Detection:
    """Sort the scores once, for all metrics that depend on their order alone.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Scores; ±inf allowed. Ten million take two seconds or so.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    return Detection(score_runs(target, nontarget))


def eer(target: ArrayLike, nontarget: ArrayLike) -> float:
    """Equal error rate, on the ROC convex hull (Brümmer & de Villiers 2013).

    The rate at which misses and false alarms are equal when one may toss a coin between two
    thresholds. It does not depend on the order of ties or on any monotone change of the scores.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Scores; ±inf allowed.

    Returns
    -------
    float
        A fraction from 0 (perfect) to 0.5 (useless, or worse than useless).

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.

    Examples
    --------
    >>> from speakergmm import eer
    >>> round(eer([2, 0], [0, 0, -1]), 4)
    0.2857
    """
    return detect(target, nontarget).eer()


def eer_interpolated(target: ArrayLike, nontarget: ArrayLike) -> float:
    """Equal error rate by linear interpolation between neighboring operating points.

    What most published figures use. Never below `eer`, and above 0.5 for inverted scores.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Scores; ±inf allowed.

    Returns
    -------
    float
        A fraction from 0 (perfect) to 1 (perfectly inverted).

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    return detect(target, nontarget).eer_interpolated()


def min_dcf(target: ArrayLike, nontarget: ArrayLike, cost: CostModel = CostModel()) -> float:
    """Smallest normalized detection cost over all thresholds, "accept all" and "reject all" too.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Scores; ±inf allowed.
    cost : CostModel
        What errors cost, and how often a trial is a target.

    Returns
    -------
    float
        From 0 (perfect) to 1 (no better than a decision without listening).

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.

    Examples
    --------
    >>> from speakergmm import CostModel, min_dcf
    >>> min_dcf([2, 0], [0, 0, -1], CostModel(p_target=0.5))
    0.5
    """
    return detect(target, nontarget).min_dcf(cost)


def actual_dcf(target: ArrayLike, nontarget: ArrayLike, cost: CostModel = CostModel()) -> float:
    """Compute the normalized detection cost of accepting when llr ≥ ``cost.threshold``.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Calibrated log-likelihood ratios, in nats.
    cost : CostModel
        What errors cost, and how often a trial is a target.

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
    target, nontarget : (N,), (M,)
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

    Examples
    --------
    >>> from speakergmm import cllr
    >>> cllr([0, 0], [0])  # ratios that say nothing
    1.0
    """
    target_llr, nontarget_llr = check_scores(target, nontarget)
    miss = np.logaddexp(0.0, -target_llr).mean()
    false_alarm = np.logaddexp(0.0, nontarget_llr).mean()
    return float((miss + false_alarm) / (2 * math.log(2)))


def min_cllr(target: ArrayLike, nontarget: ArrayLike) -> float:
    """Cllr after the best monotone calibration, by pool adjacent violators, in bits.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Scores; ±inf allowed.

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
    return detect(target, nontarget).min_cllr()


def calibration_loss(target: ArrayLike, nontarget: ArrayLike) -> float:
    """Part of `cllr` that a better calibration would save: cllr - min_cllr, in bits.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Log-likelihood ratios, in nats.

    Returns
    -------
    float
        0 for ratios that say no more and no less than their order can bear; not bounded above,
        +inf where `cllr` is.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    return cllr(target, nontarget) - min_cllr(target, nontarget)


def auc(target: ArrayLike, nontarget: ArrayLike) -> float:
    """Area under the ROC curve: how often a target scores above a nontarget, ties counting half.

    The statistic of Mann and Whitney 1947, as a share of all pairs.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Scores; ±inf allowed.

    Returns
    -------
    float
        1 is perfect, 0.5 useless, 0 perfectly inverted.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    return detect(target, nontarget).auc()


def p_miss_at(target: ArrayLike, nontarget: ArrayLike, p_fa: float) -> float:
    """Lowest miss rate of the thresholds that accept no more than ``p_fa`` of the nontargets.

    Other fields call it the false-reject rate at a given false-accept rate (FRR at FAR, FNMR at
    FMR). A threshold is one number for all trials: nothing is interpolated.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Scores; ±inf allowed.
    p_fa : float
        The false-alarm rate that is allowed, a fraction from 0 to 1. Below one in M it allows none.

    Returns
    -------
    float
        A fraction from 0 (perfect) to 1 (all targets are rejected).

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    ConfigError
        When ``p_fa`` is no fraction.
    """
    check_range("p_fa", p_fa, 0, 1)
    return detect(target, nontarget).p_miss_at(p_fa)


def p_fa_at(target: ArrayLike, nontarget: ArrayLike, p_miss: float) -> float:
    """Lowest false-alarm rate of the thresholds that reject no more than ``p_miss`` of the targets.

    The counterpart of `p_miss_at`.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Scores; ±inf allowed.
    p_miss : float
        The miss rate that is allowed, a fraction from 0 to 1. Below one in N it allows none.

    Returns
    -------
    float
        A fraction from 0 (perfect) to 1 (all nontargets are accepted).

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    ConfigError
        When ``p_miss`` is no fraction.
    """
    check_range("p_miss", p_miss, 0, 1)
    return detect(target, nontarget).p_fa_at(p_miss)


def operating_points(
    target: ArrayLike, nontarget: ArrayLike, cost: CostModel = CostModel()
) -> dict[str, OperatingPoint]:
    """Find the thresholds that matter, on the scores at hand.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Scores; ±inf allowed.
    cost : CostModel
        Of ``min_dcf``.

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
    return detect(target, nontarget).operating_points(cost)


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


def auc_of_groups(n_target: NDArray[np.float64], n_nontarget: NDArray[np.float64]) -> float:
    """Area under the ROC curve of groups of tied trials in rising order."""
    below = np.cumsum(n_nontarget) - n_nontarget
    won = n_target @ (below + 0.5 * n_nontarget)
    return float(won / (n_target.sum() * n_nontarget.sum()))
