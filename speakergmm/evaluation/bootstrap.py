"""Confidence intervals by bootstrap over speakers.

Trials are not independent: a speaker who is hard to recognize spoils all trials that he or she is
in. So speakers, not trials, are drawn with replacement (the subsets bootstrap of Bolle, Ratha &
Pankanti 2004; Poh, Martin & Bengio 2007), on both sides of the trials, since these share speakers
(Wu, Martin, Greenberg & Kacker 2017). A speaker drawn m times counts m times: a target trial gets
weight m, a nontarget trial of speakers drawn m and k times gets m · k.

The interval is made from the resamples in three steps. Bias: a convex hull follows the accidents of
its trials, so the trials at hand look better than the population, and resamples look better than
these by about as much; the resamples are scaled back twice. Skewness: small rates have a longer
tail upwards; the percentiles are accelerated as in BCa (Efron 1987). Few speakers: the percentiles
are taken further out, by the t distribution (Hesterberg 2015, section 5.4). What comes of it is
measured: see ``intervals`` in the benchmarks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora import trial_speakers
from speakergmm.evaluation.roc import check_scores, score_runs
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
CONFIDENCE = 0.95

# What the acceleration is computed from: each speaker left out in turn, or each of as many groups.
MAX_LEFT_OUT = 200


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval, where there is one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class Draws:
    """A number as observed, in each resample (R,), and with speakers left out in turn (L,)."""

    observed: float
    drawn: NDArray[np.float64]
    left_out: NDArray[np.float64]
    n_speakers: int

    def minus(self, other: Draws) -> Draws:
        """Give the difference to a number in the same resamples, for a paired comparison."""
        return Draws(
            self.observed - other.observed,
            self.drawn - other.drawn,
            self.left_out - other.left_out,
            self.n_speakers,
        )

    def without_bias(self, *, is_difference: bool = False) -> NDArray[np.float64]:
        """Resamples as they would be about the population's number, in rising order.

        What is never negative is scaled; a difference is shifted.
        """
        drawn = np.sort(self.drawn)
        mean = float(drawn.mean())
        if not math.isfinite(mean) or (mean == 0 and not is_difference):
            return np.asarray(drawn)
        if is_difference:
            return np.asarray(drawn + 2 * (self.observed - mean))
        return np.asarray(drawn * (self.observed / mean) ** 2)

    @property
    def acceleration(self) -> float:
        """How fast the standard error grows with the number itself (Efron 1987, eq. 7.3)."""
        if not np.isfinite(self.left_out).all():
            return 0.0
        away = self.left_out.mean() - self.left_out
        scale = float((away**2).sum()) ** 1.5
        return float((away**3).sum()) / (6 * scale) if scale > 0 else 0.0

    def interval(self, *, is_difference: bool = False) -> tuple[float, float]:
        """Give the 95 % interval; see the head of this module."""
        from scipy.special import ndtr, stdtrit

        n = self.n_speakers
        far = stdtrit(n - 1, (1 + CONFIDENCE) / 2) * math.sqrt(n / (n - 1))
        shares = [float(ndtr(z / (1 - self.acceleration * z))) for z in (-float(far), float(far))]
        # A value that was drawn, never one between two: there is none between a number and
        # infinity.
        low, high = np.quantile(
            self.without_bias(is_difference=is_difference), shares, method="inverted_cdf"
        )
        return float(low), float(high)

    def estimate(self, *, highest: float = math.inf) -> Estimate:
        """Give the number with its interval, between 0 and the highest that it can be.

        None where nothing was drawn, or nothing else than 0: resamples do not have what is not
        there.
        """
        if not self.drawn.any():
            return Estimate(self.observed)
        low, high = self.interval()
        # What was observed is always possible.
        low, high = min(low, self.observed), max(high, self.observed)
        return Estimate(self.observed, max(0.0, low), min(highest, high))

    def p_value(self) -> float:
        """Two-sided p-value of a difference being 0: where the interval would just reach it."""
        from scipy.special import ndtri, stdtr

        drawn, n = self.without_bias(is_difference=True), self.n_speakers
        if not (drawn != 0).any():
            return 1.0
        below = (drawn < 0).sum() + 0.5 * (drawn == 0).sum()
        # As if there were one more resample, half on either side: no p-value is 0.
        z = float(ndtri((below + 0.5) / (len(drawn) + 1)))
        z /= 1 + self.acceleration * z
        return float(2 * stdtr(n - 1, -abs(z) * math.sqrt((n - 1) / n)))


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
        trials, target = scores.trials, scores.trials.is_target
        model_speaker, test_speaker, self.n_speakers = trial_speakers(trials)
        model = model_speaker[trials.model_index].astype(np.int32)
        test = test_speaker[trials.test_index].astype(np.int32)
        self.runs = score_runs(scores.score[target], scores.score[~target])
        rising = np.argsort(scores.score[target], kind="stable")
        self.target_speaker = model[target][rising]
        rising = np.argsort(scores.score[~target], kind="stable")
        self.model_speaker, self.test_speaker = model[~target][rising], test[~target][rising]
        self.ratios = np.array(sorted({1.0, *ratios}))
        self.cost_miss = np.array([float(cost.dcf(1, 0)) for cost in costs])
        self.cost_fa = np.array([float(cost.dcf(0, 1)) for cost in costs])
        names = ["eer_interpolated", "min_cllr", "auc"]
        names += [f"min_dcf:{k}" for k in range(len(costs))]
        names += ["eer" if ratio == 1 else f"p_fa:{ratio:g}" for ratio in self.ratios]
        self.pairs = None
        if scores.llr is not None:
            thresholds = [cost.threshold for cost in costs]
            self.pairs = PairSums(trials, _llr_values(scores.llr, target, thresholds))
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
        """Give the metrics of order (LANES, V) under the counts (S, LANES)."""
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
        """Give Cllr and the actual DCFs (LANES, 1 + K) under the counts (S, LANES)."""
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


def batches_of(counts: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Cut counts (R, S) into what is worked on side by side."""
    from speakergmm.evaluation.resampling import LANES

    return [counts[start : start + LANES] for start in range(0, len(counts), LANES)]


