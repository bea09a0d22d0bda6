"""Training a universal background model: k-means, then EM until nothing is gained."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speakergmm._version import __version__
from speakergmm.config import check_whole
from speakergmm.errors import ConfigError, FrameError
from speakergmm.features.store import CHUNK_FRAMES
from speakergmm.files import value_digest
from speakergmm.gmm.checkpoint import Checkpoint
from speakergmm.gmm.em import TrainingConfig, TrainingState, floored_weights, iterate
from speakergmm.gmm.frame_source import (
    FrameSource,
    check_all_finite,
    frame_source,
    frames_digest,
    sample_frames,
)
from speakergmm.gmm.kmeans import kmeans_start
from speakergmm.gmm.statistics import Statistics
from speakergmm.parallel import sum_in_order
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from speakergmm.gmm.frame_source import Chunk, Frames
    from speakergmm.gmm.model import DiagonalGMM
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress


@dataclass(frozen=True)
class TrainingHistory:
    """What happened in training.

    Parameters
    ----------
    mean_log_likelihood : tuple of float
        Per frame, in nats: entry i is that of the model that iteration i started from. Never
        falls, to rounding.
    floored_variances : tuple of int
        How many of the C · D variances each iteration raised to the floor.
    split_components, kept_components : tuple of int
        How many dead components each iteration re-seeded by splitting the heaviest, and how many
        kept their parameters.
    seconds : float
        Wall time, k-means included.
    converged : bool
        Whether the gain fell below the tolerance; False when ``max_iterations`` ended it.
    """

    mean_log_likelihood: tuple[float, ...]
    floored_variances: tuple[int, ...]
    split_components: tuple[int, ...]
    kept_components: tuple[int, ...]
    seconds: float
    converged: bool


def train_ubm(
    frames: Frames,
    n_components: int,
    *,
    config: TrainingConfig = TrainingConfig(),
    rng: int | np.random.Generator = 0,
    jobs: Jobs = None,
    checkpoint: Path | str | None = None,
    progress: Progress = SILENT,
) -> tuple[DiagonalGMM, TrainingHistory]:
    """Train a mixture on the speech of many speakers.

    k-means on a sample of the frames, then EM (Dempster, Laird & Rubin 1977) on all of them. The
    same frames, settings and seed give the same bytes, whatever the number of workers.

    Parameters
    ----------
    frames : (T, D) array or FrameStore
        float64 is computed in float64 throughout, float32 (and a store) in fast blocks.
    n_components : int
        C, 1 or more; at most T.
    config : TrainingConfig
        Iterations, floors, and what becomes of dead components.
    rng : int or numpy.random.Generator
        Seed.
    jobs : int or Cluster, optional
        Worker threads, or a `speakergmm.parallel.Cluster`; default: the cores that the process may
        use.
    checkpoint : path, optional
        Keep the state there after every iteration. When training is called again with the same
        frames, settings and seed, it goes on from there and ends with the same bytes; a state of
        anything else is not used. The file stays; remove it when the model is safe.
    progress : Progress, optional
        Told what is being done; default: nobody is.

    Returns
    -------
    ubm : DiagonalGMM
        C components, in no order that means anything.
    history : TrainingHistory
        What each iteration gave and did.

    Raises
    ------
    FrameError
        When there are fewer frames than components, frames are not (T, D) or not finite, or a
        feature has the same value in every frame.
    ConfigError
        When ``n_components`` is not a whole number of 1 or more, ``rng`` is no seed, or a
        checkpoint is to be kept of a training whose ``rng`` is not a number.

    Examples
    --------
    >>> import numpy as np
    >>> from speakergmm import train_ubm
    >>> frames = np.random.default_rng(0).normal(size=(1000, 2))
    >>> ubm, history = train_ubm(frames, 4)
    >>> ubm.means.shape, history.converged
    ((4, 2), True)
    """
    began = time.perf_counter()
    n_components = check_whole("n_components", n_components, 1)
    source = frame_source(frames)
    if source.n_frames < n_components:
        raise FrameError(
            f"{source.n_frames:,} frames cannot train {n_components:,} components; expected at "
            "least one frame a component, better a hundred: add speech or lower n_components"
        )
    generator = _generator(rng)
    keeper = None
    if checkpoint is not None:
        if not isinstance(rng, (int, np.integer)):
            raise ConfigError("training with a checkpoint needs a seed; expected rng = a number")
        described = [frames_digest(frames), n_components, dataclasses.asdict(config), int(rng)]
        keeper = Checkpoint(Path(checkpoint), value_digest([__version__, CHUNK_FRAMES, described]))
    mean, variance = moments(source, jobs)
    floor = config.variance_floor * variance
    state = keeper.load() if keeper else None
    if state is None:
        progress.start("UBM: k-means")
        state = starting_state(source, n_components, mean, variance, config, generator)
    progress.start("UBM: EM", config.max_iterations * len(source.chunks))
    progress.advance(len(state.floored_variances) * len(source.chunks))
    while not state.is_finished(config):
        if keeper:
            keeper.save(state)
        state = iterate(state, source, floor, config, jobs, progress)
        progress.note(
            f"{len(state.mean_log_likelihood)} iterations, log-likelihood per frame "
            f"{state.mean_log_likelihood[-1]:.4f}"
        )
    history = TrainingHistory(
        state.mean_log_likelihood,
        state.floored_variances,
        state.split_components,
        state.kept_components,
        time.perf_counter() - began,
        state.converged,
    )
    return state.gmm, history


def _generator(rng: int | np.random.Generator) -> np.random.Generator:
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise ConfigError(
            f"rng is {rng!r}; expected a whole number of 0 or more, or a numpy.random.Generator"
        ) from None


def starting_state(
    source: FrameSource,
    n_components: int,
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    config: TrainingConfig,
    rng: np.random.Generator,
) -> TrainingState:
    """Start EM by k-means on a sample of the frames, at least ``n_components`` in number.

    ``mean`` and ``variance`` (D,) are the frames'; a part of some frames may take the variance of
    all, so that its floors are theirs.
    """
    gmm = kmeans_start(
        sample_frames(source, max(config.kmeans_frames, n_components), rng),
        n_components,
        mean=mean,
        variance=variance,
        variance_floor=config.variance_floor * variance,
        max_iterations=config.kmeans_iterations,
        rng=rng,
    )
    # EM can only promise not to fall when it starts within the floors.
    weights = floored_weights(gmm.weights, config.weight_floor / n_components)
    return TrainingState(dataclasses.replace(gmm, weights=weights))


def moments(source: FrameSource, jobs: Jobs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance (D,) of all frames, in float64.

    Raises
    ------
    FrameError
        When frames are not finite, or a feature does not vary, or by too little to be squared.
    """
    pivot = source.chunks[0].take(np.arange(1))[0].astype(np.float64)
    zero = Statistics.zero(1, source.n_features)
    total = sum_in_order(_about_pivot, source.chunks, zero, pivot, jobs=jobs)
    offset = total.f[0] / total.n_frames
    with np.errstate(over="ignore", invalid="ignore"):
        variance = total.s[0] / total.n_frames - np.square(offset)
    if not np.isfinite(variance).all():
        check_all_finite(source)
        raise FrameError(
            f"feature {int(np.flatnonzero(~np.isfinite(variance))[0])} holds values too large to "
            "square; expected features of ordinary size: extract them again"
        )
    spread = np.maximum(np.abs(pivot + offset), 1e-300)
    constant = np.flatnonzero(variance <= np.square(spread * 1e-12))
    if len(constant):
        raise FrameError(_about_constant(source, int(constant[0])))
    return pivot + offset, variance


def _about_constant(source: FrameSource, feature: int) -> str:
    values = [chunk.load()[:, feature] for chunk in source.chunks]
    low, high = min(part.min() for part in values), max(part.max() for part in values)
    if low == high:
        return (
            f"feature {feature} has the same value in all {source.n_frames:,} frames; a Gaussian "
            "needs features that vary: remove it from the front end"
        )
    return (
        f"feature {feature} goes from {low:.15g} to {high:.15g} alone, too little to compute its "
        "variance; expected features of ordinary size: extract them again"
    )


def _about_pivot(chunk: Chunk, pivot: NDArray[np.float64]) -> Statistics:
    with np.errstate(over="ignore", invalid="ignore"):
        offsets = chunk.load() - pivot
        f, s = offsets.sum(axis=0), np.square(offsets).sum(axis=0)
    n = len(offsets)
    return Statistics(np.array([n], dtype=float), f[None], s[None], 0.0, n)
