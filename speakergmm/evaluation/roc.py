"""From scores to error rates: the operating points, and their convex hull.

Everything else in this folder is read from what stands here, which one sort of the scores gives.
Every metric takes two vectors, the scores of target and of nontarget trials; higher means "same
speaker".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import ScoreError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Roc:
    """Operating points (P,) from "accept all" to "reject all".

    At point i a trial is accepted when its score is at least ``threshold[i]``; ``p_miss`` is the
    share of targets then rejected, ``p_fa`` the share of nontargets accepted. The first threshold
    is -inf, the last +inf and above every score.
    """

    threshold: NDArray[np.float64]
    p_miss: NDArray[np.float64]
    p_fa: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScoreRuns:
    """All trials in rising order of score, cut into G runs of which every curve is made.

    Tied scores share a run, and so do neighbors that are all nontargets: what lies between their
    thresholds is on the straight line between the run's two ends. See `score_runs`.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Scores in rising order.
    target_ends, nontarget_ends : (G + 1,)
        Run g holds ``target[target_ends[g]:target_ends[g + 1]]``, and nontargets likewise; it is
        never empty on both sides.
    """

    target: NDArray[np.float64]
    nontarget: NDArray[np.float64]
    target_ends: NDArray[np.int64]
    nontarget_ends: NDArray[np.int64]

    @property
    def n_target(self) -> NDArray[np.float64]:
        """Targets in each run (G,)."""
        return np.diff(self.target_ends).astype(np.float64)

    @property
    def n_nontarget(self) -> NDArray[np.float64]:
        """Nontargets in each run (G,)."""
        return np.diff(self.nontarget_ends).astype(np.float64)

    @property
    def lowest(self) -> NDArray[np.float64]:
        """Lowest score in each run (G,): that of its first target or of its first nontarget."""
        first_target = _or_infinity(self.target, self.target_ends[:-1])
        return np.minimum(first_target, _or_infinity(self.nontarget, self.nontarget_ends[:-1]))

    def points(self) -> Roc:
        """Give the operating points (G + 1,) at the runs' ends."""
        highest = max(self.target[-1], self.nontarget[-1])
        return Roc(_thresholds(self.lowest, highest), *rates(self.n_target, self.n_nontarget))


def _or_infinity(scores: NDArray[np.float64], place: NDArray[np.int64]) -> NDArray[np.float64]:
    """Scores at places, +inf beyond the last."""
    return np.where(place < len(scores), scores[np.minimum(place, len(scores) - 1)], np.inf)


def _thresholds(lowest: NDArray[np.float64], highest: float) -> NDArray[np.float64]:
    """Thresholds of the points at the ends of runs, whose lowest scores are given."""
    # Point i rejects the i lowest runs, so it accepts from the next one on.
    threshold = np.append(lowest, np.inf)
    threshold[0] = -np.inf
    if highest == np.inf:
        # "Reject all" needs a threshold above +inf, which does not exist: NaN compares false.
        threshold[-1] = np.nan
    return threshold