def in_lanes(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lay the counts (R, S) of a batch side by side, (S, LANES); those that lack are 0."""
    from speakergmm.evaluation.resampling import LANES

    lanes = np.zeros((counts.shape[1], LANES))
    lanes[:, : len(counts)] = counts.T
    return lanes


def _batch_values(counts: NDArray[np.float64], resampler: Resampler) -> NDArray[np.float64]:
    lanes = in_lanes(counts)
    values = [resampler.order_values(lanes), resampler.llr_values(lanes)]
    return np.concatenate(values, axis=1)[: len(counts)]


def _llr_values(
    llr: NDArray[np.float64], is_target: NDArray[np.bool_], thresholds: Sequence[float]
) -> NDArray[np.float64]:
    """Tell what each trial (N, 3 + K) adds: itself, its loss, whether infinite, its errors."""
    check_scores(llr[is_target], llr[~is_target])
    loss = np.logaddexp(0.0, np.where(is_target, -llr, llr))
    is_infinite = np.isinf(loss)
    wrong = [(llr >= threshold) != is_target for threshold in thresholds]
    return np.stack([np.ones(len(llr)), np.where(is_infinite, 0.0, loss), is_infinite, *wrong], 1)


class PairSums:
    """Sums over trials in resamples of the speakers, from sums over each pair of speakers.

    Parameters
    ----------
    trials : Trials
    values : (N, V)
        What each trial adds, times its weight.
    """

    def __init__(self, trials: Trials, values: NDArray[np.float64]) -> None:
        model_speaker, test_speaker, self.n_speakers = trial_speakers(trials)
        self.kinds = []
        for is_target in (True, False):
            of_kind = trials.is_target == is_target
            model = model_speaker[trials.model_index[of_kind]]
            test = np.zeros_like(model) if is_target else test_speaker[trials.test_index[of_kind]]
            pairs, place = np.unique(model * self.n_speakers + test, return_inverse=True)
            sums = np.stack(
                [np.bincount(place, value, len(pairs)) for value in values[of_kind].T], axis=1
            )
            first, second = np.divmod(pairs, self.n_speakers)
            # The weight of a target trial is that of one speaker.
            second = np.full_like(first, -1) if is_target else second
            self.kinds.append((first.astype(np.int32), second.astype(np.int32), sums))

    def sums(self, lanes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Add up target and nontarget trials, (V, LANES) each, under the counts (S, LANES)."""
        from speakergmm.evaluation.resampling import add_pair_sums

        target, nontarget = (
            np.zeros((values.shape[1], lanes.shape[1])) for _, _, values in self.kinds
        )
        for (first, second, values), into in zip(self.kinds, (target, nontarget), strict=True):
            add_pair_sums(lanes, first, second, values, into)
        return target, nontarget

    def shares(
        self, counts: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Divide the second sum by the first (R,), of target and of nontarget trials."""
        parts: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = [], []
        for batch in batches_of(counts):
            for kind, (n_trials, n_chosen) in enumerate(self.sums(in_lanes(batch))):
                with np.errstate(invalid="ignore"):
                    parts[kind].append((n_chosen / n_trials)[: len(batch)])
        return np.concatenate(parts[0]), np.concatenate(parts[1])


def bootstrap(
    resampler: Resampler,
    n_resamples: int,
    rng: int | np.random.Generator,
    *,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> dict[str, Draws]:
    """Draw speakers anew, and compute every metric of a scored trial list each time.

    The same trials with the same seed are resampled alike, so that systems can be compared.

    Parameters
    ----------
    n_resamples : int
        0 for none; lists of fewer than five speakers have none either.

    Returns
    -------
    dict
        What was drawn for each of the resampler's names. Resamples without trials of one kind are
        left out.
    """
    n = resampler.n_speakers
    observed = resampler.values(np.ones((1, n)))
    counts = draw_speakers(n, n_resamples, rng)
    drawn = left_out = dict.fromkeys(observed, np.empty(0))
    if len(counts):
        progress.start("intervals", n_resamples)
        drawn = resampler.values(counts, jobs=jobs, progress=progress)
        left_out = resampler.values(leave_speakers_out(n), jobs=jobs)
    return {
        name: Draws(float(observed[name][0]), _known(drawn[name]), _known(left_out[name]), n)
        for name in observed
    }


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
    pairs = PairSums(trials, np.stack([np.ones(len(wrong)), wrong], axis=1))
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
