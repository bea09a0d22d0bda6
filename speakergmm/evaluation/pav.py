"""Monotone calibration by pool adjacent violators: what scores could say at best, for analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.evaluation.roc import group_ratios, hull_starts, score_runs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class MonotoneCalibration:
    """A rising step function from scores to log-likelihood ratios. See `fit_monotone`.

    Parameters
    ----------
    start : (H,)
        Lowest score of each step, rising.
    llr : (H,)
        The ratio of each step in nats, rising; the first may be -inf, the last +inf.
    """

    start: NDArray[np.float64]
    llr: NDArray[np.float64]

    def __call__(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Turn scores (N,) into ratios (N,); those below the first step get its ratio."""
        values = np.asarray(scores, dtype=np.float64)
        place = np.searchsorted(self.start, values, side="right")
        return np.where(np.isnan(values), np.nan, self.llr[np.maximum(place - 1, 0)])


def fit_monotone(target: ArrayLike, nontarget: ArrayLike) -> MonotoneCalibration:
    """Fit the rising function of the scores whose ratios have the lowest Cllr on these trials.

    Isotonic regression of the labels on the scores, by pool adjacent violators (Zadrozny & Elkan
    2002; Brümmer & du Preez 2006). It follows every accident of the trials that it is fitted on, so
    its Cllr there is `min_cllr`, which no other calibration reaches; on other trials an affine one
    is better. Use it to see how scores would have to be bent, not to decide.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    runs = score_runs(target, nontarget)
    n_target, n_nontarget = runs.n_target, runs.n_nontarget
    starts = hull_starts(n_target, n_nontarget)
    groups = np.add.reduceat(n_target, starts), np.add.reduceat(n_nontarget, starts)
    return MonotoneCalibration(runs.lowest[starts], group_ratios(*groups))
