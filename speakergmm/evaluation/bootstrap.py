"""Confidence intervals by bootstrap over speakers.

Trials are not independent: a speaker who is hard to recognize spoils all trials that he or she is
in. So speakers, not trials, are drawn with replacement (the subsets bootstrap of Bolle, Ratha &
Pankanti 2004; Poh, Martin & Bengio 2007). A speaker drawn m times counts m times on both sides:
a target trial gets weight m, a nontarget trial of speakers drawn m and k times gets m · k.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora import trial_speakers
from speakergmm.evaluation.metrics import (
    CostModel,
    diagonal_crossing,
    min_cllr_of_groups,
)
from speakergmm.evaluation.roc import hull_groups, rates
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from speakergmm.corpora import Scores, Trials
    from speakergmm.progress import Progress

# Fewer speakers than this do not tell how much speakers differ.
MIN_SPEAKERS = 5
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval, where there is one."""

    value: float
    low: float | None = None
    high: float | None = None


class _SortedTrials:
    """Trials by rising score, cut into the runs of which the convex hull is made.

    Tied trials share a run, and so do neighbors that are all nontargets: merging them moves
    neither the hull nor the lines between operating points.
    """

    def __init__(self, scores: NDArray[np.float64], is_target: NDArray[np.bool_]) -> None:
        self.order = np.argsort(scores, kind="stable")
        ordered = scores[self.order]
        self.is_target = is_target[self.order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        has_target = np.add.reduceat(self.is_target.astype(np.int64), starts) > 0
        keep = has_target | np.append(True, has_target[:-1])
        self.starts = starts[keep]

    def groups(
        self, weights: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weight of targets and of nontargets in each run that has any."""
        ordered = weights[self.order]
        n_target = np.add.reduceat(np.where(self.is_target, ordered, 0.0), self.starts)
        n_nontarget = np.add.reduceat(np.where(self.is_target, 0.0, ordered), self.starts)
        used = n_target + n_nontarget > 0
        return n_target[used], n_nontarget[used]


def metric_values(
    groups: tuple[NDArray[np.float64], NDArray[np.float64]], cost: CostModel
) -> dict[str, float]:
    """Compute the metrics that depend only on the order of the scores, from (weighted) counts."""
    hull = hull_groups(*groups)
    p_miss, p_fa = rates(*hull)
    return {
        "eer": diagonal_crossing(p_miss, p_fa),
        "eer_interpolated": diagonal_crossing(*rates(*groups)),
        "min_dcf": float(cost.dcf(p_miss, p_fa).min()),
        "min_cllr": min_cllr_of_groups(*hull),
    }


def llr_values(
    llr: NDArray[np.float64],
    is_target: NDArray[np.bool_],
    weights: NDArray[np.float64],
    cost: CostModel,
) -> dict[str, float]:
    """Compute the metrics of calibrated ratios, from weighted trials."""
    # Only trials that were drawn: the others' infinite ratios must not meet their weight 0.
    target, nontarget = is_target & (weights > 0), ~is_target & (weights > 0)
    w_target = weights[target] / weights[target].sum()
    w_nontarget = weights[nontarget] / weights[nontarget].sum()
    p_miss = w_target @ (llr[target] < cost.threshold)
    p_fa = w_nontarget @ (llr[nontarget] >= cost.threshold)
    miss = w_target @ np.logaddexp(0.0, -llr[target])
    false_alarm = w_nontarget @ np.logaddexp(0.0, llr[nontarget])
    return {
        "actual_dcf": float(cost.dcf(p_miss, p_fa)),
        "cllr": float((miss + false_alarm) / (2 * np.log(2))),
    }


def resampled_weights(
    trials: Trials, n_resamples: int, rng: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """Yield weights (N,) of the trials in each resample that has trials of both kinds."""
    model_speaker, test_speaker, n_speakers = trial_speakers(trials)
    model, test = model_speaker[trials.model_index], test_speaker[trials.test_index]
    for _ in range(n_resamples):
        counts = np.bincount(rng.integers(n_speakers, size=n_speakers), minlength=n_speakers)
        drawn = counts.astype(np.float64)
        weights = drawn[model] * np.where(trials.is_target, 1.0, drawn[test])
        if weights[trials.is_target].any() and weights[~trials.is_target].any():
            yield weights


def resampled_values(
    scores: Scores,
    cost: CostModel,
    n_resamples: int,
    rng: int | np.random.Generator,
    progress: Progress = SILENT,
) -> tuple[dict[str, float], list[dict[str, float]]]:
    """Compute every metric of a scored trial list, and again for each resample of its speakers.

    The same trials with the same seed are resampled alike, so that systems can be compared.

    Returns
    -------
    observed : dict
    drawn : list of dict
        Empty where there are fewer than five speakers.
    """
    is_target = scores.trials.is_target
    ordered = _SortedTrials(scores.score, is_target)

    def values(weights: NDArray[np.float64]) -> dict[str, float]:
        result = metric_values(ordered.groups(weights), cost)
        if scores.llr is not None:
            result |= llr_values(scores.llr, is_target, weights, cost)
        return result

    observed = values(np.ones(len(scores.trials)))
    if n_resamples == 0 or trial_speakers(scores.trials)[2] < MIN_SPEAKERS:
        return observed, []
    progress.start("intervals", n_resamples)
    drawn = []
    for weights in resampled_weights(scores.trials, n_resamples, np.random.default_rng(rng)):
        drawn.append(values(weights))
        progress.advance()
    return observed, drawn


def estimates(
    scores: Scores,
    cost: CostModel,
    *,
    n_resamples: int,
    rng: int | np.random.Generator,
    progress: Progress = SILENT,
) -> dict[str, Estimate]:
    """Compute every metric of a scored trial list with its 95 % interval.

    Parameters
    ----------
    n_resamples : int
        Bootstrap resamples; 0 for no intervals. Fewer than five speakers give none either.

    Returns
    -------
    dict
        ``eer``, ``eer_interpolated``, ``min_dcf``, ``min_cllr``; with calibrated ratios also
        ``actual_dcf`` and ``cllr``.
    """
    observed, drawn = resampled_values(scores, cost, n_resamples, rng, progress)
    if not drawn:
        return {name: Estimate(value) for name, value in observed.items()}
    tail = (1 - CONFIDENCE) / 2
    # A value that was drawn, never one between two: there is none between a number and infinity.
    quantiles = partial(np.quantile, q=[tail, 1 - tail], method="inverted_cdf")
    spans = {name: quantiles([value[name] for value in drawn]) for name in observed}
    return {
        name: Estimate(value, float(spans[name][0]), float(spans[name][1]))
        for name, value in observed.items()
    }
