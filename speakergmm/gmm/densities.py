"""Log densities of frames under a mixture: exact in float64, fast in float32 blocks.

Every consumer (likelihoods, EM, MAP, scoring) goes through a block of at most `BLOCK_CELLS` cells
of the T × C matrix, so memory never grows with the number of frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from speakergmm.gmm.kernel import KernelConstants
    from speakergmm.gmm.model import DiagonalGMM

# Cells of a block of T × C: 4 MB of float32, about what the second-level caches hold.
BLOCK_CELLS = 1 << 20
MIN_BLOCK_FRAMES, MAX_BLOCK_FRAMES = 16, 4096

# The expanded square loses digits where its terms are large. Frames further from the mixture's
# mean than this (sum over features of squared standard deviations) are computed in float64.
FAR_FRAME = 1e4

# Components whose mean is further from the mixture's than this (in their own squared standard
# deviations) need more digits than the expanded square of float32 numbers has: at 300 it is wrong
# by up to 1e-4 nats, and a variance by 2e-5 of itself. Such are the narrow ones, of silence and
# the like. The compiled kernel takes the square of the difference, NumPy float64.
FAR_COMPONENT = 300.0

# Beyond this not even a difference of float32 numbers has enough digits: all in float64.
LOST_COMPONENT = 1e6

# In float32 a component is taken for at least e^-60 times as dense as the best: 1e-26, which no
# sum of float32 numbers can feel.
NEGLIGIBLE = np.float32(-60.0)

# A log density that no frame's best comes near.
NO_DENSITY = np.float32(-1e30)


def block_slices(n_frames: int, n_components: int) -> Iterator[slice]:
    """Cut T frames into blocks whose T × C matrix fits the cache."""
    size = min(max(BLOCK_CELLS // n_components, MIN_BLOCK_FRAMES), MAX_BLOCK_FRAMES)
    for start in range(0, n_frames, size):
        yield slice(start, min(start + size, n_frames))


def exact_log_joint(gmm: DiagonalGMM, frames: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log w_c N(x_t; μ_c, σ²_c) as (T, C), by the square of the difference, in float64.

    The loop is over features: each step is one (T, C) operation, so no (T, C, D) array exists,
    and no digits are lost as they are when the square is expanded.
    """
    inverse_deviations = 1.0 / np.sqrt(gmm.variances)
    total = np.zeros((len(frames), gmm.n_components))
    difference = np.empty_like(total)
    # Squares beyond 1e308 become infinity, and the density 0, which is what it is.
    with np.errstate(over="ignore"):
        for d in range(gmm.n_features):
            np.subtract(frames[:, d, None], gmm.means[:, d], out=difference)
            difference *= inverse_deviations[:, d]
            np.square(difference, out=difference)
            total += difference
    total *= -0.5
    total += gmm.log_normalizers
    return total


@dataclass(frozen=True, eq=False)
class FarComponents:
    """F components for which the expanded square of float32 numbers has too few digits.

    ``index`` (F,) says which. ``means`` (F, D) are relative to the center, ``scales`` (F, D) are
    1 / standard deviation and ``normalizers`` (F,) the part that no frame is in: for the square of
    the difference. ``operand`` (2D + 1, F) is for the expanded square in float64.
    """

    index: NDArray[np.int32]
    means: NDArray[np.float32]
    scales: NDArray[np.float32]
    normalizers: NDArray[np.float32]
    operand: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.index)

    def expand(self, expanded: NDArray[np.float32]) -> NDArray[np.float64]:
        """[x', x'², 1] as (T, 2D + 1) in float64, from the same in float32."""
        n_features = self.means.shape[1]
        exact = expanded[:, : 2 * n_features + 1].astype(np.float64)
        np.square(exact[:, :n_features], out=exact[:, n_features:-1])
        return exact


