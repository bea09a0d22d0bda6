"""Sums over the trials of resamples, by way of sums over pairs of speakers.

A trial's weight is that of its speakers. So what each trial adds is summed once over the trials of
each pair of speakers, and a resample is a sum over pairs, of which there are far fewer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora import trial_speakers
from speakergmm.evaluation.roc import check_scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora import Trials

# So many cells of pairs of speakers are counted, more are sorted, unless there are more trials.
MANY_CELLS = 1 << 20


def batches_of(counts: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Cut counts (R, S) into what is worked on side by side."""
    from speakergmm.evaluation.resampling import LANES

    return [counts[start : start + LANES] for start in range(0, len(counts), LANES)]


def in_lanes(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lay the counts (R, S) of a batch side by side, (S + 1, LANES); those that lack are 0.

    The last row is that of models that are of nobody: once in each.
    """
    from speakergmm.evaluation.resampling import LANES

    lanes = np.zeros((counts.shape[1] + 1, LANES))
    lanes[:-1, : len(counts)] = counts.T
    lanes[-1] = 1.0
    return lanes


def llr_parts(
    llr: NDArray[np.float64], is_target: NDArray[np.bool_], thresholds: Sequence[float]
) -> Iterator[NDArray[np.float64]]:
    """Give what each trial (N,) adds: itself, its loss in nats, whether infinite, its errors."""
    check_scores(llr[is_target], llr[~is_target])
    yield np.ones(len(llr))
    loss = np.logaddexp(0.0, np.where(is_target, -llr, llr))
    yield np.where(np.isinf(loss), 0.0, loss)
    yield np.isinf(loss).astype(np.float64)
    for threshold in thresholds:
        yield ((llr >= threshold) != is_target).astype(np.float64)


class TrialSpeakers:
    """Who speaks on either side of each trial (N,), by number, and how many they are.

    ``target`` is who speaks in it if it is a target trial: its model's speaker, or its test's,
    where the model is of nobody, whose number is that of the speakers.
    """

    def __init__(self, trials: Trials) -> None:
        model_speaker, test_speaker, self.n = trial_speakers(trials)
        self.model = model_speaker.astype(np.int32)[trials.model_index]
        self.test = test_speaker.astype(np.int32)[trials.test_index]
        self.target = np.where(self.model == self.n, self.test, self.model)


def _cells(
    first: NDArray[np.int32], second: NDArray[np.int32], n: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.intp]]:
    """Give the pairs (P,), (P,) that occur among numbers below n, and each one's place (N,)."""
    codes = first.astype(np.int64) * n + second
    if n * n <= max(len(codes), MANY_CELLS):
        # Counting is faster than sorting, where there are few cells.
        used = np.flatnonzero(np.bincount(codes, minlength=1))
        place = np.empty(int(used[-1]) + 1 if len(used) else 0, dtype=np.intp)
        place[used] = np.arange(len(used))
        return (used // n).astype(np.int32), (used % n).astype(np.int32), place[codes]
    pairs, index = np.unique(codes, return_inverse=True)
    return (pairs // n).astype(np.int32), (pairs % n).astype(np.int32), index


class PairSums:
    """Sums over trials in resamples of the speakers, from sums over each pair of speakers.

    Parameters
    ----------
    speakers : TrialSpeakers
    is_target : (N,)
    values : iterable of (N,)
        What each trial adds, times its weight: V of them, one at a time.
    """

    def __init__(
        self,
        speakers: TrialSpeakers,
        is_target: NDArray[np.bool_],
        values: Iterable[NDArray[np.float64]],
    ) -> None:
        self.n_speakers = speakers.n
        kinds = [is_target, ~is_target]
        # The weight of a target trial is that of one speaker.
        alone, place = np.unique(speakers.target[is_target], return_inverse=True)
        pairs = [
            (alone, np.full(len(alone), -1, dtype=np.int32), place),
            _cells(speakers.model[~is_target], speakers.test[~is_target], speakers.n + 1),
        ]
        sums: list[list[NDArray[np.float64]]] = [[], []]
        for value in values:
            for kind in (0, 1):
                first, _, place = pairs[kind]
                total = np.bincount(place, value[kinds[kind]], len(first))
                sums[kind].append(total.astype(np.float64))
        self.kinds = [
            (first, second, np.stack(parts, axis=1))
            for (first, second, _), parts in zip(pairs, sums, strict=True)
        ]

    def sums(self, lanes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Add up target and nontarget trials, (V, LANES) each, under the counts (S + 1, LANES)."""
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
