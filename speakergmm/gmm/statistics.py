"""Sufficient statistics: all that EM, MAP and linear scoring need to know of any number of frames.

They are a monoid: `Statistics.zero` and ``+``. Statistics of two sets of frames add up to those of
both, so files, shards and machines are all one sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.errors import ModelError
from speakergmm.gmm.densities import block_slices, exact_log_joint, exponentiate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from speakergmm.gmm.model import DiagonalGMM

# A component with less than this share of the frames has seen none of them: float32 blocks give
# even the farthest component a little (see `densities.NEGLIGIBLE`).
NO_SHARE = 1e-20

# From this much work on (cells of T × C) it pays to load the compiled kernel.
COMPILED_CELLS = 1 << 21

# Frames whose moments are summed in float32: more would cost digits, fewer would cost time.
STRETCH_FRAMES = 4096

# Frames of a block whose log densities stay in the cache between product and kernel.
KERNEL_BLOCK_FRAMES = 512

# Where more than this share of the components matters to a frame, a second dense product is
# cheaper than adding them one by one (measured: equal at about 1/7).
DENSE_SHARE = 1 / 8


@dataclass(frozen=True, eq=False)
class Statistics:
    """Statistics of frames under a mixture.

    ``n`` is eq. 8 of Reynolds, Quatieri & Dunn (2000); their eq. 9 and 10 are f / n and s / n.

    Parameters
    ----------
    n : (C,)
        Σ_t γ_tc: how many frames' worth each component is responsible for; sums to ``n_frames``.
    f : (C, D)
        Σ_t γ_tc x_t, uncentered.
    s : (C, D)
        Σ_t γ_tc x_t², uncentered.
    log_likelihood : float
        Σ_t log p(x_t), natural log.
    n_frames : int
        T.
    """

    n: NDArray[np.float64]
    f: NDArray[np.float64]
    s: NDArray[np.float64]
    log_likelihood: float
    n_frames: int

    @classmethod
    def zero(cls, n_components: int, n_features: int) -> Statistics:
        """Give the statistics of no frames, the neutral element of ``+``."""
        shape = (n_components, n_features)
        return cls(np.zeros(n_components), np.zeros(shape), np.zeros(shape), 0.0, 0)

    def __add__(self, other: Statistics) -> Statistics:
        if not isinstance(other, Statistics):
            return NotImplemented
        if self.f.shape != other.f.shape:
            raise ModelError(
                f"statistics of (C, D) = {self.f.shape} and {other.f.shape} do not add: they are "
                "of different models"
            )
        return Statistics(
            self.n + other.n,
            self.f + other.f,
            self.s + other.s,
            self.log_likelihood + other.log_likelihood,
            self.n_frames + other.n_frames,
        )

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which components (C,) are responsible for anything at all."""
        return self.n > NO_SHARE * self.n_frames

    @property
    def mean_log_likelihood(self) -> float:
        """Log-likelihood per frame; NaN of no frames."""
        return self.log_likelihood / self.n_frames if self.n_frames else float("nan")

    def shifted(self, offset: NDArray[np.float64]) -> Statistics:
        """Give the statistics of the same frames with ``offset`` (D,) added to each."""
        n = self.n[:, None]
        f = self.f + n * offset
        s = self.s + 2 * offset * self.f + n * np.square(offset)
        return Statistics(self.n, f, s, self.log_likelihood, self.n_frames)


def accumulate(gmm: DiagonalGMM, frames: ArrayLike) -> Statistics:
    """Statistics of frames under a mixture.

    Parameters
    ----------
    gmm : DiagonalGMM
        C components, D features.
    frames : (T, D)
        T may be 0. float64 is computed in float64 throughout, float32 in fast blocks whose sums
        are kept in float64. Memory is bounded by the block.

    Raises
    ------
    FrameError
        When the frames are not (T, D) of the model's D, or not finite.
    """
    return accumulate_centered(gmm, frames).shifted(statistics_center(gmm))


def statistics_center(gmm: DiagonalGMM) -> NDArray[np.float64]:
    """Give the point (D,) about which `accumulate_centered` takes its statistics."""
    blocks = gmm.block_densities
    return blocks.center.astype(np.float64) if blocks.is_accurate else gmm.mean


