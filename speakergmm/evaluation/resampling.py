"""The compiled part of the bootstrap: all metrics of many resamples of the speakers.

A resample is how often each speaker was drawn. Resamples are worked on side by side, so that each
trial is looked at once for `LANES` of them. Importing this module loads numba.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import float64, int32, int64, types, void

from speakergmm.compiled import READ_INDEX, compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Resamples that are worked on side by side: a vector register of counts, and some.
LANES = 16

READ_COUNTS = types.Array(float64, 2, "C", readonly=True)
READ_WEIGHTS = types.Array(float64, 1, "A", readonly=True)
READ_VALUES = types.Array(float64, 1, "C", readonly=True)
READ_ENDS = types.Array(int64, 1, "C", readonly=True)

# Infinite and missing numbers may occur.
CAREFUL = frozenset({"contract", "reassoc", "nsz"})

# Columns of the values of a resample, before those of the cost models and of the ratios of errors.
EER_INTERPOLATED, MIN_CLLR, AUC, N_FIXED = 0, 1, 2, 3


@compiled(
    void(
        READ_COUNTS, READ_INDEX, READ_ENDS, READ_INDEX, READ_INDEX, READ_ENDS,
        float64[:, ::1], float64[:, ::1],
    ),
    fast_math=CAREFUL,
)  # fmt: skip
def add_weights(  # pragma: no cover
    counts: NDArray[np.float64],
    target_speaker: NDArray[np.int32],
    target_ends: NDArray[np.int64],
    model_speaker: NDArray[np.int32],
    test_speaker: NDArray[np.int32],
    nontarget_ends: NDArray[np.int64],
    n_target: NDArray[np.float64],
    n_nontarget: NDArray[np.float64],
) -> None:
    """Weigh the trials of each run in `LANES` resamples.

    Parameters
    ----------
    counts : (S, LANES)
        How often each speaker was drawn in each resample.
    target_speaker : (N,)
        Speaker of each target trial, in rising order of score.
    target_ends, nontarget_ends : (G + 1,)
        Which of them each run holds.
    model_speaker, test_speaker : (M,)
        Speakers of each nontarget trial, in rising order of score.
    n_target, n_nontarget : (G, LANES)
        Are filled with the weights of the runs.
    """
    for g in range(len(target_ends) - 1):
        targets, nontargets = n_target[g], n_nontarget[g]
        for lane in range(LANES):
            targets[lane] = nontargets[lane] = 0.0
        for i in range(target_ends[g], target_ends[g + 1]):
            drawn = counts[target_speaker[i]]
            for lane in range(LANES):
                targets[lane] += drawn[lane]
        for i in range(nontarget_ends[g], nontarget_ends[g + 1]):
            models, tests = counts[model_speaker[i]], counts[test_speaker[i]]
            for lane in range(LANES):
                nontargets[lane] += models[lane] * tests[lane]


@compiled(
    int64(READ_WEIGHTS, READ_WEIGHTS, float64[::1], float64[::1], float64[::1]), fast_math=CAREFUL
)
def pool_runs(  # pragma: no cover
    n_target: NDArray[np.float64],
    n_nontarget: NDArray[np.float64],
    block_target: NDArray[np.float64],
    block_nontarget: NDArray[np.float64],
    values: NDArray[np.float64],
) -> int:
    """Pool adjacent violators among the weights of runs (G,), and read AUC and EER on the way.

    Parameters
    ----------
    block_target, block_nontarget : (G,)
        Are filled with the weights of the blocks, whose share of targets rises.
    values : (V,)
        Its interpolated EER and its AUC are filled.

    Returns
    -------
    int
        Number of blocks; 0 where a kind of trial has no weight.
    """
    all_targets = all_nontargets = 0.0
    for g in range(len(n_target)):
        all_targets += n_target[g]
        all_nontargets += n_nontarget[g]
    if all_targets == 0.0 or all_nontargets == 0.0:
        return 0
    missed = rejected = won = 0.0
    equal, n_blocks = -1.0, 0
    for g in range(len(n_target)):
        targets, nontargets = n_target[g], n_nontarget[g]
        if targets + nontargets == 0.0:
            continue
        won += targets * (rejected + 0.5 * nontargets)
        if equal < 0.0:
            # p_miss - p_fa before and after the run: where does the line between them meet 0?
            before = missed / all_targets - (all_nontargets - rejected) / all_nontargets
            after = before + targets / all_targets + nontargets / all_nontargets
            if after >= 0.0:
                equal = (missed + targets * (-before / (after - before))) / all_targets
        missed += targets
        rejected += nontargets
        while (
            n_blocks > 0
            and block_target[n_blocks - 1] * nontargets >= targets * block_nontarget[n_blocks - 1]
        ):
            n_blocks -= 1
            targets += block_target[n_blocks]
            nontargets += block_nontarget[n_blocks]
        block_target[n_blocks], block_nontarget[n_blocks] = targets, nontargets
        n_blocks += 1
    values[EER_INTERPOLATED] = equal
    values[AUC] = won / (all_targets * all_nontargets)
    return n_blocks


@compiled(
    void(READ_WEIGHTS, READ_WEIGHTS, READ_VALUES, READ_VALUES, READ_VALUES, float64[::1]),
    fast_math=CAREFUL,
)
def read_hull(  # pragma: no cover
    block_target: NDArray[np.float64],
    block_nontarget: NDArray[np.float64],
    cost_miss: NDArray[np.float64],
    cost_fa: NDArray[np.float64],
    ratios: NDArray[np.float64],
    values: NDArray[np.float64],
) -> None:
    """Read off the convex hull, given by its blocks (B,): minCllr, minDCF, and its points.

    Parameters
    ----------
    cost_miss, cost_fa : (K,)
        Normalized cost of each rate.
    ratios : (J,)
        Rising p_miss / p_fa at which p_fa is asked for. At 1 it is the equal error rate.
    values : (3 + K + J,)
        All but its interpolated EER and AUC are filled.
    """
    all_targets, all_nontargets = block_target.sum(), block_nontarget.sum()
    n_costs, n_blocks = len(cost_miss), len(block_target)
    for k in range(n_costs):
        values[N_FIXED + k] = cost_fa[k]
    met = 0
    loss, p_miss, p_fa = 0.0, 0.0, 1.0
    for b in range(n_blocks):
        targets, nontargets = block_target[b] / all_targets, block_nontarget[b] / all_nontargets
        # A block of one kind only has an infinite ratio, which costs that kind nothing.
        if targets > 0.0 and nontargets > 0.0:
            loss += targets * math.log1p(nontargets / targets)
            loss += nontargets * math.log1p(targets / nontargets)
        # Ratios rise, so they are met one after the other on the way from (0, 1) to (1, 0).
        while met < len(ratios):
            before = p_miss - ratios[met] * p_fa
            after = before + targets + ratios[met] * nontargets
            if after < 0.0 and b < n_blocks - 1:
                break
            values[N_FIXED + n_costs + met] = p_fa - nontargets * min(
                1.0, -before / (after - before)
            )
            met += 1
        p_miss += targets
        p_fa = max(0.0, p_fa - nontargets)
        for k in range(n_costs):
            cost = cost_miss[k] * p_miss + cost_fa[k] * p_fa
            values[N_FIXED + k] = min(values[N_FIXED + k], cost)
    values[MIN_CLLR] = loss / (2.0 * math.log(2.0))


@compiled(
    void(READ_COUNTS, int32[::1], int32[::1], READ_COUNTS, float64[:, ::1]), fast_math=CAREFUL
)
def add_pair_sums(  # pragma: no cover
    counts: NDArray[np.float64],
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    values: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """Add up values of pairs of speakers, each as often as its speakers were drawn together.

    Parameters
    ----------
    counts : (S, LANES)
    first, second : (P,)
        Speakers of a pair; second below 0: of the first alone, whose weight is its count.
    values : (P, V)
    sums : (V, LANES)
        Are added to.
    """
    weights = np.empty(LANES)
    for p in range(len(first)):
        drawn = counts[first[p]]
        for lane in range(LANES):
            weights[lane] = drawn[lane]
        if second[p] >= 0:
            others = counts[second[p]]
            for lane in range(LANES):
                weights[lane] *= others[lane]
        for v in range(values.shape[1]):
            value, row = values[p, v], sums[v]
            for lane in range(LANES):
                row[lane] += weights[lane] * value
