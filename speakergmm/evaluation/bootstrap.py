"""Confidence intervals by bootstrap over speakers.

Trials are not independent: a speaker who is hard to recognize spoils all trials that he or she is
in. So speakers, not trials, are drawn with replacement (the subsets bootstrap of Bolle, Ratha &
Pankanti 2004; Poh, Martin & Bengio 2007), on both sides of the trials, since these share speakers
(Wu, Martin, Greenberg & Kacker 2017). A speaker drawn m times counts m times: a target trial gets
weight m, a nontarget trial of speakers drawn m and k times gets m · k. A model that is of a class,
of no single speaker, is in every resample: its trials get the weight of their test's speaker.

How an interval is made of the resamples: `speakergmm.evaluation.draws`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora import trial_speakers
from speakergmm.evaluation.detection import detect
from speakergmm.evaluation.draws import Draws
from speakergmm.evaluation.metrics import actual_dcf, cllr
from speakergmm.evaluation.pair_sums import (
    PairSums,
    TrialSpeakers,
    batches_of,
    in_lanes,
    llr_parts,
)
from speakergmm.evaluation.roc import check_scores, runs_of_sorted
from speakergmm.parallel import map_in_order
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora import Scores, Trials
    from speakergmm.evaluation.cost import CostModel
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress

# Fewer speakers than this do not tell how much speakers differ.
MIN_SPEAKERS = 5

# What the acceleration is computed from: each speaker left out in turn, or each of as many groups.
MAX_LEFT_OUT = 200


def draw_speakers(
    n_speakers: int, n_resamples: int, rng: int | np.random.Generator
) -> NDArray[np.float64]:
    """Draw how often each speaker is in each resample (R, S); the rows add up to S.

    There are no rows where speakers are too few for an interval.
    """
    rng = np.random.default_rng(rng)
    counts = np.empty((n_resamples if n_speakers >= MIN_SPEAKERS else 0, n_speakers))
    for row in counts:
        row[:] = np.bincount(rng.integers(n_speakers, size=n_speakers), minlength=n_speakers)
    return counts


def leave_speakers_out(n_speakers: int) -> NDArray[np.float64]:
    """Give the counts (L, S) with each speaker left out in turn, or each of 200 groups."""
    n_groups = min(n_speakers, MAX_LEFT_OUT)
    group = np.arange(n_speakers) % n_groups
    return np.asarray(group != np.arange(n_groups)[:, None], dtype=np.float64)


class Resampler:
    """Computes the metrics of one scored trial list as if its speakers had been drawn anew.

    Parameters
    ----------
    scores : Scores
    costs : sequence of CostModel
        Of minDCF and, where scores are calibrated, actual DCF.
    ratios : sequence of float
        Where else than at 1, which is the EER, the convex hull is asked for: p_miss / p_fa.

    Attributes
    ----------
    names : tuple of str
        What the columns of `values` are: ``eer_interpolated``, ``min_cllr``, ``auc``,
        ``min_dcf:0`` and so on for each cost model, ``p_fa:0.1`` and so on for each ratio, which at
        1 is the ``eer``; of calibrated scores also ``cllr``, ``actual_dcf:0`` and so on.
    n_speakers : int
    """

    def __init__(
        self, scores: Scores, costs: Sequence[CostModel], ratios: Sequence[float] = ()
    ) -> None:
        target = scores.trials.is_target
        speakers = TrialSpeakers(scores.trials)
        self.n_speakers = speakers.n
        low_to_high = []
        for kind in (target, ~target):
            rising = np.argsort(scores.score[kind], kind="stable")
            places = np.flatnonzero(kind)[rising]
            low_to_high.append(scores.score[places])
            if kind is target:
                self.target_speaker = speakers.target[places]
            else:
                self.model_speaker = speakers.model[places]
                self.test_speaker = speakers.test[places]
        self.runs = runs_of_sorted(*check_scores(*low_to_high))
        self.ratios = np.array(sorted({1.0, *ratios}))
        self.cost_miss = np.array([float(cost.dcf(1, 0)) for cost in costs])
        self.cost_fa = np.array([float(cost.dcf(0, 1)) for cost in costs])
        names = ["eer_interpolated", "min_cllr", "auc"]
        names += [f"min_dcf:{k}" for k in range(len(costs))]
        names += ["eer" if ratio == 1 else f"p_fa:{ratio:g}" for ratio in self.ratios]
        self.pairs = None
        if scores.llr is not None:
            thresholds = [cost.threshold for cost in costs]
            self.pairs = PairSums(speakers, target, llr_parts(scores.llr, target, thresholds))
            names += ["cllr", *(f"actual_dcf:{k}" for k in range(len(costs)))]
        self.names = tuple(names)

    def values(
        self, counts: NDArray[np.float64], *, jobs: Jobs = None, progress: Progress = SILENT
    ) -> dict[str, NDArray[np.float64]]:
        """Give each metric (R,) under the counts (R, S) of the speakers.

        NaN where a kind of trial has no weight.
        """
        parts = []
        for part in map_in_order(_batch_values, batches_of(counts), self, jobs=jobs):
            parts.append(part)
            progress.advance(len(part))
        return dict(zip(self.names, np.concatenate(parts).T, strict=True))

    def order_values(self, lanes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the metrics of order (LANES, V) under the counts (S + 1, LANES)."""
        from speakergmm.evaluation.resampling import (
            LANES,
            N_FIXED,
            add_weights,
            pool_runs,
            read_hull,
        )

        runs = self.runs
        n_target, n_nontarget = (np.empty((len(runs.target_ends) - 1, LANES)) for _ in range(2))
        add_weights(
            lanes, self.target_speaker, runs.target_ends,
            self.model_speaker, self.test_speaker, runs.nontarget_ends,
            n_target, n_nontarget,
        )  # fmt: skip
        target, nontarget = np.empty((2, len(n_target)))
        shape = LANES, N_FIXED + len(self.cost_miss) + len(self.ratios)
        values = np.full(shape, np.nan)
        for lane, row in enumerate(values):
            n = pool_runs(n_target[:, lane], n_nontarget[:, lane], target, nontarget, row)
            if n:
                read_hull(target[:n], nontarget[:n], self.cost_miss, self.cost_fa, self.ratios, row)
        return values

    def llr_values(self, lanes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give Cllr and the actual DCFs (LANES, 1 + K) under the counts (S + 1, LANES)."""
        if self.pairs is None:
            return np.empty((lanes.shape[1], 0))
        (n_target, loss, infinite, *misses), (n_nontarget, loss_n, infinite_n, *alarms) = (
            self.pairs.sums(lanes)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            cllr = (loss / n_target + loss_n / n_nontarget) / (2 * math.log(2))
            cllr[(infinite > 0) | (infinite_n > 0)] = np.inf
            cllr[(n_target == 0) | (n_nontarget == 0)] = np.nan
            dcf = [
                cost_miss * miss / n_target + cost_fa * alarm / n_nontarget
                for cost_miss, cost_fa, miss, alarm in zip(
                    self.cost_miss, self.cost_fa, misses, alarms, strict=True
                )
            ]
        return np.stack([cllr, *dcf], axis=1)


def _batch_values(counts: NDArray[np.float64], resampler: Resampler) -> NDArray[np.float64]:
    lanes = in_lanes(counts)
    values = [resampler.order_values(lanes), resampler.llr_values(lanes)]
    return np.concatenate(values, axis=1)[: len(counts)]


def bootstrap(
    scores: Scores,
    costs: Sequence[CostModel],
    n_resamples: int,
    rng: int | np.random.Generator,
    *,
    ratios: Sequence[float] = (),
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> dict[str, Draws]:
    """Compute every metric of a scored trial list, and again with speakers drawn anew.

    The same trials with the same seed are resampled alike, so that systems can be compared.

    Parameters
    ----------
    costs, ratios
        As for `Resampler`.
    n_resamples : int
        0 for none; lists of fewer than five speakers have none either.

    Returns
    -------
    dict
        What was drawn for each of the `Resampler`'s names. Resamples without trials of one kind are
        left out.

    Raises
    ------
    ScoreError
        When there are no trials of one kind, or scores are NaN.
    """
    observed = observed_values(scores, costs, ratios)
    n = trial_speakers(scores.trials)[2]
    counts = draw_speakers(n, n_resamples, rng)
    drawn = left_out = dict.fromkeys(observed, np.empty(0))
    if len(counts):
        resampler = Resampler(scores, costs, ratios)
        progress.start("intervals", n_resamples)
        drawn = resampler.values(counts, jobs=jobs, progress=progress)
        left_out = resampler.values(leave_speakers_out(n), jobs=jobs)
    return {
        name: Draws(value, _known(drawn[name]), _known(left_out[name]), n)
        for name, value in observed.items()
    }


def observed_values(
    scores: Scores, costs: Sequence[CostModel], ratios: Sequence[float] = ()
) -> dict[str, float]:
    """Compute every metric of a scored trial list as it is, by the names of `Resampler`."""
    target, nontarget = scores.target(), scores.nontarget()
    detection = detect(target, nontarget)
    values = {
        "eer": detection.eer(),
        "eer_interpolated": detection.eer_interpolated(),
        "min_cllr": detection.min_cllr(),
        "auc": detection.auc(),
    }
    values |= {f"min_dcf:{k}": detection.min_dcf(cost) for k, cost in enumerate(costs)}
    values |= {f"p_fa:{ratio:g}": detection.p_fa_at_ratio(ratio) for ratio in ratios if ratio != 1}
    if scores.llr is not None:
        is_target = scores.trials.is_target
        llr = scores.llr[is_target], scores.llr[~is_target]
        values["cllr"] = cllr(*llr)
        values |= {f"actual_dcf:{k}": actual_dcf(*llr, cost) for k, cost in enumerate(costs)}
    return values


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[~np.isnan(values)]


def resampled_rates(
    trials: Trials, wrong: NDArray[np.bool_], n_resamples: int, rng: int | np.random.Generator
) -> tuple[Draws, Draws]:
    """Draw speakers anew, and compute the share of wrong target and of wrong nontarget trials.

    Parameters
    ----------
    wrong : (N,)
        Which trials are decided wrongly.
    n_resamples : int
        As in `bootstrap`.

    Returns
    -------
    p_miss, p_fa : Draws
    """
    counted = [np.ones(len(wrong)), wrong.astype(np.float64)]
    pairs = PairSums(TrialSpeakers(trials), trials.is_target, counted)
    n = pairs.n_speakers
    observed = pairs.shares(np.ones((1, n)))
    counts = draw_speakers(n, n_resamples, rng)
    drawn = left_out = (np.empty(0), np.empty(0))
    if len(counts):
        drawn, left_out = pairs.shares(counts), pairs.shares(leave_speakers_out(n))
    p_miss, p_fa = (
        Draws(float(observed[kind][0]), _known(drawn[kind]), _known(left_out[kind]), n)
        for kind in (0, 1)
    )
    return p_miss, p_fa