def accumulate_centered(gmm: DiagonalGMM, frames: ArrayLike) -> Statistics:
    """Like `accumulate`, but of x - `statistics_center`: no digits are lost to a large mean.

    What EM works with: a variance is then a difference of small numbers.
    """
    array = gmm.check_frames(frames)
    if array.dtype != np.float32 or not gmm.block_densities.is_accurate:
        return _sum_blocks(_exact_block, gmm, array)
    if len(array) * gmm.n_components < COMPILED_CELLS:
        return _sum_blocks(_fast_block, gmm, array)
    total = Statistics.zero(gmm.n_components, gmm.n_features)
    for start in range(0, len(array), STRETCH_FRAMES):
        part, occupancy = _compiled_stretch(gmm, array[start : start + STRETCH_FRAMES])
        total = total + part
        if occupancy > gmm.n_components * DENSE_SHARE:
            rest = array[start + STRETCH_FRAMES :]
            return total + _sum_blocks(_fast_block, gmm, rest)
    return total


def _sum_blocks(
    block_statistics: Callable[[DiagonalGMM, NDArray[Any]], Statistics],
    gmm: DiagonalGMM,
    frames: NDArray[np.floating],
) -> Statistics:
    total = Statistics.zero(gmm.n_components, gmm.n_features)
    for block in block_slices(len(frames), gmm.n_components):
        total = total + block_statistics(gmm, frames[block])
    return total


def _exact_block(gmm: DiagonalGMM, frames: NDArray[np.floating]) -> Statistics:
    joint = exact_log_joint(gmm, frames)  # (T, C)
    log_sums, sums = exponentiate(joint)
    joint /= np.where(sums > 0, sums, 1.0)[:, None]
    # A frame so far out that no density is left teaches no component anything.
    offsets = np.where(sums[:, None] > 0, frames - statistics_center(gmm), 0.0)
    squares = np.square(offsets)
    return Statistics(
        joint.sum(axis=0),
        joint.T @ offsets,
        joint.T @ squares,
        float(log_sums.sum()),
        len(frames),
    )


def _fast_block(gmm: DiagonalGMM, frames: NDArray[np.float32]) -> Statistics:
    densities = gmm.block_densities
    expanded = densities.expand(frames)  # (T, 2D + 1)
    far = densities.is_far(expanded)
    if far.any():
        near = _fast_block(gmm, frames[~far]) if not far.all() else None
        beyond = _exact_block(gmm, frames[far])
        return beyond if near is None else near + beyond
    joint = densities.log_joint(expanded)  # (T, C)
    log_sums, sums = exponentiate(joint)
    # Divide the narrow operand by the sums instead of the wide matrix of responsibilities; its
    # last column, the bias, then counts the frames.
    expanded /= sums[:, None]
    moments = (joint.T @ expanded).astype(np.float64)  # (C, 2D + 1)
    n_features = frames.shape[1]
    return Statistics(
        moments[:, -1],
        moments[:, :n_features],
        moments[:, n_features:-1],
        float(log_sums.sum()),
        len(frames),
    )


def _compiled_stretch(gmm: DiagonalGMM, frames: NDArray[np.float32]) -> tuple[Statistics, float]:
    """Statistics by the compiled kernel, and the mean number of components that mattered.

    The moments of a stretch are summed in float32, stretches in float64.
    """
    from speakergmm.gmm.kernel import add_block, padded, replace_far

    densities = gmm.block_densities
    n_components, n_features = gmm.n_components, gmm.n_features
    far = densities.is_far(densities.expand(frames))
    near = frames[~far] if far.any() else frames
    operand, far_components = densities.padded_operand, densities.far
    width = operand.shape[1]
    moments = np.zeros((width, padded(2 * n_features + 1)), dtype=np.float32)
    exponent = np.empty(width, dtype=np.int32)
    room = np.empty(width, np.int32), np.empty(width, np.float32), exponent
    log_likelihood, n_pairs = 0.0, 0
    for start in range(0, len(near), KERNEL_BLOCK_FRAMES):
        piece = near[start : start + KERNEL_BLOCK_FRAMES]
        expanded = densities.expand(piece, width=moments.shape[1])
        joint = expanded[:, : 2 * n_features + 1] @ operand  # (T, C), C in whole groups
        if len(far_components.index):
            replace_far(
                joint, expanded, far_components.index, far_components.means,
                far_components.scales, far_components.normalizers,
            )  # fmt: skip
        best, sums = np.empty((2, len(piece)), dtype=np.float32)
        n_pairs += add_block(joint, expanded, moments, best, sums, *room, exponent.view(np.float32))
        log_likelihood += float(np.sum(best, dtype=np.float64) + np.log(sums.astype(float)).sum())
    totals = moments[:n_components].astype(np.float64)
    statistics = Statistics(
        totals[:, 2 * n_features],
        totals[:, :n_features],
        totals[:, n_features : 2 * n_features],
        log_likelihood,
        len(near),
    )
    if far.any():
        statistics = statistics + _exact_block(gmm, frames[far])
    return statistics, n_pairs / max(1, len(near))
