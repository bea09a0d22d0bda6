"""Calibration: scores → log-likelihood ratios whose size can be believed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.config import check_range
from speakergmm.errors import ScoreError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MAX_NEWTON_STEPS = 100
ROUNDING = 1e-14


@dataclass(frozen=True, slots=True)
class Calibration:
    """An affine map: llr = scale · score + offset, in nats."""

    scale: float
    offset: float

    def __call__(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Turn scores (N,) into log-likelihood ratios (N,)."""
        return self.scale * np.asarray(scores, dtype=np.float64) + self.offset


def fit_calibration(
    target: ArrayLike, nontarget: ArrayLike, *, p_target: float = 0.5
) -> Calibration:
    """Fit scale and offset by prior-weighted logistic regression, without regularization.

    Minimizes p · mean log(1 + exp(-(l + θ))) over targets + (1 - p) · mean log(1 + exp(l + θ))
    over nontargets, where l is the calibrated ratio and θ = log(p / (1 - p)) (Brümmer & du Preez
    2006). Newton's method; the objective is convex, so its minimum is the only one.

    Parameters
    ----------
    target, nontarget : (N,)
        Scores of trials that are not those on which the result will be reported.
    p_target : float
        The prior p for which the fit is best, between 0 and 1.

    Raises
    ------
    ScoreError
        When one side is empty, scores are not finite or all equal, or the sides are perfectly
        separated: then a larger scale is always better, and no finite solution exists.
    """
    check_range("p_target", p_target, 1e-9, 1 - 1e-9)
    sides = [np.asarray(side, dtype=np.float64).ravel() for side in (target, nontarget)]
    for side, name in zip(sides, ("target", "nontarget"), strict=True):
        if len(side) == 0:
            raise ScoreError(f"there are no {name} scores; calibration needs trials of both kinds")
        if not np.isfinite(side).all():
            raise ScoreError(f"a {name} score is NaN or infinite; expected finite scores")
    low, high = sides
    if min(side.min() for side in sides) == max(side.max() for side in sides):
        raise ScoreError("all scores are equal; they hold nothing that could be calibrated")
    if low.min() >= high.max() or low.max() <= high.min():
        raise ScoreError(
            f"the {len(low):,} target and {len(high):,} nontarget scores are perfectly separated: "
            "no finite calibration exists; use more or harder trials"
        )
    scores = np.concatenate(sides)
    # Standardized, so that Newton's steps do not depend on the scores' units.
    center, spread = scores.mean(), scores.std()
    x = (scores - center) / spread
    sign = np.repeat([1.0, -1.0], [len(low), len(high)])
    weight = np.repeat([p_target / len(low), (1 - p_target) / len(high)], [len(low), len(high)])
    prior = math.log(p_target / (1 - p_target))

    def objective(scale: float, offset: float) -> float:
        return float(weight @ np.logaddexp(0.0, -sign * (scale * x + offset + prior)))

    scale, offset = 0.0, 0.0
    for _ in range(MAX_NEWTON_STEPS):
        error = sign / (1 + np.exp(np.clip(sign * (scale * x + offset + prior), -700, 700)))
        gradient = np.array([weight @ (error * x), weight @ error])
        curvature = weight * np.abs(error) * (1 - np.abs(error))
        cross = curvature @ x
        hessian = np.array([[curvature @ (x * x), cross], [cross, curvature.sum()]])
        step = np.linalg.solve(hessian, gradient)
        # Half of this is what the step promises to gain; below rounding, one full step is the last.
        promise = float(gradient @ step)
        now, factor = objective(scale, offset), 1.0
        if promise > ROUNDING * now:
            while objective(scale + factor * step[0], offset + factor * step[1]) > now:
                factor /= 2
        scale, offset = scale + factor * step[0], offset + factor * step[1]
        if promise <= ROUNDING * now:
            break
    return Calibration(float(scale / spread), float(offset - scale * center / spread))
