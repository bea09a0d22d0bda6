"""Single numbers that say how well scores tell speakers apart, and how well they are calibrated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.config import check_range
from speakergmm.evaluation.cost import CostModel
from speakergmm.evaluation.detection import OperatingPoint, detect
from speakergmm.evaluation.roc import check_scores

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


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
