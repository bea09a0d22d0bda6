"""From scores to error rates: the operating points, and their convex hull.

Everything else in this folder is read from the two curves here, which one sort of the scores
gives. Every metric takes two vectors, the scores of target and of nontarget trials; higher means
"same speaker".
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


def score_counts(
    target: NDArray[np.float64], nontarget: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Distinct scores in rising order, and how many targets and nontargets have each."""
    scores = np.concatenate([target, nontarget])
    distinct, place = np.unique(scores, return_inverse=True)
    n_target = np.bincount(place[: len(target)], minlength=len(distinct)).astype(np.float64)
    n_nontarget = np.bincount(place[len(target) :], minlength=len(distinct)).astype(np.float64)
    return distinct, n_target, n_nontarget


def rates(
    n_target: NDArray[np.float64], n_nontarget: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give p_miss and p_fa (B + 1,) at the boundaries of B groups of trials in rising order."""
    missed = np.concatenate([[0.0], np.cumsum(n_target)])
    rejected = np.concatenate([[0.0], np.cumsum(n_nontarget)])
    return missed / missed[-1], (rejected[-1] - rejected) / rejected[-1]


def roc(target: ArrayLike, nontarget: ArrayLike) -> Roc:
    """Compute all operating points; tied scores are accepted or rejected together.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    distinct, n_target, n_nontarget = score_counts(*check_scores(target, nontarget))
    p_miss, p_fa = rates(n_target, n_nontarget)
    # Point i rejects the i lowest distinct scores, so it accepts from the next one on.
    threshold = np.append(distinct, np.inf)
    threshold[0] = -np.inf
    if distinct[-1] == np.inf:
        # "Reject all" needs a threshold above +inf, which does not exist: NaN compares false.
        threshold[-1] = np.nan
    return Roc(threshold, p_miss, p_fa)


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
    _, n_target, n_nontarget = score_counts(*check_scores(target, nontarget))
    return rates(*hull_groups(n_target, n_nontarget))
