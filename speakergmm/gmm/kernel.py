"""The compiled kernel: statistics of frames by one matrix product and one pass over it.

A frame has noticeable responsibilities under few components of a trained UBM (some twenty of 512
on speech). So after the one matrix product that gives the log densities, only components within
`CUT_OFF` nats of the best are exponentiated and summed: that is cheaper than a second product. What
is dropped is less than C · e^-CUT_OFF of a frame, 1.7e-3 for C = 2,048 if all lay at the edge, and
e^HIGHEST_LIFT times that where a rare component is the best; on read speech it is 2.5e-6, and
changes means and standard deviations by some 2e-5 of the latter.

Importing this module loads numba; `gmm.statistics` does so only where there is work that pays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import float32, float64, int64, types

from speakergmm.compiled import READ_1, READ_2, READ_ANY, READ_INDEX, compiled
from speakergmm.gmm.densities import FAR_FRAME, NO_DENSITY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from speakergmm.gmm.densities import BlockDensities, FarComponents

CUT_OFF = np.float32(14.0)

# Frames between product and kernel, where there are few components and where there are many; and
# cells of T × C at most: 6 MB, within the caches.
FEW_FRAMES, MANY_FRAMES = 384, 768
KERNEL_CELLS = 3 << 19

# Frames whose moments are summed in float32: more would cost digits, fewer would cost time.
STRETCH_FRAMES = 8192

# Components whose maximum is looked at together: more where there are many, of which most are far.
FEW_COMPONENTS, SMALL_GROUP, LARGE_GROUP = 1024, 8, 16

# Rows of moments are filled up to whole vector registers.
REGISTER = 16

# A rare component is looked at further down: what is small for a frame may be much for a component
# that few frames are near to. It is raised by how much rarer it is than the average, up to this.
HIGHEST_LIFT = 3.0

# How far the expanded square of a far component may be off, as a share of its distance: by so much
# such components are raised before the look at who is within the cut-off.
FAR_SLACK = 1e-6

# e^-80 of the best is no part of a float32 sum.
LOWEST = np.float32(80.0)

# Frames whose sums are multiplied before a logarithm is taken: with 16, C may be up to 1e19.
FRAMES_PER_LOG = 16

# exp(x) as 2^n times a polynomial (Cephes expf, error 1e-7): a call of the library's function for
# each number would keep the loop from being vectorized.
LOG2_E = np.float32(1.4426950408889634)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
P5, P4, P3 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
P2, P1, P0 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
HALF, ONE, ZERO = np.float32(0.5), np.float32(1.0), np.float32(0.0)
EXPONENT_BIAS, EXPONENT_SHIFT = np.int32(127), np.int32(23)


@dataclass(frozen=True, eq=False)
class KernelConstants:
    """What the kernel needs to know of a model, its components filled up to whole groups.

    ``operand`` (2D + 1, C') gives the log densities raised by ``lift`` (C',): what a component is
    raised by is how much further below the best it may lie and still be looked at. ``slot`` (C',)
    is the row of a far component in the arrays of `FarComponents`, else -1.
    Component c belongs to group c modulo ``n_groups``: group maxima are then maxima of whole rows.
    """

    operand: NDArray[np.float32]
    lift: NDArray[np.float32]
    slot: NDArray[np.int32]
    n_groups: int

    @classmethod
    def of(cls, densities: BlockDensities) -> KernelConstants:
        """Fill up a model's operand by components of no density."""
        weights = np.maximum(densities.weights, 1e-300)
        n_rows, n_components = densities.operand.shape
        group = SMALL_GROUP if n_components < FEW_COMPONENTS else LARGE_GROUP
        n_groups = -(-n_components // group)
        operand = np.zeros((n_rows, group * n_groups), dtype=np.float32)
        operand[:, :n_components] = densities.operand
        operand[-1, n_components:] = NO_DENSITY
        far = densities.far
        slot = np.full(group * n_groups, -1, dtype=np.int32)
        slot[far.index] = np.arange(len(far), dtype=np.int32)
        lift = np.zeros(group * n_groups, dtype=np.float32)
        lift[:n_components] = np.clip(-np.log(n_components * weights), 0.0, HIGHEST_LIFT)
        distances = np.sum(np.square(far.means.astype(np.float64) * far.scales), axis=1)
        lift[far.index] += (FAR_SLACK * distances).astype(np.float32)
        operand[-1] += lift
        # Also where the weight is 0: infinity times a zero inside the product would be NaN.
        np.maximum(operand[-1], NO_DENSITY, out=operand[-1])
        return cls(operand, lift, slot, n_groups)


class SparseMoments(NamedTuple):
    """What `sparse_moments` gives.

    ``moments`` (C, 2D + 1) is Σ_t γ_tc [x', x'², 1], x' = x - center, and ``log_likelihood`` is
    Σ_t log p(x_t): of the first ``n_done`` frames, but for those numbered in ``far``, which float32
    cannot resolve.
    """

    moments: NDArray[np.float64]
    log_likelihood: float
    far: NDArray[np.int64]
    n_done: int


def sparse_moments(
    densities: BlockDensities, frames: NDArray[np.float32], *, max_share: float
) -> SparseMoments:
    """Sum the moments of frames (T, D) under the components that matter to them.

    Stops early where more than ``max_share`` of the components matter.
    """
    constants, far_components = densities.kernel_constants, densities.far
    n_rows, width = constants.operand.shape
    n_components = densities.operand.shape[1]
    wanted = FEW_FRAMES if n_components < FEW_COMPONENTS else MANY_FRAMES
    size = max(1, min(wanted, KERNEL_CELLS // width))
    expanded = np.zeros((size, -(-n_rows // REGISTER) * REGISTER), dtype=np.float32)
    joint = np.empty((size, width), dtype=np.float32)
    part = np.zeros((width, expanded.shape[1]), dtype=np.float32)
    total = np.zeros((n_components, n_rows))
    outside, far = np.empty(size, dtype=np.int64), [np.empty(0, dtype=np.int64)]
    log_likelihood, n_pairs, n_near, n_done = 0.0, 0, 0, 0
    is_sparse, stretch_end = True, STRETCH_FRAMES
    while n_done < len(frames) and is_sparse:
        block = frames[n_done : n_done + size]
        n = expand_near(block, densities.center, densities.precision, expanded, outside)
        far.append(n_done + outside[: len(block) - n])
        np.matmul(expanded[:n, :n_rows], constants.operand, out=joint[:n])
        gained, pairs = add_block(
            joint[:n], expanded[:n], part, constants.lift, constants.slot, constants.n_groups,
            far_components.means, far_components.scales, far_components.normalizers,
        )  # fmt: skip
        log_likelihood += gained
        n_pairs, n_near, n_done = n_pairs + pairs, n_near + n, n_done + len(block)
        is_sparse = n_pairs <= max_share * n_components * n_near
        if n_done >= stretch_end or n_done == len(frames) or not is_sparse:
            total += part[:n_components, :n_rows]
            part[:] = 0.0
            stretch_end = n_done + STRETCH_FRAMES
    _move_to_center(total, far_components)
    return SparseMoments(total, log_likelihood, np.concatenate(far), n_done)


def _move_to_center(moments: NDArray[np.float64], far: FarComponents) -> None:
    """Change the moments of far components from about their own means to about the center."""
    means = far.means.astype(np.float64)
    f, s, n = np.split(moments[far.index], [means.shape[1], 2 * means.shape[1]], axis=1)
    moved = f + n * means, s + 2 * means * f + n * np.square(means), n
    moments[far.index] = np.hstack(moved)


@compiled(int64(READ_ANY, READ_1, READ_1, float32[:, ::1], int64[::1]))
def expand_near(  # pragma: no cover
    frames: NDArray[np.float32],
    center: NDArray[np.float32],
    precision: NDArray[np.float32],
    expanded: NDArray[np.float32],
    outside: NDArray[np.int64],
) -> int:
    """Write [x', x'², 1] of the frames that are not far, one after the other; return how many.

    As `BlockDensities.expand` and `BlockDensities.is_far`, in one pass. The numbers of the far
    frames go to ``outside``.
    """
    n_features = frames.shape[1]
    n_near = 0
    for t in range(frames.shape[0]):
        row = expanded[n_near]
        distance = ZERO
        for d in range(n_features):
            offset = frames[t, d] - center[d]
            square = offset * offset
            row[d] = offset
            row[n_features + d] = square
            distance += square * precision[d]
        row[2 * n_features] = ONE
        outside[t - n_near] = t
        if distance <= FAR_FRAME:
            n_near += 1
    return n_near


@compiled(
    types.Tuple((float64, int64))(  # type: ignore[no-untyped-call]
        READ_2, READ_2, float32[:, ::1], READ_1, READ_INDEX, int64, READ_2, READ_2, READ_1,
    )
)  # fmt: skip
def add_block(  # noqa: PLR0912, PLR0915  # pragma: no cover
    joint: NDArray[np.float32],
    expanded: NDArray[np.float32],
    moments: NDArray[np.float32],
    lift: NDArray[np.float32],
    slot: NDArray[np.int32],
    n_groups: int,
    means: NDArray[np.float32],
    scales: NDArray[np.float32],
    normalizers: NDArray[np.float32],
) -> tuple[float, int]:
    """Add the moments of a block's frames to those of their components.

    Parameters
    ----------
    joint : (T, C)
        log w_c N(x_t), raised by ``lift``; C a multiple of 8 · ``n_groups``.
    expanded : (T, K)
        What is averaged: [x', x'², 1], and zeros up to a whole number of registers.
    moments : (C, K)
        γᵀ · expanded is added to it; for far components x' is relative to their own mean.
    lift, slot, means, scales, normalizers
        See `KernelConstants` and `FarComponents`.

    Returns
    -------
    log_likelihood : float
        Of all frames together.
    n_pairs : int
        How many (frame, component) pairs lay within the cut-off.
    """
    n_components = joint.shape[1]
    width = expanded.shape[1]
    n_features = means.shape[1]
    groups = np.empty(n_groups + 1, np.int32)
    index = np.empty(n_components + 1, np.int32)
    value = np.empty(n_components, np.float32)
    exponent = np.empty(n_components, np.int32)
    power = exponent.view(np.float32)
    log_likelihood, product = 0.0, 1.0
    n_pairs = 0
    for t in range(joint.shape[0]):
        row = joint[t]
        # The room for values first holds the maximum of each group, of eight members at a time.
        for g in range(n_groups):
            value[g] = max(
                row[g], row[n_groups + g], row[2 * n_groups + g], row[3 * n_groups + g],
                row[4 * n_groups + g], row[5 * n_groups + g], row[6 * n_groups + g],
                row[7 * n_groups + g],
            )  # fmt: skip
        for first in range(8 * n_groups, n_components, 8 * n_groups):
            rest = row[first : first + 8 * n_groups]
            for g in range(n_groups):
                value[g] = max(
                    rest[g], rest[n_groups + g], rest[2 * n_groups + g], rest[3 * n_groups + g],
                    rest[4 * n_groups + g], rest[5 * n_groups + g], rest[6 * n_groups + g],
                    rest[7 * n_groups + g], value[g],
                )  # fmt: skip
        top = value[0]
        for g in range(1, n_groups):
            top = max(top, value[g])
        limit = top - CUT_OFF
        # Both searches write first and count afterwards: no jump for a processor to guess.
        n_found = 0
        for g in range(n_groups):
            groups[n_found] = g
            n_found += value[g] >= limit
        k = 0
        for q in range(n_found):
            for c in range(groups[q], n_components, n_groups):
                index[k] = c
                k += row[c] >= limit
        n_far = 0
        for i in range(k):
            value[i] = row[index[i]] - lift[index[i]]
            n_far += slot[index[i]] >= 0
        x_row = expanded[t]
        if n_far > 0:
            for i in range(k):
                far = slot[index[i]]
                if far >= 0:
                    total = ZERO
                    for d in range(n_features):
                        z = (x_row[d] - means[far, d]) * scales[far, d]
                        total += z * z
                    value[i] = normalizers[far] - HALF * total
        top = value[0]
        for i in range(1, k):
            top = max(top, value[i])
        if n_far > 0:
            # A far component may have come down by more than the exponent can hold.
            for i in range(k):
                value[i] = max(value[i], top - LOWEST)
        for i in range(k):
            x = value[i] - top
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
        if n_far == 0:
            for i in range(k):
                weight = value[i] * scale
                moment = moments[index[i]]
                for j in range(width):
                    moment[j] += weight * x_row[j]
        else:
            for i in range(k):
                weight = value[i] * scale
                moment = moments[index[i]]
                far = slot[index[i]]
                if far >= 0:
                    for d in range(n_features):
                        offset = x_row[d] - means[far, d]
                        moment[d] += weight * offset
                        moment[n_features + d] += weight * offset * offset
                    moment[2 * n_features] += weight
                else:
                    for j in range(width):
                        moment[j] += weight * x_row[j]
        log_likelihood += float(top)
        # One logarithm for many sums: each lies between 1 and C, so their product fits a float64.
        product *= float(total)
        if t % FRAMES_PER_LOG == FRAMES_PER_LOG - 1:
            log_likelihood += math.log(product)
            product = 1.0
        n_pairs += k
    return log_likelihood + math.log(product), n_pairs