@dataclass(frozen=True, eq=False)
class BlockDensities:
    """The float32 path: all log densities of a block by one matrix product.

    With x' = x - center, log w_c N(x) = [x', x'², 1] · operand[:, c]: the bias rides as the last
    column. ``center`` (D,) is the mixture's mean as float32 holds it; ``operand`` is (2D + 1, C);
    ``precision`` (D,) is 1 / the mixture's variance; ``weights`` (C,) are the model's; ``far`` are
    the components that need more care; ``is_accurate`` says whether float32 can hold this model.
    """

    center: NDArray[np.float32]
    operand: NDArray[np.float32]
    precision: NDArray[np.float32]
    weights: NDArray[np.float64]
    far: FarComponents
    is_accurate: bool

    @cached_property
    def kernel_constants(self) -> KernelConstants:
        """The constants of the compiled kernel."""
        from speakergmm.gmm.kernel import KernelConstants

        return KernelConstants.of(self)

    @classmethod
    def of(cls, gmm: DiagonalGMM) -> BlockDensities:
        """Compute the constants of a model."""
        # What does not fit becomes infinite or NaN here, and the model is not accurate.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            center = gmm.mean.astype(np.float32)
            exact = density_operand(gmm, center.astype(np.float64))
            operand = exact.astype(np.float32)
            precision = (1.0 / gmm.variance).astype(np.float32)
            distances = np.sum(np.square(gmm.means - center) / gmm.variances, axis=1)
            far = np.flatnonzero(distances > FAR_COMPONENT)
            components = FarComponents(
                far.astype(np.int32),
                (gmm.means[far] - center).astype(np.float32),
                (1.0 / np.sqrt(gmm.variances[far])).astype(np.float32),
                np.maximum(gmm.log_normalizers[far], NO_DENSITY).astype(np.float32),
                exact[:, far],
            )
        fits = np.isfinite(operand[:-1]).all() and np.isfinite(precision).all()
        is_accurate = bool(fits and distances.max() <= LOST_COMPONENT)
        return cls(center, operand, precision, gmm.weights, components, is_accurate)

    def log_joint(
        self, expanded: NDArray[np.float32], out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Log densities (T, C) of frames that `expand` expanded and of which none is far."""
        joint = np.matmul(expanded, self.operand, out=out)
        if len(self.far):
            joint[:, self.far.index] = self.far.expand(expanded) @ self.far.operand
        return joint

    def expand(
        self, frames: NDArray[np.float32], out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """[x', x'², 1] as (T, 2D + 1)."""
        n_frames, n_features = frames.shape
        expanded = np.empty((n_frames, 2 * n_features + 1), np.float32) if out is None else out
        offsets = expanded[:, :n_features]
        np.subtract(frames, self.center, out=offsets)
        with np.errstate(over="ignore"):
            np.square(offsets, out=expanded[:, n_features:-1])
        expanded[:, -1] = 1.0
        return expanded

    def is_far(self, expanded: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Mark the frames (T,) that float32 cannot resolve."""
        n_features = len(self.center)
        with np.errstate(over="ignore", invalid="ignore"):
            distance = expanded[:, n_features:-1] @ self.precision
        # Written so that NaN, from squares that overflowed, counts as far.
        far: NDArray[np.bool_] = ~(distance <= FAR_FRAME)
        return far


def density_operand(gmm: DiagonalGMM, center: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stack a model's parameters so that [x', x'², 1] times them is log w_c N(x), x' = x - center.

    Returns
    -------
    (2D + 1, C) float64
    """
    offsets = gmm.means - center
    precisions = 1.0 / gmm.variances
    bias = gmm.log_normalizers - 0.5 * np.sum(np.square(offsets) * precisions, axis=1)
    return np.concatenate([(offsets * precisions).T, -0.5 * precisions.T, bias[None]])


def log_joint(gmm: DiagonalGMM, frames: NDArray[np.floating]) -> NDArray[np.floating]:
    """Log w_c N(x_t; μ_c, σ²_c) of one block as (T, C), in the precision of the frames."""
    blocks = gmm.block_densities if frames.dtype == np.float32 else None
    if blocks is None or not blocks.is_accurate:
        return exact_log_joint(gmm, frames)
    expanded = blocks.expand(frames)
    far = blocks.is_far(expanded)
    if not far.any():
        return blocks.log_joint(expanded)
    joint = np.empty((len(frames), gmm.n_components))  # (T, C)
    joint[~far] = blocks.log_joint(expanded[~far])
    joint[far] = exact_log_joint(gmm, frames[far])
    return joint


def exponentiate(joint: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    """Log of the row sums of exp(joint), stably; ``joint`` becomes exp(joint - row maximum).

    Returns
    -------
    log_sums : (T,) float64
        -inf where every component's density is 0.
    sums : (T,)
        The sums by which the rows of ``joint`` are to be divided to become responsibilities.
    """
    best = joint.max(axis=1)
    # A frame so far out that every density underflowed: keep the row maximum subtractable.
    hopeless = np.isneginf(best)
    best[hopeless] = 0.0
    joint -= best[:, None]
    if joint.dtype == np.float32:
        # Without this, most of the matrix would be subnormal numbers, on which a processor is
        # many times slower.
        np.maximum(joint, NEGLIGIBLE, out=joint)
    np.exp(joint, out=joint)
    sums = joint.sum(axis=1)
    with np.errstate(divide="ignore"):
        log_sums = best.astype(np.float64) + np.log(sums.astype(np.float64))
    log_sums[hopeless] = -np.inf
    return log_sums, sums


def log_likelihoods(gmm: DiagonalGMM, frames: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log p(x_t), (T,), block by block."""
    result = np.empty(len(frames))
    for block in block_slices(len(frames), gmm.n_components):
        result[block], _ = exponentiate(log_joint(gmm, frames[block]))
    return result


def responsibilities(gmm: DiagonalGMM, frames: NDArray[np.floating]) -> NDArray[np.float64]:
    """Posterior probabilities (T, C) of the components, block by block."""
    result = np.empty((len(frames), gmm.n_components))
    for block in block_slices(len(frames), gmm.n_components):
        joint = log_joint(gmm, frames[block]).astype(np.float64)
        exponentiate(joint)
        total = joint.sum(axis=1, keepdims=True)
        # No density left to compare: the prior is all that is known.
        result[block] = np.where(total > 0, joint / np.where(total > 0, total, 1.0), gmm.weights)
    return result
