"""Rows of training: the time of an EM iteration, and how it grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from measure import (
    Line,
    alternate,
    compare,
    compare_speed,
    keeping,
    per_second,
    require_close,
)
from peers import bob_fit, package_iteration, sklearn_fit, sklearn_steps, torchgmm_steps
from workload import (
    MANY_COMPONENTS,
    N_COMPONENTS,
    N_FEATURES,
    bare_product,
    draw_frames,
    random_mixture,
)

from speakergmm import TrainingConfig
from speakergmm.gmm.statistics import accumulate_centered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from peers import Iteration
    from work import Work

    from speakergmm import DiagonalGMM

BARE = "bare product"

# The largest ratio to the bare product that is accepted.
BARE_BARS = {N_COMPONENTS: 1.9, MANY_COMPONENTS: 1.35}

# Peers, how they are called, and how many times as fast the package wants to be.
PEERS = (
    ("scikit-learn _e_step + _m_step", sklearn_steps, 5.5),
    ("scikit-learn fit(max_iter=1)", sklearn_fit, 12.0),
    ("torchgmm training step", torchgmm_steps, None),
)

# bob.learn.em goes component by component through (T, D) arrays: minutes for all frames.
BOB_FRAMES = 8192


def em(work: Work) -> list[Line]:
    """One EM iteration from the same parameters: the package, its peers, the bare product."""
    lines = []
    for n_components in (N_COMPONENTS, MANY_COMPONENTS):
        gmm = work.mixture(n_components)
        frames = work.frames(n_components, work.size.em_frames(n_components))
        lines += [*against_bare(work, gmm, frames), *against_peers(work, gmm, frames)]
        lines += against_bob(work, gmm, frames[:BOB_FRAMES])
    return lines


def em_name(gmm: DiagonalGMM, frames: NDArray[np.float32]) -> str:
    return f"EM iteration, K={gmm.n_components}, {len(frames):,} frames"


def against_bare(work: Work, gmm: DiagonalGMM, frames: NDArray[np.float32]) -> list[Line]:
    ours = em_name(gmm, frames)
    bare = bare_product(len(frames), gmm.n_components)
    contestants = {ours: package_iteration(gmm, frames), BARE: bare}
    seconds = alternate(contestants, work.size.rounds)
    note = f"{per_second(len(frames), seconds[ours]):,.0f} frames/s"
    return [compare(seconds, ours, BARE, note, bar=BARE_BARS[gmm.n_components])]


def against_peers(work: Work, gmm: DiagonalGMM, frames: NDArray[np.float32]) -> list[Line]:
    found = {name: (make(gmm, frames), wanted) for name, make, wanted in PEERS}
    there = {name: peer for name, peer in found.items() if peer[0] is not None}
    return hold_against(work, gmm, frames, there)


def against_bob(work: Work, gmm: DiagonalGMM, frames: NDArray[np.float32]) -> list[Line]:
    peer = bob_fit(gmm, frames)
    if peer is None:
        return []
    return hold_against(work, gmm, frames, {"bob.learn.em GMMMachine.fit": (peer, None)})


def hold_against(
    work: Work,
    gmm: DiagonalGMM,
    frames: NDArray[np.float32],
    peers: Mapping[str, tuple[Iteration, float | None]],
) -> list[Line]:
    """Hold the package against peers: name → iteration, and how many times as fast to be."""
    ours = em_name(gmm, frames)
    iterations = {ours: package_iteration(gmm, frames)}
    iterations |= {name: iteration for name, (iteration, _) in peers.items()}
    means: dict[str, NDArray[np.floating]] = {}
    contestants = {name: keeping(means, name, run) for name, run in iterations.items()}
    seconds = alternate(contestants, work.size.peer_rounds, is_warm=True)
    # Components that have seen too few frames keep their means here, and not everywhere.
    enough = accumulate_centered(gmm, frames).n >= 2 * TrainingConfig().min_frames
    for name in peers:
        require_close(f"EM, means, {name}", means[ours][enough], means[name][enough], 1e-3)
    return [
        compare_speed(seconds, ours, name, wanted=wanted) for name, (_, wanted) in peers.items()
    ]


def growth(work: Work) -> list[Line]:
    """Time of an EM iteration per frame, component and feature, as one of the three grows."""
    n = work.size.growth_frames
    base = (n, N_COMPONENTS, N_FEATURES)
    points = [
        *((n * factor, N_COMPONENTS, N_FEATURES) for factor in (1, 2, 4)),
        *((n, n_components, N_FEATURES) for n_components in (128, 256, 1024, MANY_COMPONENTS)),
        *((n, N_COMPONENTS, n_features) for n_features in (20, 40, 120)),
    ]
    iterations = {}
    for point in points:
        gmm = random_mixture(point[1], point[2])
        iterations[point] = package_iteration(gmm, draw_frames(gmm, point[0]))
    seconds = alternate(iterations, work.size.rounds)
    nanoseconds = {point: 1e9 * seconds[point] / np.prod(point) for point in points}
    lines = []
    for point in points:
        low, ratio, high = np.quantile(nanoseconds[point] / nanoseconds[base], [0.25, 0.5, 0.75])
        lines.append(
            Line(
                what="EM iteration, N={:,} K={} D={}".format(*point),
                value=float(np.median(nanoseconds[point])),
                against="N={:,} K={} D={}".format(*base),
                against_value=float(np.median(nanoseconds[base])),
                ratio=float(ratio),
                low=float(low),
                high=float(high),
                unit="ns",
                note=f"per frame x component x feature; {np.median(seconds[point]):.3f} s",
            )
        )
    return lines
