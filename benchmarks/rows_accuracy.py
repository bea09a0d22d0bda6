"""The row of accuracy: what float32 costs in digits. Values are errors, held against their bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from measure import Line, against_bar, require_close
from scipy.special import logsumexp

from speakergmm import DiagonalGMM, Statistics, TrainingConfig
from speakergmm.gmm.densities import density_operand
from speakergmm.gmm.em import expectation, maximization
from speakergmm.gmm.frame_source import frame_source
from speakergmm.gmm.statistics import accumulate_centered, statistics_center
from speakergmm.parallel import sum_in_order

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from work import Work

# Largest errors: of n, f and s as a share of their largest entry; of new means and standard
# deviations in standard deviations; of the mean log-likelihood, and its fall, in nats.
STATISTICS_BAR, PARAMETERS_BAR, LIKELIHOOD_BAR = 1e-5, 1e-4, 1e-5

# Frames that are computed in float64 at a time.
PART_FRAMES = 4096
CHECKED_FRAMES = 256

EM_ITERATIONS = 5
CONFIG = TrainingConfig()


def accuracy(work: Work) -> list[Line]:
    """Compare the float32 path with float64 on the same frames; EM must never go down."""
    lines = []
    for gmm, frames in work.both(work.size.exact_frames):
        # About the model's center, as EM takes them.
        fast, exact = accumulate_centered(gmm, frames), exact_statistics(gmm, frames)
        where = f"K={gmm.n_components}"
        lines += statistics_errors(where, gmm, fast, exact)
        lines += parameter_errors(where, gmm, fast, exact)
        lines.append(largest_fall(where, gmm, frames))
    return lines


def exact_statistics(gmm: DiagonalGMM, frames: NDArray[np.float32]) -> Statistics:
    parts = [frames[i : i + PART_FRAMES] for i in range(0, len(frames), PART_FRAMES)]
    zero = Statistics.zero(gmm.n_components, gmm.n_features)
    return sum_in_order(lambda x: accumulate_centered(gmm, x.astype(np.float64)), parts, zero)


def statistics_errors(
    where: str, gmm: DiagonalGMM, fast: Statistics, exact: Statistics
) -> list[Line]:
    center = statistics_center(gmm)
    note = f"as a share of the largest; {exact.n_frames:,} frames"
    lines = []
    for name in ("n", "f", "s"):
        ours, reference = (getattr(x.shifted(center), name) for x in (fast, exact))
        error = np.max(np.abs(ours - reference)) / np.max(np.abs(reference))
        lines.append(
            against_bar(f"error of {name}, {where}", float(error), STATISTICS_BAR, "", note)
        )
    error = abs(fast.mean_log_likelihood - exact.mean_log_likelihood)
    what = f"error of mean log-likelihood, {where}"
    return [*lines, against_bar(what, error, LIKELIHOOD_BAR, "nats")]


def parameter_errors(
    where: str, gmm: DiagonalGMM, fast: Statistics, exact: Statistics
) -> list[Line]:
    floor = CONFIG.variance_floor * gmm.variance
    ours, _ = maximization(gmm, fast, floor, CONFIG)
    reference, _ = maximization(gmm, exact, floor, CONFIG)
    alive = np.minimum(fast.n, exact.n) >= CONFIG.min_frames
    deviations = np.sqrt(reference.variances)
    errors = {
        "means": np.abs(ours.means - reference.means) / deviations,
        "standard deviations": np.abs(np.sqrt(ours.variances) - deviations) / deviations,
    }
    lines = []
    for name, error in errors.items():
        largest = np.where(alive, error.max(axis=1), 0.0)
        worst = int(np.argmax(largest))
        note = (
            f"in standard deviations; worst where n = {exact.n[worst]:.1f}; above the bar in "
            f"{np.sum(largest > PARAMETERS_BAR)} of {alive.sum():,} components"
        )
        what = f"error of new {name}, {where}"
        lines.append(against_bar(what, float(largest[worst]), PARAMETERS_BAR, "", note))
    return lines


def largest_fall(where: str, gmm: DiagonalGMM, frames: NDArray[np.float32]) -> Line:
    """How far the likelihood in float64 falls in any of some iterations in float32."""
    source = frame_source(frames)
    # EM can only promise not to fall when it starts within the floors.
    floor = np.minimum(CONFIG.variance_floor * gmm.variance, gmm.variances.min(axis=0))
    check_likelihoods(gmm, frames[:CHECKED_FRAMES])
    likelihoods = [mean_log_likelihood(gmm, frames)]
    for _ in range(EM_ITERATIONS):
        gmm, _ = maximization(gmm, expectation(gmm, source, None), floor, CONFIG)
        likelihoods.append(mean_log_likelihood(gmm, frames))
    gains = np.diff(likelihoods)
    return against_bar(
        f"largest fall in {EM_ITERATIONS} EM iterations, {where}",
        max(0.0, float(-gains.min())),
        LIKELIHOOD_BAR,
        "nats",
        f"smallest gain {gains.min():.1e}, all together {gains.sum():.3f}",
    )


def mean_log_likelihood(gmm: DiagonalGMM, frames: NDArray[np.float32]) -> float:
    starts = range(0, len(frames), PART_FRAMES)
    parts = (log_likelihoods(gmm, frames[i : i + PART_FRAMES]) for i in starts)
    return sum(float(part.sum()) for part in parts) / len(frames)


def log_likelihoods(gmm: DiagonalGMM, frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log p(x_t), (T,), by the expanded square in float64: 16 digits can afford it."""
    offsets = frames.astype(np.float64) - gmm.mean
    expanded = np.hstack([offsets, np.square(offsets), np.ones((len(offsets), 1))])
    return logsumexp(expanded @ density_operand(gmm, gmm.mean), axis=1)


def check_likelihoods(gmm: DiagonalGMM, frames: NDArray[np.float32]) -> None:
    expected = gmm.log_likelihoods(frames.astype(np.float64))
    require_close("log-likelihoods in float64", log_likelihoods(gmm, frames), expected, 1e-10)
