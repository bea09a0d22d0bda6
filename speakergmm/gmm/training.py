"""Training a universal background model: expectation and maximization until nothing is gained."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from speakergmm.config import check_choice, check_range, check_whole
from speakergmm.errors import FrameError
from speakergmm.gmm.frame_source import FrameSource, frame_source, sample_frames
from speakergmm.gmm.kmeans import kmeans_start
from speakergmm.gmm.model import DiagonalGMM
from speakergmm.gmm.statistics import (
    Statistics,
    accumulate_centered,
    statistics_center,
)
from speakergmm.parallel import sum_in_order
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from speakergmm.gmm.frame_source import Chunk, Frames
    from speakergmm.progress import Progress

# Half the distance, in standard deviations, between the halves of a component that is split.
SPLIT_OFFSET = 0.5


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of `train_ubm`.

    Parameters
    ----------
    max_iterations : int
        EM iterations at most.
    tolerance : float
        Stop when an iteration gains less than this in log-likelihood per frame (nats).
    variance_floor : float
        No variance falls below this share of the variance of all frames in that feature.
    weight_floor : float
        No weight falls below this share of an equal weight, 1 / C.
    dead_components : {"split", "keep"}
        What becomes of a component that is responsible for less than ``min_frames`` frames: it
        becomes one half of the heaviest, or keeps its parameters.
    min_frames : float
        See above.
    kmeans_frames : int
        Frames that k-means is started on, drawn from all.
    kmeans_iterations : int
        Of k-means, at most.
    """

    max_iterations: int = 20
    tolerance: float = 1e-3
    variance_floor: float = 1e-3
    weight_floor: float = 1e-3
    dead_components: Literal["split", "keep"] = "split"
    min_frames: float = 2.0
    kmeans_frames: int = 50_000
    kmeans_iterations: int = 20

    def __post_init__(self) -> None:
        check_whole("max_iterations", self.max_iterations, 0)
        check_range("tolerance", self.tolerance, 0.0)
        check_range("variance_floor", self.variance_floor, 1e-9, 1.0)
        check_range("weight_floor", self.weight_floor, 0.0, 0.99)
        check_choice("dead_components", self.dead_components, ("split", "keep"))
        check_range("min_frames", self.min_frames, 0.0)
        check_whole("kmeans_frames", self.kmeans_frames, 1)
        check_whole("kmeans_iterations", self.kmeans_iterations, 1)


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
    jobs: int | None = None,
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
    rng : int or numpy.random.Generator
        Seed.
    jobs : int, optional
        Workers; default: the cores that the process may use.

    Raises
    ------
    FrameError
        When there are fewer frames than components, frames are not (T, D) or not finite, or a
        feature has the same value in every frame.
    ConfigError
        When ``n_components`` is not a whole number of 1 or more.
    """
    began = time.perf_counter()
    check_whole("n_components", n_components, 1)
    source = frame_source(frames)
    if source.n_frames < n_components:
        raise FrameError(
            f"{source.n_frames:,} frames cannot train {n_components:,} components; expected at "
            "least one frame a component, better a hundred: add speech or lower n_components"
        )
    generator = np.random.default_rng(rng)
    progress.start("UBM: k-means")
    mean, variance = _moments(source, jobs)
    sample = sample_frames(source, max(config.kmeans_frames, n_components), generator)
    floor = config.variance_floor * variance
    gmm = kmeans_start(
        sample,
        n_components,
        mean=mean,
        variance=variance,
        variance_floor=floor,
        max_iterations=config.kmeans_iterations,
        rng=generator,
    )
    # EM can only promise not to fall when it starts within the floors.
    weights = _floored_weights(gmm.weights, config.weight_floor / n_components)
    gmm = dataclasses.replace(gmm, weights=weights)
    progress.start("UBM: EM", config.max_iterations)
    return _expectation_maximization(gmm, source, floor, config, jobs, progress, began)


def _expectation_maximization(
    gmm: DiagonalGMM,
    source: FrameSource,
    variance_floor: NDArray[np.float64],
    config: TrainingConfig,
    jobs: int | None,
    progress: Progress,
    began: float,
) -> tuple[DiagonalGMM, TrainingHistory]:
    likelihoods: list[float] = []
    floored: list[int] = []
    split: list[int] = []
    kept: list[int] = []
    unsplit: DiagonalGMM | None = None
    may_split = config.dead_components == "split"
    converged = False
    while len(floored) < config.max_iterations and not converged:
        statistics = _expectation(gmm, source, jobs)
        likelihood = statistics.mean_log_likelihood
        gain = likelihood - likelihoods[-1] if likelihoods else math.inf
        if gain < 0 and unsplit is not None:
            # The split did not pay: take it back, and let dead components rest from now on.
            gmm, unsplit, may_split = unsplit, None, False
            kept[-1], split[-1] = kept[-1] + split[-1], 0
            continue
        likelihoods.append(likelihood)
        converged = gain < config.tolerance and unsplit is None
        if converged:
            break
        gmm, n_floored = _maximization(gmm, statistics, variance_floor, config)
        dead = np.flatnonzero(statistics.n < config.min_frames)
        # Not in the last iteration: nobody would look whether the split paid.
        repairs = may_split and len(dead) > 0 and len(floored) + 1 < config.max_iterations
        repaired = _split_heaviest(gmm, dead, variance_floor) if repairs else None
        unsplit = gmm if repaired else None
        floored.append(n_floored)
        split.append(len(dead) if repaired else 0)
        kept.append(0 if repaired else len(dead))
        gmm = repaired or gmm
        progress.advance()
        progress.note(f"log-likelihood per frame {likelihood:.4f}")
    seconds = time.perf_counter() - began
    history = TrainingHistory(
        tuple(likelihoods), tuple(floored), tuple(split), tuple(kept), seconds, converged
    )
    return gmm, history


def _expectation(gmm: DiagonalGMM, source: FrameSource, jobs: int | None) -> Statistics:
    """E-step: statistics of all frames about the model's center, summed in the order of chunks."""
    # Computed before the workers share it.
    _ = gmm.block_densities
    zero = Statistics.zero(gmm.n_components, gmm.n_features)
    return sum_in_order(
        lambda chunk: accumulate_centered(gmm, chunk.load()), source.chunks, zero, jobs=jobs
    )


