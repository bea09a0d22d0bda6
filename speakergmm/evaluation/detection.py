"""What the order of the scores says, from one sort: thresholds, error rates, every metric of order.

`speakergmm.evaluation.metrics` says of each what it is and how to read it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.evaluation.roc import ScoreRuns, group_ratios, hull_groups, rates, score_runs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from speakergmm.evaluation.cost import CostModel

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

    Its methods are the functions of the same names in `speakergmm.evaluation.metrics`, for whoever
    wants several of them. Made by `detect`.

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
