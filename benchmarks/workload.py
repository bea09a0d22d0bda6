"""What the rows work on: a mixture, and frames drawn from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm import DiagonalGMM

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

N_COMPONENTS, N_FEATURES = 512, 60

# Frames of a block of the bare product: its result of T × C stays in the cache.
BLOCK_FRAMES = 2048

# The means lie in so many dimensions, so many standard deviations apart: posteriors are then
# spread like those of read speech (cepstra and slopes) under a trained UBM of this size. About 20
# components lie within e^-14 of the best, half of them beyond e^-41, and some 3 % have posteriors
# around e^-95, too small for a normal float32, which processors may compute with very slowly.
MEANS_RANK, MEANS_SPREAD = 10, 2.0


@dataclass(frozen=True)
class Size:
    """How much work the rows do.

    ``frames`` of EM, ``speakers`` to adapt to, ``tests`` to score, ``resamples`` of the bootstrap,
    and ``rounds`` in which contestants are timed.
    """

    frames: int
    speakers: int
    tests: int
    resamples: int
    rounds: int


def random_mixture(seed: int = 0) -> DiagonalGMM:
    rng = np.random.default_rng(seed)
    places = rng.normal(scale=MEANS_SPREAD, size=(N_COMPONENTS, MEANS_RANK))
    directions = rng.normal(size=(MEANS_RANK, N_FEATURES)) / np.sqrt(N_FEATURES)
    variances = rng.uniform(0.5, 1.5, size=(N_COMPONENTS, N_FEATURES))
    return DiagonalGMM(np.full(N_COMPONENTS, 1 / N_COMPONENTS), places @ directions, variances)


def draw_frames(gmm: DiagonalGMM, n_frames: int, seed: int = 1) -> NDArray[np.float32]:
    """Draw frames (T, D), block by block, so that memory peaks at the frames themselves."""
    rng = np.random.default_rng(seed)
    deviations = np.sqrt(gmm.variances)
    frames = np.empty((n_frames, gmm.n_features), dtype=np.float32)
    for start in range(0, n_frames, BLOCK_FRAMES):
        block = frames[start : start + BLOCK_FRAMES]
        component = rng.choice(gmm.n_components, size=len(block), p=gmm.weights)
        block[:] = gmm.means[component] + deviations[component] * rng.normal(size=block.shape)
    return frames


def bare_product(n_frames: int) -> Callable[[], None]:
    """Make the product [X, X², 1] · W of all frames and components, and nothing else.

    The least that densities of n_frames frames can cost: (T, 2D + 1) · (2D + 1, C) in float32,
    in blocks, into memory that is already there.
    """
    rng = np.random.default_rng(2)
    expanded = rng.normal(size=(BLOCK_FRAMES, 2 * N_FEATURES + 1)).astype(np.float32)
    operand = rng.normal(size=(2 * N_FEATURES + 1, N_COMPONENTS)).astype(np.float32)
    result = np.empty((BLOCK_FRAMES, N_COMPONENTS), dtype=np.float32)

    def run() -> None:
        for start in range(0, n_frames, BLOCK_FRAMES):
            n = min(BLOCK_FRAMES, n_frames - start)
            np.matmul(expanded[:n], operand, out=result[:n])

    return run
