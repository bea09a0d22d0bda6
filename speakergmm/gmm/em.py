"""Expectation-maximization: the steps, and the state between two iterations."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from speakergmm.config import check_choice, check_range, check_whole, use_plain_numbers
from speakergmm.gmm.model import DiagonalGMM
from speakergmm.gmm.statistics import Statistics, accumulate_centered, statistics_center
from speakergmm.parallel import sum_in_order
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from speakergmm.gmm.frame_source import Chunk, FrameSource
    from speakergmm.parallel import Jobs
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
        use_plain_numbers(self)
        check_whole("max_iterations", self.max_iterations, 0)
        check_range("tolerance", self.tolerance, 0.0)
        check_range("variance_floor", self.variance_floor, 1e-9, 1.0)
        check_range("weight_floor", self.weight_floor, 0.0, 0.99)
        check_choice("dead_components", self.dead_components, ("split", "keep"))
        check_range("min_frames", self.min_frames, 0.0)
        check_whole("kmeans_frames", self.kmeans_frames, 1)
        check_whole("kmeans_iterations", self.kmeans_iterations, 1)


@dataclass(frozen=True)
class TrainingState:
    """Where EM stands between two iterations: all that the rest of the training depends on.

    Parameters
    ----------
    gmm : DiagonalGMM
        The model that the next iteration starts from.
    unsplit : DiagonalGMM or None
        The model to return to when the split of dead components that led to ``gmm`` does not pay.
    may_split : bool
        Whether dead components may still be split.
    mean_log_likelihood, floored_variances, split_components, kept_components : tuple
        As in `TrainingHistory`, so far.
    converged : bool
        Whether the last iteration gained less than the tolerance.
    """

    gmm: DiagonalGMM
    unsplit: DiagonalGMM | None = None
    may_split: bool = True
    mean_log_likelihood: tuple[float, ...] = ()
    floored_variances: tuple[int, ...] = ()
    split_components: tuple[int, ...] = ()
    kept_components: tuple[int, ...] = ()
    converged: bool = False

    def is_finished(self, config: TrainingConfig) -> bool:
        """Tell whether nothing is left to do."""
        return self.converged or len(self.floored_variances) >= config.max_iterations


def iterate(
    state: TrainingState,
    source: FrameSource,
    variance_floor: NDArray[np.float64],
    config: TrainingConfig,
    jobs: Jobs,
    progress: Progress = SILENT,
) -> TrainingState:
    """Do one iteration: E-step, a look at the gain, M-step, repair of dead components.

    ``progress`` advances by one for each chunk of the source.
    """
    statistics = expectation(state.gmm, source, jobs, progress)
    likelihood = statistics.mean_log_likelihood
    before = state.mean_log_likelihood
    gain = likelihood - before[-1] if before else math.inf
    if gain < 0 and state.unsplit is not None:
        # The split did not pay: take it back, and let dead components rest from now on.
        dead_before = state.kept_components[-1] + state.split_components[-1]
        return replace(
            state,
            gmm=state.unsplit,
            unsplit=None,
            may_split=False,
            split_components=(*state.split_components[:-1], 0),
            kept_components=(*state.kept_components[:-1], dead_before),
        )
    state = replace(state, mean_log_likelihood=(*before, likelihood))
    if gain < config.tolerance and state.unsplit is None:
        return replace(state, converged=True)
    gmm, n_floored = maximization(state.gmm, statistics, variance_floor, config)
    dead = np.flatnonzero(statistics.n < config.min_frames)
    # Not in the last iteration: nobody would look whether the split paid.
    is_last = len(state.floored_variances) + 1 >= config.max_iterations
    may_split = state.may_split and config.dead_components == "split"
    splits = may_split and len(dead) > 0 and not is_last
    return replace(
        state,
        gmm=split_heaviest(gmm, dead, variance_floor) if splits else gmm,
        unsplit=gmm if splits else None,
        floored_variances=(*state.floored_variances, n_floored),
        split_components=(*state.split_components, len(dead) if splits else 0),
        kept_components=(*state.kept_components, 0 if splits else len(dead)),
    )


def expectation(
    gmm: DiagonalGMM, source: FrameSource, jobs: Jobs, progress: Progress = SILENT
) -> Statistics:
    """E-step: statistics of all frames about the model's center, summed in the order of chunks."""
    # Computed before the workers share it.
    _ = gmm.block_densities
    zero = Statistics.zero(gmm.n_components, gmm.n_features)
    return sum_in_order(_chunk_statistics, source.chunks, zero, gmm, jobs=jobs, progress=progress)


def _chunk_statistics(chunk: Chunk, gmm: DiagonalGMM) -> Statistics:
    return accumulate_centered(gmm, chunk.load())


def maximization(
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
    weights = floored_weights(statistics.n, config.weight_floor / gmm.n_components)
    return DiagonalGMM(weights, means, variances), int(np.sum(floored & alive[:, None]))


def floored_weights(n: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
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


def split_heaviest(
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
