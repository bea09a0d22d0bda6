"""The compiled part of scoring: from log densities to sums of log-likelihood ratios.

Importing this module loads numba.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import float32, float64, int32, int64, types, void

from speakergmm.compiled import READ_2, READ_3, compiled
from speakergmm.gmm.kernel import (
    EXPONENT_BIAS,
    EXPONENT_SHIFT,
    HALF,
    LN2_HIGH,
    LN2_LOW,
    LOG2_E,
    ONE,
    P0,
    P1,
    P2,
    P3,
    P4,
    P5,
    ZERO,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

# e^x of what lies further below the largest is no part of a float32 sum.
LOWEST = np.float32(-80.0)

# Columns that are computed side by side.
LANES = 16

# Components whose maximum is looked at together in the search for the best.
GROUP = 8


@compiled(void(READ_3, READ_2, float64[::1]))
def add_log_likelihoods(  # pragma: no cover
    differences: NDArray[np.float32], background: NDArray[np.float32], sums: NDArray[np.float64]
) -> None:
    """Add the log-likelihoods of a block of frames under several models.

    Parameters
    ----------
    differences : (T, S, C)
        log w_c N(x_t) of each model less that of the background model.
    background : (T, C)
        log w_c N(x_t) of the background model.
    sums : (S,)
        Each model's sum of log-likelihoods is added to it.
    """
    n_models, n_components = differences.shape[1:]
    exponent = np.empty(n_components, np.int32)
    power = exponent.view(np.float32)
    value = np.empty(n_components, np.float32)
    for t in range(differences.shape[0]):
        below = background[t]
        for m in range(n_models):
            row = differences[t, m]
            top = row[0] + below[0]
            for c in range(n_components):
                value[c] = row[c] + below[c]
                top = max(top, value[c])
            for c in range(n_components):
                x = max(value[c] - top, LOWEST)
                n = np.floor(x * LOG2_E + HALF)
                r = (x - n * LN2_HIGH) - n * LN2_LOW
                p = ((((P5 * r + P4) * r + P3) * r + P2) * r + P1) * r + P0
                value[c] = p * r * r + r + ONE
                exponent[c] = (np.int32(n) + EXPONENT_BIAS) << EXPONENT_SHIFT
            total = ZERO
            for c in range(n_components):
                total += value[c] * power[c]
            sums[m] += np.float64(top) + math.log(np.float64(total))


@compiled(void(READ_2, int32[:, ::1], float32[:, ::1]))
def find_best(  # pragma: no cover
    joint: NDArray[np.float32], index: NDArray[np.int32], value: NDArray[np.float32]
) -> None:
    """Find the best components of each frame, the best first.

    Parameters
    ----------
    joint : (T, C)
        Log densities.
    index, value : (T, top_c)
        Get the components' numbers and their log densities.
    """
    n_components, n_best = joint.shape[1], index.shape[1]
    n_groups = n_components // GROUP
    highest = np.empty(n_groups + 1, np.float32)
    for t in range(joint.shape[0]):
        row, best, where = joint[t], value[t], index[t]
        for i in range(n_best):
            best[i] = -np.inf
            where[i] = 0
        # Group g holds the components c with c modulo n_groups = g; the last holds what is left.
        for g in range(n_groups):
            highest[g] = row[g]
        for j in range(1, GROUP):
            members = row[j * n_groups : (j + 1) * n_groups]
            for g in range(n_groups):
                highest[g] = max(highest[g], members[g])
        highest[n_groups] = np.inf
        for g in range(n_groups + 1):
            if highest[g] <= best[n_best - 1]:
                continue
            first, end, step = g, n_groups * GROUP, n_groups
            if g == n_groups:
                first, end, step = n_groups * GROUP, n_components, 1
            for c in range(first, end, step):
                x = row[c]
                if x > best[n_best - 1]:
                    i = n_best - 1
                    while i > 0 and best[i - 1] < x:
                        best[i] = best[i - 1]
                        where[i] = where[i - 1]
                        i -= 1
                    best[i] = x
                    where[i] = c


@compiled(
    void(
        READ_2, int32[:, ::1], READ_2, READ_3, types.Array(int64, 1, "C", readonly=True),
        float64[::1],
    )
)  # fmt: skip
def add_top_ratios(  # noqa: PLR0912  # pragma: no cover
    expanded: NDArray[np.float32],
    index: NDArray[np.int32],
    value: NDArray[np.float32],
    operand: NDArray[np.float32],
    models: NDArray[np.int64],
    sums: NDArray[np.float64],
) -> None:
    """Add the log-likelihood ratios of a block of frames, over each frame's best components.

    Parameters
    ----------
    expanded : (T, K)
        [x', x'², 1], or [x', 1], and zeros up to K.
    index, value : (T, top_c)
        From `find_best`.
    operand : (C, S, K)
        A speaker's log density of component c less the background model's is
        expanded · operand[c, speaker].
    models : (N,)
        The speakers that are wanted.
    sums : (N,)
        Each one's sum of ratios is added to it.
    """
    n_best, n_models, width = index.shape[1], len(models), expanded.shape[1]
    # The columns after the speakers are the background model, whose differences are 0. They fill up
    # whole blocks of lanes, so that all columns are rounded alike: equal models score exactly 0.
    n_columns = (n_models // LANES + 1) * LANES
    joint = np.zeros((n_best, n_columns), np.float32)
    top = np.empty(n_columns, np.float32)
    total = np.empty(n_columns, np.float32)
    exponent = np.empty(n_columns, np.int32)
    power = exponent.view(np.float32)
    log_likelihoods = np.empty(n_columns)
    for t in range(expanded.shape[0]):
        x_row = expanded[t]
        for m in range(n_columns):
            top[m] = -np.inf
            total[m] = ZERO
        for i in range(n_best):
            component = operand[index[t, i]]
            below = value[t, i]
            for m in range(n_models):
                row = component[models[m]]
                difference = ZERO
                for k in range(width):
                    difference += x_row[k] * row[k]
                joint[i, m] = below + difference
            for m in range(n_models, n_columns):
                joint[i, m] = below
            for m in range(n_columns):
                top[m] = max(top[m], joint[i, m])
        for i in range(n_best):
            row = joint[i]
            for first in range(0, n_columns, LANES):
                for m in range(first, first + LANES):
                    x = max(row[m] - top[m], LOWEST)
                    n = np.floor(x * LOG2_E + HALF)
                    r = (x - n * LN2_HIGH) - n * LN2_LOW
                    p = ((((P5 * r + P4) * r + P3) * r + P2) * r + P1) * r + P0
                    row[m] = p * r * r + r + ONE
                    exponent[m] = (np.int32(n) + EXPONENT_BIAS) << EXPONENT_SHIFT
                for m in range(first, first + LANES):
                    total[m] += row[m] * power[m]
        for m in range(n_models + 1):
            log_likelihoods[m] = np.float64(top[m]) + math.log(np.float64(total[m]))
        for m in range(n_models):
            sums[m] += log_likelihoods[m] - log_likelihoods[n_models]
