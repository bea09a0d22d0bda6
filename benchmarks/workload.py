"""What is made up for the rows: mixtures, frames drawn from them, and the bare product."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from speakergmm import DiagonalGMM, FrontEndConfig
from speakergmm.features.shards import FORMAT, VERSION, description_path, shard_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

N_COMPONENTS, MANY_COMPONENTS, N_FEATURES = 512, 2048, 60

# 60 features: 20 cepstra with their first and second slopes.
FRONT_END = FrontEndConfig(n_mfcc=20, deltas=2)

# Cells of a block of the bare product: its result of T × C, 4 MB, stays in the caches.
BLOCK_CELLS = 1 << 20

# Frames that are drawn at a time.
BLOCK_FRAMES = 2048

# The means lie in so many dimensions, so many standard deviations apart (of 512 components; more
# are further apart): posteriors are then spread like those of read speech (cepstra and slopes)
# under a trained UBM of this size. About 20 components lie within e^-14 of the best, of 2,048 as of
# 512; half of 512 and four fifths of 2,048 lie beyond e^-41, and some 3 to 10 % have posteriors
# around e^-95, too small for a normal float32, which processors may compute with very slowly.
MEANS_RANK, MEANS_SPREAD, SPREAD_GROWTH = 10, 2.0, 0.19


@cache
def random_mixture(
    n_components: int = N_COMPONENTS, n_features: int = N_FEATURES, seed: int = 0
) -> DiagonalGMM:
    rng = np.random.default_rng(seed)
    spread = MEANS_SPREAD * (n_components / N_COMPONENTS) ** SPREAD_GROWTH
    places = rng.normal(scale=spread, size=(n_components, MEANS_RANK))
    directions = rng.normal(size=(MEANS_RANK, n_features)) / np.sqrt(n_features)
    variances = rng.uniform(0.5, 1.5, size=(n_components, n_features))
    return DiagonalGMM(np.full(n_components, 1 / n_components), places @ directions, variances)


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


def bare_product(
    n_frames: int, n_components: int = N_COMPONENTS, n_features: int = N_FEATURES
) -> Callable[[], None]:
    """Make the product [X, X², 1] · W of all frames and components, and nothing else.

    The least that densities of n_frames frames can cost: (T, 2D + 1) · (2D + 1, C) in float32,
    in blocks, into memory that is already there.
    """
    rng = np.random.default_rng(2)
    width, block_frames = 2 * n_features + 1, BLOCK_CELLS // n_components
    expanded = rng.normal(size=(block_frames, width)).astype(np.float32)
    operand = rng.normal(size=(width, n_components)).astype(np.float32)
    result = np.empty((block_frames, n_components), dtype=np.float32)

    def run() -> None:
        for start in range(0, n_frames, block_frames):
            n = min(block_frames, n_frames - start)
            np.matmul(expanded[:n], operand, out=result[:n])

    return run


def bare_operations(n_frames: int, n_components: int = N_COMPONENTS) -> float:
    """Count the multiplications and additions of a bare product over 60 features."""
    return 2.0 * n_frames * (2 * N_FEATURES + 1) * n_components


def write_store(folder: Path, frames: NDArray[np.float32], n_shards: int = 1) -> None:
    """Write a frame store whose shards all hold these frames (T, 60), one utterance each."""
    folder.mkdir(parents=True)
    for number in range(n_shards):
        np.save(shard_path(folder, number), frames)
        utterance = {
            "utterance_id": f"utterance{number}",
            "start": 0,
            "stop": len(frames),
            "key": f"drawn {number}",
            "recording_s": len(frames) * FRONT_END.hop_s,
        }
        described = {
            "front_end": FRONT_END.digest,
            "n_frames": len(frames),
            "utterances": [utterance],
        }
        description_path(folder, number).write_text(json.dumps(described), encoding="utf-8")
    head = {
        "format": FORMAT,
        "version": VERSION,
        "front_end": dataclasses.asdict(FRONT_END),
        "n_shards": n_shards,
    }
    (folder / "store.json").write_text(json.dumps(head), encoding="utf-8")


def noise(n_samples: int, seed: int = 0) -> NDArray[np.float32]:
    """Noise that swells and fades, all of it within the range that voice activity keeps."""
    rng = np.random.default_rng(seed)
    level = 0.1 + 0.05 * np.sin(np.linspace(0, 20 * np.pi, n_samples))
    return (level * rng.normal(size=n_samples)).astype(np.float32)
