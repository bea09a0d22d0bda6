"""The compiled kernel: statistics of a block of frames from its log densities.

A frame has noticeable responsibilities under few components of a trained UBM (some twenty of 512
on speech). So after the one matrix product that gives the log densities, only components within
`CUT_OFF` nats of the best are exponentiated and summed: that is cheaper than a second product. What
is dropped is less than C · e^-CUT_OFF of a frame, 8.5e-5 for C = 2,048 if all lay at the edge.

Importing this module loads numba; `gmm.statistics` does so only where there is work that pays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import float32, int32, int64, njit, void

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CUT_OFF = np.float32(17.0)

# Components whose maximum is looked at together: the numbers that a vector register holds.
GROUP = 16

# NaN cannot occur: frames are checked, and what float32 cannot hold is computed elsewhere.
FAST_MATH = {"contract", "reassoc", "nsz", "arcp", "nnan"}

# exp(x) as 2^n times a polynomial (Cephes expf, error 1e-7): a call of the library's function for
# each number would keep the loop from being vectorized.
LOG2_E = np.float32(1.4426950408889634)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
P5, P4, P3 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
P2, P1, P0 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
HALF, ONE, ZERO = np.float32(0.5), np.float32(1.0), np.float32(0.0)
EXPONENT_BIAS, EXPONENT_SHIFT = np.int32(127), np.int32(23)


def _compiled(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile ahead for fixed types, and keep the result on disk where that is possible."""
    compiler: Any = njit
    options = {"nogil": True, "fastmath": FAST_MATH, "error_model": "numpy"}

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return compiler(signature, cache=True, **options)(function)
        except RuntimeError:
            # Neither the package's folder nor the user's cache can be written.
            return compiler(signature, **options)(function)

    return decorate


@_compiled(
    int64(
        float32[:, ::1], float32[:, ::1], float32[:, ::1], float32[::1], float32[::1],
        int32[::1], float32[::1], int32[::1], float32[::1],
    )
)  # fmt: skip
def add_block(  # pragma: no cover
    joint: NDArray[np.float32],
    expanded: NDArray[np.float32],
    moments: NDArray[np.float32],
    best: NDArray[np.float32],
    sums: NDArray[np.float32],
    index: NDArray[np.int32],
    value: NDArray[np.float32],
    exponent: NDArray[np.int32],
    power: NDArray[np.float32],
) -> int:
    """Add the moments of a block's frames to those of their components.

    Parameters
    ----------
    joint : (T, C)
        log w_c N(x_t); C a multiple of `GROUP`.
    expanded : (T, K)
        What is averaged: [x', x'², 1], and zeros up to a whole number of registers.
    moments : (C, K)
        γᵀ · expanded is added to it.
    best, sums : (T,)
        Get the row maximum, and the sum of exp(joint - maximum).
    index, value, exponent, power : (C,)
        Room to work in; ``power`` is ``exponent`` seen as float32.

    Returns
    -------
    int
        How many (frame, component) pairs lay within the cut-off.
    """
    n_groups = joint.shape[1] // GROUP
    width = expanded.shape[1]
    n_pairs = 0
    for t in range(joint.shape[0]):
        row = joint[t]
        # The room for values first holds the maximum of each group.
        for g in range(n_groups):
            highest = row[g * GROUP]
            for j in range(1, GROUP):
                highest = max(highest, row[g * GROUP + j])
            value[g] = highest
        top = value[0]
        for g in range(1, n_groups):
            top = max(top, value[g])
        limit = top - CUT_OFF
        k = 0
        for g in range(n_groups):
            if value[g] >= limit:
                for c in range(g * GROUP, g * GROUP + GROUP):
                    if row[c] >= limit:
                        index[k] = c
                        k += 1
        for i in range(k):
            x = row[index[i]] - top
            n = np.floor(x * LOG2_E + HALF)
            r = (x - n * LN2_HIGH) - n * LN2_LOW
            p = ((((P5 * r + P4) * r + P3) * r + P2) * r + P1) * r + P0
            value[i] = p * r * r + r + ONE
            exponent[i] = (np.int32(n) + EXPONENT_BIAS) << EXPONENT_SHIFT
        total = ZERO
        for i in range(k):
            value[i] *= power[i]
            total += value[i]
        scale = ONE / total
        x_row = expanded[t]
        for i in range(k):
            weight = value[i] * scale
            moment = moments[index[i]]
            for j in range(width):
                moment[j] += weight * x_row[j]
        best[t] = top
        sums[t] = total
        n_pairs += k
    return n_pairs


@_compiled(
    void(
        float32[:, ::1], float32[:, ::1], int32[::1], float32[:, ::1], float32[:, ::1],
        float32[::1],
    )
)  # fmt: skip
def replace_far(  # pragma: no cover
    joint: NDArray[np.float32],
    expanded: NDArray[np.float32],
    index: NDArray[np.int32],
    means: NDArray[np.float32],
    scales: NDArray[np.float32],
    normalizers: NDArray[np.float32],
) -> None:
    """Put the log densities of far components into ``joint``: `FarComponents.replace_in`."""
    for t in range(joint.shape[0]):
        x_row = expanded[t]
        for i in range(len(index)):
            mean, scale = means[i], scales[i]
            total = ZERO
            for d in range(means.shape[1]):
                z = (x_row[d] - mean[d]) * scale[d]
                total += z * z
            joint[t, index[i]] = normalizers[i] - HALF * total


def padded(size: int) -> int:
    """Round up to a whole number of groups."""
    return -(-size // GROUP) * GROUP