def _maximization(
    gmm: DiagonalGMM,
    statistics: Statistics,
    variance_floor: NDArray[np.float64],
    config: TrainingConfig,
) -> tuple[DiagonalGMM, int]:
    """M-step (Bishop 2006, eq. 9.24-9.26) under floors; also the number of floored variances.

    Within the floors it is the exact maximizer of Q, so the likelihood cannot fall.
    """
    center = statistics_center(gmm)
    alive = statistics.seen & (statistics.n >= config.min_frames)
    n = np.where(alive, statistics.n, 1.0)[:, None]
    offsets = statistics.f / n
    variances = statistics.s / n - np.square(offsets)
    floored = variances < variance_floor
    means = np.where(alive[:, None], center + offsets, gmm.means)
    variances = np.where(alive[:, None], np.maximum(variances, variance_floor), gmm.variances)
    weights = _floored_weights(statistics.n, config.weight_floor / gmm.n_components)
    return DiagonalGMM(weights, means, variances), int(np.sum(floored & alive[:, None]))


def _floored_weights(n: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    """Maximize Σ n_c log w_c over distributions with every w_c ≥ floor.

    The ones below the floor get it, the others share the rest in proportion to n, until none of
    them falls below: at most as many rounds as there are components, in practice one or two.
    """
    low = np.zeros(len(n), dtype=bool)
    while True:
        rest = 1.0 - floor * low.sum()
        weights = np.where(low, floor, n * (rest / n[~low].sum()))
        newly_low = ~low & (weights < floor)
        if not newly_low.any():
            return np.asarray(weights / weights.sum())
        low |= newly_low


def _split_heaviest(
    gmm: DiagonalGMM, dead: NDArray[np.intp], variance_floor: NDArray[np.float64]
) -> DiagonalGMM:
    """Make each dead component one half of the heaviest that is left.

    The halves lie half a standard deviation to either side along the feature in which the heaviest
    is widest; the variance there shrinks, above its floor, so that both together keep the variance.
    """
    weights, means, variances = gmm.weights.copy(), gmm.means.copy(), gmm.variances.copy()
    for component in dead:
        heaviest = int(np.argmax(weights))
        widest = int(np.argmax(variances[heaviest] / gmm.variance))
        share = (weights[heaviest] + weights[component]) / 2
        step = SPLIT_OFFSET * math.sqrt(variances[heaviest, widest])
        weights[[heaviest, component]] = share
        shrunk = variances[heaviest, widest] * (1 - SPLIT_OFFSET**2)
        variances[heaviest, widest] = max(shrunk, variance_floor[widest])
        means[component], variances[component] = means[heaviest], variances[heaviest]
        means[heaviest, widest] -= step
        means[component, widest] += step
    return DiagonalGMM(weights, means, variances)


def _moments(
    source: FrameSource, jobs: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance (D,) of all frames, in float64.

    Raises
    ------
    FrameError
        When frames are not finite, or a feature does not vary.
    """
    pivot = source.chunks[0].load()[0].astype(np.float64)

    def about_pivot(chunk: Chunk) -> Statistics:
        with np.errstate(over="ignore", invalid="ignore"):
            offsets = chunk.load() - pivot
            f, s = offsets.sum(axis=0), np.square(offsets).sum(axis=0)
        n = len(offsets)
        return Statistics(np.array([n], dtype=float), f[None], s[None], 0.0, n)

    zero = Statistics.zero(1, source.n_features)
    total = sum_in_order(about_pivot, source.chunks, zero, jobs=jobs)
    offset = total.f[0] / total.n_frames
    with np.errstate(over="ignore", invalid="ignore"):
        variance = total.s[0] / total.n_frames - np.square(offset)
    if not np.isfinite(variance).all():
        raise FrameError(
            f"feature {int(np.flatnonzero(~np.isfinite(variance))[0])} holds NaN, infinity or "
            "values too large to square; expected finite features: extract them again"
        )
    spread = np.maximum(np.abs(pivot + offset), 1e-300)
    constant = np.flatnonzero(variance <= np.square(spread * 1e-12))
    if len(constant):
        raise FrameError(
            f"feature {constant[0]} has the same value in all {source.n_frames:,} frames; a "
            "Gaussian needs features that vary: remove it from the front end"
        )
    return pivot + offset, variance
