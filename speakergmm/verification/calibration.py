"""Calibration: scores → log-likelihood ratios whose size can be believed; several systems → one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from speakergmm.config import check_range
from speakergmm.errors import ScoreError
from speakergmm.verification.logistic_regression import fit_log_odds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats: TypeAlias = NDArray[np.float64]

# Trials that are centered at a time.
BLOCK_TRIALS = 1 << 18

# Of the largest score: what rounding leaves of equal ones.
EQUAL = 1e-13


@dataclass(frozen=True, slots=True)
class SideTerm:
    """What a quantity q of a trial, such as the length of its test, adds.

    The scale of the trial's score grows by ``scale`` · q, and its offset by ``offset`` · q.
    """

    name: str
    scale: float
    offset: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """An affine map: llr = scale · score + offset, in nats.

    Parameters
    ----------
    scale : float or tuple of float
        Of the score; of several systems' scores, one for each.
    offset : float
    side : tuple of SideTerm
        How both depend on side information about the trial.
    """

    scale: float | tuple[float, ...]
    offset: float
    side: tuple[SideTerm, ...] = ()

    @property
    def n_systems(self) -> int:
        """Systems whose scores are fused; 1 where there is nothing to fuse."""
        return len(self.scale) if isinstance(self.scale, tuple) else 1

    def __call__(self, scores: ArrayLike, side: ArrayLike | None = None) -> Floats:
        """Turn scores into log-likelihood ratios.

        Parameters
        ----------
        scores : (N,), of K fused systems (N, K)
            Infinite scores give infinite ratios. Of one system without side information any shape.
        side : (N, Q), optional
            The quantities of ``self.side``, in that order.

        Returns
        -------
        (N,) float64, or the shape given
            Nats; 0 says that both answers explain the scores equally well, log(10) = 2.3 that one
            explains them ten times better.

        Raises
        ------
        ScoreError
            When the numbers of systems or of quantities are others.
        """
        values = np.asarray(scores, dtype=np.float64)
        known = None if side is None else np.asarray(side, dtype=np.float64)
        if isinstance(self.scale, tuple) and values.shape[1:] != (len(self.scale),):
            raise ScoreError(
                f"scores have shape {values.shape}; this calibration fuses {len(self.scale)} "
                f"systems: expected (N, {len(self.scale)})"
            )
        shape = (len(np.atleast_1d(values)), 0) if known is None else known.shape
        wanted = (len(np.atleast_1d(values)), len(self.side))
        if shape != wanted:
            names = ", ".join(term.name for term in self.side) or "none"
            raise ScoreError(
                f"side information has shape {shape}; this calibration was fitted with "
                f"{len(self.side)} quantities ({names}): give those of each trial"
            )
        if isinstance(self.scale, tuple):
            return np.asarray(values @ np.array(self.scale) + self.offset)
        if not self.side or known is None:
            return np.asarray(self.scale * values + self.offset)
        if values.ndim > 1:
            raise ScoreError(
                f"scores have shape {values.shape}; with side information expected (N,), a row of "
                "it for each"
            )
        scale = self.scale + known @ np.array([term.scale for term in self.side])
        offset = self.offset + known @ np.array([term.offset for term in self.side])
        return np.asarray(scale * values + offset)

    def posterior(
        self, scores: ArrayLike, p_target: float, side: ArrayLike | None = None
    ) -> Floats:
        """Probability that each trial is a target, when a share ``p_target`` of trials is.

        Its log odds are the log-likelihood ratio plus those of the prior (Bayes), so another prior
        shifts them and changes nothing else.

        Parameters
        ----------
        scores : (N,), of K systems (N, K)
        p_target : float
            Between 0 and 1.
        side : (N, Q), optional
            Side information, where the calibration takes some.

        Returns
        -------
        (N,)
            From 0 to 1.

        Raises
        ------
        ConfigError
            When ``p_target`` is not a probability, or is 0 or 1.
        """
        check_range("p_target", p_target, 1e-9, 1 - 1e-9)
        log_odds = self(scores, side) + math.log(p_target / (1 - p_target))
        # Not as 1 less another: a small one would lose its digits, or be 0.
        with np.errstate(under="ignore"):
            return np.asarray(np.exp(-np.logaddexp(0.0, -log_odds)))


def fit_calibration(
    target: ArrayLike,
    nontarget: ArrayLike,
    *,
    p_target: float = 0.5,
    side: Sequence[str] = (),
    target_side: ArrayLike | None = None,
    nontarget_side: ArrayLike | None = None,
) -> Calibration:
    """Fit scale and offset by prior-weighted logistic regression, without regularization.

    Minimizes p · mean log(1 + exp(-(l + θ))) over targets + (1 - p) · mean log(1 + exp(l + θ))
    over nontargets, where l is the calibrated ratio and θ = log(p / (1 - p)) (Brümmer & du Preez
    2006). Newton's method; the objective is convex, so its minimum is the only one. Vectors of
    several systems' scores are fused by the same regression (Brümmer et al. 2007); side information
    enters as quantities that change scale and offset (after Mandasari et al. 2013, who change the
    offset).

    Parameters
    ----------
    target, nontarget : (N,), of K systems (N, K)
        Scores of trials that are not those on which the result will be reported.
    p_target : float
        The prior p for which the fit is best, between 0 and 1.
    side : sequence of Q names, optional
        What is known of each trial besides its score; for one system only.
    target_side, nontarget_side : (N, Q), optional
        These quantities.

    Returns
    -------
    Calibration
        Another prior or cost than ``p_target`` only moves the threshold: the ratios stay.

    Raises
    ------
    ScoreError
        When one side is empty, scores are not finite or all equal, or too large or too small to
        square, shapes do not fit, or the sides are perfectly separated: then a larger scale is
        always better, and no finite solution exists.

    Examples
    --------
    >>> import numpy as np
    >>> from speakergmm import fit_calibration
    >>> rng = np.random.default_rng(0)
    >>> target, nontarget = rng.normal(2, 1, 1000), rng.normal(0, 1, 10_000)
    >>> calibration = fit_calibration(target, nontarget)
    >>> calibration([3.0]).round(1)  # of such scores the true ratio is 2 · score - 2
    array([4.])
    """
    check_range("p_target", p_target, 1e-9, 1 - 1e-9)
    high, low = (_matrix(s, name) for s, name in ((target, "target"), (nontarget, "nontarget")))
    n_systems = high.shape[1]
    if low.shape[1] != n_systems:
        raise ScoreError(
            f"target scores are of {n_systems} systems, nontarget scores of {low.shape[1]}; "
            "expected the same systems"
        )
    if side and n_systems > 1:
        raise ScoreError("side information is for the scores of one system; fuse without it")
    what = ["all scores"] if n_systems == 1 else [f"scores of system {i}" for i in range(n_systems)]
    _check_varies(high, low, what)
    if n_systems == 1 and (high.min() >= low.max() or high.max() <= low.min()):
        raise ScoreError(
            f"the {len(high):,} target and {len(low):,} nontarget scores are perfectly separated: "
            "no finite calibration exists; use more or harder trials"
        )
    if side:
        of_high = _side_matrix(target_side, len(high), side, "target")
        of_low = _side_matrix(nontarget_side, len(low), side, "nontarget")
        _check_varies(of_high, of_low, [f"values of {name!r}" for name in side])
        high, low = np.column_stack([high, of_high]), np.column_stack([low, of_low])
    # Standardized, so that Newton's steps do not depend on units.
    center, spread = _center_and_spread(high, low)
    if not np.isfinite(spread).all() or not spread.all():
        raise ScoreError(
            "scores or side information go beyond what can be squared; expected numbers of "
            "ordinary size: score these trials again"
        )

    def predictors(rows: Floats) -> Floats:
        x = (rows - center) / spread
        parts = [x, x[:, :1] * x[:, 1:]] if side else [x]
        return np.column_stack([*parts, np.ones(len(x))])

    found = fit_log_odds(high, low, predictors, p_target)
    slopes, offset = found[: len(center)] / spread, float(found[-1])
    if not side:
        scale = tuple(slopes.tolist())
        at_zero = offset - float(slopes @ center)
        return Calibration(scale[0] if np.ndim(target) < 2 else scale, at_zero)
    # a s' + Σ b q' + Σ g s' q' + o, written in s and q instead of the standardized s' and q'.
    both = found[len(center) : -1] / (spread[0] * spread[1:])
    terms = tuple(
        SideTerm(name, float(g), float(b - g * center[0]))
        for name, g, b in zip(side, both, slopes[1:], strict=True)
    )
    return Calibration(
        float(slopes[0] - both @ center[1:]),
        float(offset - slopes @ center + center[0] * (both @ center[1:])),
        terms,
    )


def _matrix(scores: ArrayLike, name: str) -> Floats:
    values = np.asarray(scores, dtype=np.float64)
    if values.size == 0:
        raise ScoreError(f"there are no {name} scores; calibration needs trials of both kinds")
    matrix = values.reshape(-1, 1) if values.ndim < 2 else values
    if matrix.ndim != 2:
        raise ScoreError(f"{name} scores have shape {values.shape}; expected (N,) or (N, systems)")
    bad = ~np.isfinite(matrix)
    if bad.any():
        row = int(np.argmax(bad.any(axis=1)))
        raise ScoreError(
            f"{int(bad.sum()):,} of {bad.size:,} {name} scores are NaN or infinite, the first of "
            f"trial {row}; expected finite scores: score these trials again, or leave them out"
        )
    return matrix


def _side_matrix(values: ArrayLike | None, n_trials: int, side: Sequence[str], name: str) -> Floats:
    matrix = np.asarray([] if values is None else values, dtype=np.float64)
    if matrix.shape != (n_trials, len(side)):
        raise ScoreError(
            f"{name} side information has shape {matrix.shape}; expected a row for each of the "
            f"{n_trials:,} trials and a column for each of {', '.join(side)}"
        )
    if not np.isfinite(matrix).all():
        column = int(np.argmax(~np.isfinite(matrix).all(axis=0)))
        raise ScoreError(
            f"{name} side information {side[column]!r} is NaN or infinite for a trial; expected "
            "finite values: leave that trial out, or do without this quantity"
        )
    return matrix


def _check_varies(target: Floats, nontarget: Floats, names: Sequence[str]) -> None:
    low = np.minimum(target.min(axis=0), nontarget.min(axis=0))
    high = np.maximum(target.max(axis=0), nontarget.max(axis=0))
    with np.errstate(over="ignore"):
        constant = np.flatnonzero(high - low <= EQUAL * np.maximum(np.abs(low), np.abs(high)))
    if len(constant):
        raise ScoreError(
            f"{names[constant[0]]} are equal; they hold nothing that could be calibrated"
        )


def _center_and_spread(target: Floats, nontarget: Floats) -> tuple[Floats, Floats]:
    n = len(target) + len(nontarget)
    # Where numbers are too large, the spread is infinite or NaN; too small, it is 0.
    with np.errstate(over="ignore", invalid="ignore"):
        center = (target.sum(axis=0) + nontarget.sum(axis=0)) / n
        squares = np.zeros_like(center)
        for side in (target, nontarget):
            for start in range(0, len(side), BLOCK_TRIALS):
                block = side[start : start + BLOCK_TRIALS] - center
                squares += np.einsum("nk,nk->k", block, block)
    return center, np.sqrt(squares / n)
