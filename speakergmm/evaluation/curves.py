"""What is drawn: costs over the prior, ratios against what they should be, shares above a score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.evaluation.detection import detect
from speakergmm.evaluation.pav import fit_monotone
from speakergmm.evaluation.roc import check_scores

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

# More points than this change nothing that an eye could see.
MAX_POINTS = 2000

# Beyond the last cuts the loss is a straight line. Infinity is no part of a mean.
CUTS = np.append(np.arange(-50, 50.1, 0.25), np.inf)

# Bins of trials with about as much weight each, in which ratios are held against what came true.
N_BINS = 12


def summarized(values: ArrayLike, most: int = MAX_POINTS) -> tuple[Floats, Floats]:
    """Give the means of neighboring values, and how many each stands for; few stay as they are.

    Of ratios, no more are put together than lose as much as their mean: those on either side of a
    cut never are.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if len(ordered) <= most:
        return ordered, np.ones(len(ordered))
    edges = np.unique(
        np.concatenate(
            [
                np.linspace(0, len(ordered), most + 1).astype(np.int64),
                np.searchsorted(ordered, CUTS),
                np.searchsorted(ordered, [-np.inf], side="right"),
            ]
        )
    )
    counts = np.diff(edges).astype(np.float64)
    return np.add.reduceat(ordered, edges[:-1]) / counts, counts


@dataclass(frozen=True, eq=False)
class EntropyCurves:
    """Empirical cross-entropy in bits (K,) over the prior log odds (K,). See `entropy_curves`."""

    prior_log_odds: Floats
    actual: Floats
    minimal: Floats
    neutral: Floats


def entropy_curves(
    target: ArrayLike, nontarget: ArrayLike, prior_log_odds: ArrayLike | None = None
) -> EntropyCurves:
    """Compute the empirical cross-entropy over the prior (Ramos & González-Rodríguez 2013).

    How many bits are still missing to know who spoke, when someone with this prior trusts the
    ratios: as they are, after the best monotone calibration, and with a ratio of 1 for all. At log
    odds of 0 the first is Cllr and the second minCllr. Divided by the third it is the normalized
    cross-entropy.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Log-likelihood ratios, in nats.
    prior_log_odds : (K,)
        Natural logarithm of the odds; default: from -7 to 7.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    sides = check_scores(target, nontarget)
    odds = np.asarray(
        np.linspace(-7, 7, 71) if prior_log_odds is None else prior_log_odds, dtype=np.float64
    )
    monotone = fit_monotone(*sides)
    actual = _cross_entropy([summarized(side) for side in sides], odds)
    minimal = _cross_entropy([summarized(monotone(side)) for side in sides], odds)
    neutral = _cross_entropy([(np.zeros(1), np.ones(1))] * 2, odds)
    return EntropyCurves(odds, actual, minimal, neutral)


def _cross_entropy(sides: list[tuple[Floats, Floats]], odds: Floats) -> Floats:
    (target, n_target), (nontarget, n_nontarget) = sides
    prior = 1 / (1 + np.exp(-odds))
    posterior_target = np.logaddexp(0.0, -(target[:, None] + odds))  # (N, K)
    posterior_nontarget = np.logaddexp(0.0, nontarget[:, None] + odds)
    loss = prior * (n_target @ posterior_target) / n_target.sum()
    loss += (1 - prior) * (n_nontarget @ posterior_nontarget) / n_nontarget.sum()
    return np.asarray(loss / math.log(2))


@dataclass(frozen=True, eq=False)
class CostCurves:
    """Normalized detection costs (K,) over the effective prior's log odds (K,)."""

    prior_log_odds: Floats
    actual: Floats | None
    minimal: Floats


