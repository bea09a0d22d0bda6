"""EM iterations of the package and of other programs, from the same parameters.

Each maker gives a function that does one iteration and returns the new means (C, D). Makers for
programs that are not installed give None.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from speakergmm import DiagonalGMM, TrainingConfig
from speakergmm.gmm.em import expectation, maximization
from speakergmm.gmm.frame_source import frame_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Iteration = Callable[[], NDArray[np.floating]]


def package_iteration(gmm: DiagonalGMM, frames: NDArray[np.float32]) -> Iteration:
    """Make one iteration as `train_ubm` does it, in one thread."""
    source = frame_source(frames)
    config = TrainingConfig()
    floor = config.variance_floor * gmm.variance

    def run() -> NDArray[np.float64]:
        # A new model: what is derived from parameters is computed anew in every iteration.
        start = DiagonalGMM(gmm.weights, gmm.means, gmm.variances)
        new, _ = maximization(start, expectation(start, source, 1), floor, config)
        return new.means

    return run


def sklearn_steps(gmm: DiagonalGMM, frames: NDArray[np.float32]) -> Iteration:
    """Make scikit-learn's `_e_step` and `_m_step` in float32."""
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(gmm.n_components, covariance_type="diag")
    weights, means, variances = single_precision(gmm)

    def run() -> NDArray[np.floating]:
        mixture.weights_, mixture.means_, mixture.covariances_ = weights, means, variances
        mixture.precisions_cholesky_ = 1 / np.sqrt(variances)
        _, log_responsibilities = mixture._e_step(frames)
        mixture._m_step(frames, log_responsibilities)
        return mixture.means_

    return run


def sklearn_fit(gmm: DiagonalGMM, frames: NDArray[np.float32]) -> Iteration:
    """Make scikit-learn's public `fit` of one iteration in float32.

    It ends with a second E-step, for the labels that `fit_predict` would return.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    weights, means, variances = single_precision(gmm)
    mixture = GaussianMixture(
        gmm.n_components,
        covariance_type="diag",
        max_iter=1,
        weights_init=weights,
        means_init=means,
        precisions_init=1 / variances,
    )

    def run() -> NDArray[np.floating]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return mixture.fit(frames).means_

    return run


def torchgmm_steps(gmm: DiagonalGMM, frames: NDArray[np.float32]) -> Iteration | None:
    """Make the iteration of torchgmm's training step, without its trainer, in one thread.

    Its `fit` cannot start from given weights and variances.
    """
    try:
        import torch
        from torchgmm.bayes.core import cholesky_precision
        from torchgmm.bayes.gmm.metrics import (
            CovarianceAggregator,
            MeanAggregator,
            PriorAggregator,
        )
        from torchgmm.bayes.gmm.model import GaussianMixtureModel, GaussianMixtureModelConfig
    except ImportError:
        return None
    size = gmm.n_components, gmm.n_features
    torch.set_num_threads(1)
    data = torch.from_numpy(frames)
    weights, means, variances = (torch.from_numpy(x) for x in single_precision(gmm))
    model = GaussianMixtureModel(GaussianMixtureModelConfig(*size, "diag"))

    @torch.no_grad()
    def run() -> NDArray[np.floating]:
        model.component_probs.copy_(weights)
        model.means.copy_(means)
        model.precisions_cholesky.copy_(cholesky_precision(variances, "diag"))
        responsibilities = model(data)[0].exp()
        prior, mean = PriorAggregator(gmm.n_components), MeanAggregator(*size)
        covariance = CovarianceAggregator(*size, "diag", reg=1e-6)
        prior.update(responsibilities)
        mean.update(data, responsibilities)
        new_means = mean.compute()
        covariance.update(data, responsibilities, new_means)
        model.component_probs.copy_(prior.compute())
        model.means.copy_(new_means)
        model.precisions_cholesky.copy_(cholesky_precision(covariance.compute(), "diag"))
        return new_means.numpy()

    return run


def bob_fit(gmm: DiagonalGMM, frames: NDArray[np.float32]) -> Iteration | None:
    """Make the `fit` of one iteration of bob.learn.em's GMMMachine, in float32."""
    try:
        from bob.learn.em import GMMMachine
    except ImportError:
        return None
    weights, means, variances = single_precision(gmm)

    def run() -> NDArray[np.floating]:
        machine = GMMMachine(
            gmm.n_components,
            max_fitting_steps=1,
            weights=weights,
            update_means=True,
            update_variances=True,
            update_weights=True,
        )
        # Given means and variances take the place of k-means.
        machine.means, machine.variances = means, variances
        return machine.fit(frames).means

    return run


def single_precision(gmm: DiagonalGMM) -> tuple[NDArray[np.float32], ...]:
    """Weights, means and variances in float32."""
    return tuple(x.astype(np.float32) for x in (gmm.weights, gmm.means, gmm.variances))
