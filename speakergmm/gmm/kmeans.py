"""The start of EM: k-means on a sample of the frames (scikit-learn)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.gmm.model import DiagonalGMM
from speakergmm.parallel import single_threaded_libraries

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Frames a component, and at least, among which k-means++ looks: on all of a sample it takes several
# times as long as Lloyd's algorithm, and ends within 1 % of the same inertia.
SEED_FRAMES, MIN_SEED_FRAMES = 5, 4096


def kmeans_start(
    sample: NDArray[np.floating],
    n_components: int,
    *,
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    variance_floor: NDArray[np.float64],
    max_iterations: int,
    rng: np.random.Generator,
) -> DiagonalGMM:
    """Make a mixture whose components are the clusters of a sample.

    Distances are taken in standard deviations of each feature, so that the result does not depend
    on the features' units. Centers start by k-means++ (Arthur & Vassilvitskii 2007) on a part of
    the sample and move by Lloyd's algorithm on all of it; each cluster's share, mean and variance
    make a component.

    Parameters
    ----------
    sample : (T, D)
        T ≥ ``n_components``.
    mean, variance : (D,)
        Of all frames.
    variance_floor : (D,)
        Variances are raised to it.
    """
    import sklearn.cluster
    import sklearn.exceptions

    deviation = np.sqrt(variance)
    scaled = ((sample - mean) / deviation).astype(sample.dtype)
    n_seeds = min(len(scaled), max(SEED_FRAMES * n_components, MIN_SEED_FRAMES))
    seeds = scaled[np.sort(rng.choice(len(scaled), n_seeds, replace=False))]
    with single_threaded_libraries(), warnings.catch_warnings():
        # Fewer distinct frames than clusters: dealt with below.
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        centers, _ = sklearn.cluster.kmeans_plusplus(
            seeds, n_components, random_state=int(rng.integers(2**31))
        )
        kmeans = sklearn.cluster.KMeans(
            n_components, init=centers, n_init=1, max_iter=max_iterations, tol=0.0, copy_x=False
        )
        labels = kmeans.fit(scaled).labels_
    counts = np.bincount(labels, minlength=n_components).astype(np.float64)
    occupied = np.maximum(counts, 1.0)[:, None]
    # Rows sorted by cluster, so that one reduction sums each cluster's rows.
    order = np.argsort(labels, kind="stable")
    present = np.flatnonzero(counts)
    starts = np.searchsorted(labels[order], present)
    grouped = scaled[order].astype(np.float64)
    centers = np.zeros((n_components, sample.shape[1]))
    squares = np.zeros_like(centers)
    centers[present] = np.add.reduceat(grouped, starts)
    centers /= occupied
    squares[present] = np.add.reduceat(np.square(grouped - centers[labels[order]]), starts)
    squares /= occupied
    # Where samples repeat there may be fewer distinct ones than clusters: an empty cluster starts
    # as the whole, with next to no weight, and EM's repair takes it from there.
    squares[counts == 0] = 1.0
    weights = np.maximum(counts, 1e-3) / np.maximum(counts, 1e-3).sum()
    return DiagonalGMM(
        weights,
        mean + centers * deviation,
        np.maximum(squares * variance, variance_floor),
    )