def cost_curves(
    target: ArrayLike,
    nontarget: ArrayLike,
    llr: tuple[ArrayLike, ArrayLike] | None = None,
    prior_log_odds: ArrayLike | None = None,
) -> CostCurves:
    """Compute minimal and actual detection cost over the effective prior.

    The normalized Bayes error-rate plot of Brümmer & de Villiers 2013 (the BOSARIS toolkit). Where
    the actual cost leaves the minimal one, decisions by the ratios are worse than the scores would
    allow; where it is above 1, not listening would be better.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Scores.
    llr : pair of (N,), (M,), optional
        Their log-likelihood ratios, for the actual cost.
    prior_log_odds : (K,)
        Default: from -9 to 5.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    odds = np.asarray(
        np.linspace(-9, 5, 113) if prior_log_odds is None else prior_log_odds, dtype=np.float64
    )
    p_miss, p_fa = detect(target, nontarget).hull
    # Costs p · p_miss + (1 - p) · p_fa, over the lesser of p and 1 - p.
    weight_miss, weight_fa = np.exp(np.maximum(odds, 0)), np.exp(np.maximum(-odds, 0))
    minimal = np.array(
        [
            float((miss * p_miss + fa * p_fa).min())
            for miss, fa in zip(weight_miss, weight_fa, strict=True)
        ]
    )
    actual = None
    if llr is not None:
        low, high = (np.sort(side) for side in check_scores(*llr))
        missed = np.searchsorted(low, -odds, side="left") / len(low)
        accepted = 1 - np.searchsorted(high, -odds, side="left") / len(high)
        actual = weight_miss * missed + weight_fa * accepted
    return CostCurves(odds, actual, minimal)


@dataclass(frozen=True, eq=False)
class Reliability:
    """What ratios were given (B,) and what they were worth (B,), in bins of as much weight.

    ``low`` and ``high`` are 95 % intervals of the second, as if trials were independent.
    """

    given: Floats
    found: Floats
    low: Floats
    high: Floats


def reliability(target: ArrayLike, nontarget: ArrayLike, n_bins: int = N_BINS) -> Reliability:
    """Hold log-likelihood ratios against how often they came true.

    In each bin, the logarithm of the share of the targets that fall into it over the share of the
    nontargets; and what it would be if each ratio were right, by the mean probability of a target
    at even odds, so that nothing but miscalibration sets them apart. Bins hold about as much weight
    each, of which both kinds have half; ties share a bin, and bins of one kind are left out.

    Parameters
    ----------
    target, nontarget : (N,), (M,)
        Log-likelihood ratios, in nats.

    Raises
    ------
    ScoreError
        When a side is empty or holds NaN.
    """
    from scipy.special import expit
    from scipy.stats import beta

    targets, nontargets = check_scores(target, nontarget)
    values, place = np.unique(np.concatenate([targets, nontargets]), return_inverse=True)
    n_target = np.bincount(place[: len(targets)], minlength=len(values))
    n_nontarget = np.bincount(place[len(targets) :], minlength=len(values))
    weight = 0.5 * (n_target / len(targets) + n_nontarget / len(nontargets))
    middle = np.cumsum(weight) - weight / 2
    bins = np.minimum((middle * n_bins).astype(np.int64), n_bins - 1)
    t, n, same, other = (
        np.bincount(bins, each, minlength=n_bins)
        for each in (n_target, n_nontarget, weight * expit(values), weight * expit(-values))
    )
    used = (t > 0) & (n > 0)
    t, n = t[used], n[used]
    with np.errstate(divide="ignore"):
        given = np.log(same[used]) - np.log(other[used])
    share = t / (t + n)
    low, high = beta.ppf(0.025, t + 0.5, n + 0.5), beta.ppf(0.975, t + 0.5, n + 0.5)
    prior = math.log(len(targets) / len(nontargets))
    log_odds = [np.log(p) - np.log1p(-p) - prior for p in (share, low, high)]
    return Reliability(given, *log_odds)


@dataclass(frozen=True, eq=False)
class ShareAbove:
    """The share of trials (P,) whose value is at least so much (P,)."""

    value: Floats
    share: Floats


def share_above(values: ArrayLike, most: int = MAX_POINTS) -> ShareAbove:
    """Give one side of a Tippett plot: for each value the share of trials that reach it."""
    ordered = np.sort(np.asarray(values, dtype=np.float64).ravel())
    places = np.unique(np.linspace(0, len(ordered) - 1, min(most, len(ordered))).astype(np.int64))
    values = ordered[places]
    return ShareAbove(values, 1 - np.searchsorted(ordered, values, side="left") / len(ordered))