def check_scores(
    target: ArrayLike, nontarget: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give both sides as float64 vectors, or refuse them.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN. Infinite scores are allowed.
    """
    sides = []
    for values, name in ((target, "target"), (nontarget, "nontarget")):
        side = np.asarray(values, dtype=np.float64).ravel()
        if len(side) == 0:
            raise ScoreError(f"there are no {name} scores; error rates need trials of both kinds")
        n_nan = int(np.isnan(side).sum())
        if n_nan:
            raise ScoreError(f"{n_nan:,} of {len(side):,} {name} scores are NaN; score them again")
        sides.append(side)
    return sides[0], sides[1]


def score_runs(target: ArrayLike, nontarget: ArrayLike) -> ScoreRuns:
    """Sort the scores of both kinds, and cut them into runs.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    return runs_of_sorted(*(np.sort(side) for side in check_scores(target, nontarget)))


def runs_of_sorted(targets: NDArray[np.float64], nontargets: NDArray[np.float64]) -> ScoreRuns:
    """Cut scores that are in rising order already into runs."""
    starts = np.flatnonzero(np.append(True, targets[1:] != targets[:-1]))
    # Before each distinct target score a run of nontargets, then a run of all that tie with it.
    ends = np.empty(2 * len(starts) + 2, dtype=np.int64)
    ends[0], ends[1:-1:2], ends[2:-1:2] = 0, starts, np.append(starts[1:], len(targets))
    ends[-1] = len(targets)
    below = np.empty_like(ends)
    below[0], below[-1] = 0, len(nontargets)
    below[1:-1:2] = np.searchsorted(nontargets, targets[starts], side="left")
    below[2:-1:2] = np.searchsorted(nontargets, targets[starts], side="right")
    is_empty = (np.diff(ends) == 0) & (np.diff(below) == 0)
    keep = np.append(True, ~is_empty)
    return ScoreRuns(targets, nontargets, ends[keep], below[keep])


def rates(
    n_target: NDArray[np.float64], n_nontarget: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give p_miss and p_fa (B + 1,) at the boundaries of B groups of trials in rising order."""
    missed = np.concatenate([[0.0], np.cumsum(n_target)])
    rejected = np.concatenate([[0.0], np.cumsum(n_nontarget)])
    return missed / missed[-1], (rejected[-1] - rejected) / rejected[-1]


def roc(target: ArrayLike, nontarget: ArrayLike) -> Roc:
    """Compute all operating points, one more than there are distinct scores.

    Tied scores are accepted or rejected together.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    targets, nontargets = (np.sort(side) for side in check_scores(target, nontarget))
    merged = np.concatenate([targets, nontargets])
    # Two rising runs: a stable sort merges them.
    merged.sort(kind="stable")
    distinct = merged[np.append(True, merged[1:] != merged[:-1])]
    threshold = _thresholds(distinct, distinct[-1])
    accepts_from = np.append(distinct, np.nan)
    missed = np.searchsorted(targets, accepts_from, side="left")
    rejected = np.searchsorted(nontargets, accepts_from, side="left")
    p_fa = (len(nontargets) - rejected) / len(nontargets)
    return Roc(threshold, missed / len(targets), p_fa)


def hull_starts(
    n_target: NDArray[np.float64], n_nontarget: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Pool adjacent violators: merge groups until the share of targets rises from each to the next.

    The boundaries of the merged groups are the vertices of the ROC convex hull (Fawcett and
    Niculescu-Mizil 2007), and the share of targets in each group is the isotonic regression of the
    label on the score.

    Parameters
    ----------
    n_target, n_nontarget : (B,)
        Counts (or weights) in groups of rising score; no group may be empty on both sides.

    Returns
    -------
    (H,)
        The first group of each merged one; H ≤ B.
    """
    from scipy.optimize import isotonic_regression

    total = n_target + n_nontarget
    starts: NDArray[np.intp] = isotonic_regression(n_target / total, weights=total).blocks[:-1]
    return starts


def hull_groups(
    n_target: NDArray[np.float64], n_nontarget: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the counts of the merged groups (H,) that `hull_starts` finds."""
    starts = hull_starts(n_target, n_nontarget)
    return np.add.reduceat(n_target, starts), np.add.reduceat(n_nontarget, starts)


def group_ratios(
    n_target: NDArray[np.float64], n_nontarget: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log-likelihood ratio of each group by its own counts; infinite where it has one kind only."""
    with np.errstate(divide="ignore"):
        log_target = np.log(n_target / n_target.sum())
        return np.asarray(log_target - np.log(n_nontarget / n_nontarget.sum()))


def roc_convex_hull(
    target: ArrayLike, nontarget: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertices (p_miss, p_fa) of the ROC convex hull, from "accept all" to "reject all".

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    runs = score_runs(target, nontarget)
    return rates(*hull_groups(runs.n_target, runs.n_nontarget))
