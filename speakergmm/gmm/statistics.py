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
COMPILED_CELLS = 1 << 19

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
        """Give the statistics of both sets of frames together.

        Raises
        ------
        ModelError
            When they are of models of different size.
        """
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

    Returns
    -------
    Statistics
        Those of more frames are added by ``+``.

    Raises
    ------
    FrameError
        When the frames are not (T, D) of the model's D, or not finite.

    Examples
    --------
    >>> from speakergmm import DiagonalGMM, accumulate
    >>> ubm = DiagonalGMM([0.5, 0.5], [[-3.0], [3.0]], [[1.0], [1.0]])
    >>> both = accumulate(ubm, [[3.0], [4.0]]) + accumulate(ubm, [[5.0]])
    >>> both.n_frames, both.n.round(2), both.f.round(2)
    (3, array([0., 3.]), array([[ 0.],
           [12.]]))
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
    sparse, n_done = _sparse_part(gmm, array)
    if n_done == len(array):
        return sparse
    # Posteriors are not sparse: the kernel has left the rest to two dense products.
    return sparse + _sum_blocks(_fast_block, gmm, array[n_done:])


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
    shares = expanded / sums[:, None]
    moments = (joint.T @ shares).astype(np.float64)  # (C, 2D + 1)
    index = densities.far.index
    if len(index):
        moments[index] = (joint[:, index] / sums[:, None]).T @ densities.far.expand(expanded)
    return _from_moments(moments, float(log_sums.sum()), len(frames))


def _sparse_part(gmm: DiagonalGMM, frames: NDArray[np.float32]) -> tuple[Statistics, int]:
    """Statistics by the compiled kernel of the frames that it has taken, and their number."""
    from speakergmm.gmm.kernel import sparse_moments

    found = sparse_moments(gmm.block_densities, frames, max_share=DENSE_SHARE)
    n_frames = found.n_done - len(found.far)
    near = _from_moments(found.moments, found.log_likelihood, n_frames)
    if len(found.far) == 0:
        return near, found.n_done
    return near + _sum_blocks(_exact_block, gmm, frames[found.far]), found.n_done


def _from_moments(moments: NDArray[np.float64], log_likelihood: float, n_frames: int) -> Statistics:
    """Part (C, 2D + 1), the sums of γ [x', x'², 1], into n, f and s."""
    f, s, n = np.split(moments, [moments.shape[1] // 2, moments.shape[1] - 1], axis=1)
    return Statistics(n[:, 0], f, s, log_likelihood, n_frames)
