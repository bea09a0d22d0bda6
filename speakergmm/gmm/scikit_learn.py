"""From scikit-learn's ``GaussianMixture``, and to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.errors import ModelError
from speakergmm.gmm.model import DiagonalGMM

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.mixture import GaussianMixture

    from speakergmm.gmm.training import TrainingHistory


def from_gaussian_mixture(mixture: GaussianMixture) -> DiagonalGMM:
    """Take over a mixture that scikit-learn has fitted.

    Parameters
    ----------
    mixture : sklearn.mixture.GaussianMixture
        Fitted. Of ``covariance_type`` ``"diag"`` or ``"spherical"``; ``"full"`` and ``"tied"``
        where no two features are correlated in any component.

    Returns
    -------
    DiagonalGMM
        The same weights, means and variances; its log-likelihoods are ``score_samples``.

    Raises
    ------
    ModelError
        When it is no fitted ``GaussianMixture``, or has correlated features.
    """
    from sklearn.mixture import GaussianMixture

    if not isinstance(mixture, GaussianMixture):
        raise ModelError(
            f"a {type(mixture).__name__} is given; expected a fitted "
            "sklearn.mixture.GaussianMixture"
        )
    if not hasattr(mixture, "means_"):
        raise ModelError("the GaussianMixture is not fitted; call its fit(X) first")
    covariances = np.asarray(mixture.covariances_)
    variances = _diagonals(covariances, mixture.covariance_type, np.shape(mixture.means_))
    return DiagonalGMM(mixture.weights_, mixture.means_, variances)


def _diagonals(
    covariances: NDArray[np.float64], kind: str, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Variances (C, D) of what scikit-learn keeps of covariances of this kind."""
    if kind == "diag":
        return covariances  # (C, D)
    if kind == "spherical":
        return np.broadcast_to(covariances[:, None], shape)  # of (C,)
    diagonals = np.diagonal(covariances, axis1=-2, axis2=-1)  # of (C, D, D), or (D, D) if tied
    correlated = covariances != diagonals[..., None] * np.eye(shape[1])
    if correlated.any():
        first, second = np.argwhere(correlated)[0][-2:]
        raise ModelError(
            f"the GaussianMixture has covariance_type={kind!r}, and its features {first} and "
            f"{second} are correlated; expected diagonal covariances: fit one with "
            "covariance_type='diag'"
        )
    return np.broadcast_to(diagonals, shape)


def to_gaussian_mixture(
    gmm: DiagonalGMM, history: TrainingHistory | None = None
) -> GaussianMixture:
    """Make a fitted mixture of scikit-learn.

    Parameters
    ----------
    gmm : DiagonalGMM
    history : TrainingHistory, optional
        Of its training: what ``converged_``, ``n_iter_`` and ``lower_bound_`` say. Without it they
        say that nothing is known: not converged, 0 iterations, a bound of -inf.

    Returns
    -------
    sklearn.mixture.GaussianMixture
        Of ``covariance_type="diag"``, in float64; its ``score_samples`` are the model's
        log-likelihoods, but for what expanding the square costs in digits.
    """
    from sklearn.mixture import GaussianMixture

    bounds = [] if history is None else list(history.mean_log_likelihood)
    fitted: dict[str, Any] = {
        "weights_": gmm.weights.copy(),
        "means_": gmm.means.copy(),
        "covariances_": gmm.variances.copy(),
        "precisions_": 1.0 / gmm.variances,
        "precisions_cholesky_": 1.0 / np.sqrt(gmm.variances),
        "n_features_in_": gmm.n_features,
        "converged_": history is not None and history.converged,
        "n_iter_": len(bounds),
        "lower_bound_": bounds[-1] if bounds else -math.inf,
        "lower_bounds_": bounds,
    }
    mixture = GaussianMixture(gmm.n_components, covariance_type="diag")
    for name, value in fitted.items():
        setattr(mixture, name, value)
    return mixture
