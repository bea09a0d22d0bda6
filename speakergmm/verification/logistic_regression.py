"""Prior-weighted logistic regression without regularization, by Newton's method, exactly.

Trials pass in blocks, so that ten million need no matrix of their own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from speakergmm.errors import ScoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

MAX_NEWTON_STEPS = 100

# Of the objective: below this a step's promise is rounding, and one full step is the last.
ROUNDING = 1e-14

# No step is halved more often: then even a tiny one gains nothing.
MAX_HALVINGS = 60

# Standardized predictors with overlapping classes have coefficients of ordinary size; these only
# grow on where separation is perfect but for ties at the border.
LARGEST_COEFFICIENT = 1e6

# Of the curvature at the start: a direction along which less is left leads out of all trials but
# those on the border, and the objective falls on for ever.
FLAT = 1e-10

# Directions that hold less than this share of the curvature are not determined by the trials.
UNDETERMINED = 1e-13

# Trials that are worked on at a time: the block and what is made of it stay in the cache.
BLOCK_TRIALS = 1 << 15


class _Pass(NamedTuple):
    """The objective at some coefficients, its slope (P,), its curvature (P, P), and a margin.

    ``margin`` is the smallest signed log-odds: above 0, no trial is on the wrong side.
    """

    objective: float
    gradient: Floats
    hessian: Floats
    margin: float


def fit_log_odds(
    target: Floats,
    nontarget: Floats,
    predictors: Callable[[Floats], Floats],
    p_target: float,
) -> Floats:
    """Find the coefficients of the log-likelihood ratio that best predict which trials are targets.

    Minimizes p · mean log(1 + exp(-(l + θ))) over targets + (1 - p) · mean log(1 + exp(l + θ))
    over nontargets, l = predictors · coefficients, θ = log(p / (1 - p)) (Brümmer & du Preez 2006).
    The objective is convex, so its minimum is the only one; of predictors that say the same, each
    gets a part.

    Parameters
    ----------
    target, nontarget : (N, K)
        Finite.
    predictors : callable
        Rows (n, K) → (n, P) of about unit size, the last column 1.

    Returns
    -------
    (P,) float64

    Raises
    ------
    ScoreError
        When the classes are perfectly separated: no finite solution exists.
    """
    prior = math.log(p_target / (1 - p_target))
    sides = ((target, 1.0, p_target), (nontarget, -1.0, 1 - p_target))

    def visit(coefficients: Floats) -> _Pass:
        n = len(coefficients)
        total = _Pass(0.0, np.zeros(n), np.zeros((n, n)), math.inf)
        for side, sign, share in sides:
            for start in range(0, len(side), BLOCK_TRIALS):
                x = predictors(side[start : start + BLOCK_TRIALS])
                part = _visit_block(x, coefficients, sign, prior)
                weight = share / len(side)
                total = _Pass(
                    total.objective + weight * part.objective,
                    total.gradient + weight * part.gradient,
                    total.hessian + weight * part.hessian,
                    min(total.margin, part.margin),
                )
        return total

    coefficients = np.zeros(predictors(target[:1]).shape[1])
    first = now = visit(coefficients)
    for _ in range(MAX_NEWTON_STEPS):
        step = np.linalg.lstsq(now.hessian, now.gradient, rcond=UNDETERMINED)[0]
        # Half of this is what the step promises to gain.
        is_last = float(now.gradient @ step) <= ROUNDING * now.objective
        if is_last:
            if _flattest(now.hessian, first.hessian) < FLAT:
                break
            return np.asarray(coefficients + step)
        for halvings in range(MAX_HALVINGS):
            moved = coefficients + step / 2**halvings
            after = visit(moved)
            if after.objective <= now.objective:
                break
        else:
            if _flattest(now.hessian, first.hessian) < FLAT:
                break
            return coefficients
        coefficients, now = moved, after
        if now.margin > 0 or np.abs(coefficients).max() > LARGEST_COEFFICIENT:
            break
    raise ScoreError(
        f"the {len(target):,} target and {len(nontarget):,} nontarget scores are perfectly "
        "separated: no finite calibration exists; use more or harder trials"
    )


def _flattest(hessian: Floats, start: Floats) -> float:
    """Smallest share of the curvature at the start that is left, of directions that had any."""
    values, vectors = np.linalg.eigh(start)
    held = values > UNDETERMINED * values[-1]
    basis = vectors[:, held] / np.sqrt(values[held])
    return float(np.linalg.eigvalsh(basis.T @ hessian @ basis)[0])


def _visit_block(x: Floats, coefficients: Floats, sign: float, prior: float) -> _Pass:
    margin = sign * (x @ coefficients + prior)
    # exp of a negative number never overflows; the loss is log(1 + exp(-margin)).
    small = np.exp(-np.abs(margin))
    loss = np.log1p(small) + np.maximum(-margin, 0.0)
    error = np.where(margin > 0, small, 1.0) / (1.0 + small)  # 1 / (1 + exp(margin))
    curvature = error * (1.0 - error)
    return _Pass(
        float(loss.sum()),
        sign * (error @ x),
        np.asarray((x * curvature[:, None]).T @ x),
        float(margin.min()),
    )
