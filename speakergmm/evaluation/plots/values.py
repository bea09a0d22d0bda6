"""What pictures take from scores: both sides, in words, and the range worth showing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import ScoreError
from speakergmm.evaluation.roc import check_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from speakergmm.corpora import Scores

    Floats = NDArray[np.float64]

RATIO = "log-likelihood ratio (nats)"
SCORE = "score"

# What lies farther from a side's middle half than so many times its width would flatten the rest.
FAR = 15.0


def shown_sides(scores: Scores) -> tuple[Floats, Floats, str]:
    """Give target and nontarget ratios, or scores where there are none, and what they are."""
    if scores.llr is None:
        return *check_scores(scores.target(), scores.nontarget()), SCORE
    return *ratio_sides(scores, "this picture"), RATIO


def ratio_sides(scores: Scores, what: str) -> tuple[Floats, Floats]:
    """Give target and nontarget log-likelihood ratios.

    Raises
    ------
    ScoreError
        When the scores have none.
    """
    if scores.llr is None:
        raise ScoreError(f"{what} needs log-likelihood ratios; calibrate the scores first")
    is_target = scores.trials.is_target
    return check_scores(scores.llr[is_target], scores.llr[~is_target])


def visible_range(*sides: Floats) -> tuple[float, float]:
    """Give the lowest and the highest value worth showing: no infinite and no far-off ones."""
    lows, highs = [], []
    for side in sides:
        finite = side[np.isfinite(side)]
        if len(finite):
            lower, upper = np.quantile(finite, [0.25, 0.75])
            reach = FAR * (upper - lower) or np.inf
            near = finite[(finite >= lower - reach) & (finite <= upper + reach)]
            lows.append(float(near.min()))
            highs.append(float(near.max()))
    return (min(lows), max(highs)) if lows else (-1.0, 1.0)
