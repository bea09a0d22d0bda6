"""The model: a mixture of Gaussians with diagonal covariances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.errors import FrameError, ModelError
from speakergmm.features.frame_arrays import as_floats, check_finite

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from speakergmm.gmm.densities import BlockDensities

# Weights read back from text or float32 do not sum to one exactly.
WEIGHT_SUM_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class DiagonalGMM:
    """A Gaussian mixture model with C components over D features.

    Parameters
    ----------
    weights : (C,)
        0 or more, summing to 1.
    means : (C, D)
    variances : (C, D)
        The diagonals of the covariances, in squared units of the features; all above 0.

    Raises
    ------
    ModelError
        When the shapes do not fit, values are not finite, a variance is not positive, or the
        weights are not a distribution.

    Notes
    -----
    p(x) = Σ_c w_c N(x; μ_c, diag σ²_c) (Reynolds, Quatieri & Dunn 2000). Parameters are copied,
    float64 and read-only; what is derived from them is computed once.

    Examples
    --------
    >>> from speakergmm import DiagonalGMM
    >>> gmm = DiagonalGMM([0.5, 0.5], [[-3.0], [3.0]], [[1.0], [1.0]])
    >>> gmm.responsibilities([[-3.0], [0.0]]).round(2)
    array([[1. , 0. ],
           [0.5, 0.5]])
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("weights", "means", "variances"):
            array = np.array(getattr(self, name), dtype=np.float64, order="C")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
            if not np.isfinite(array).all():
                raise ModelError(f"{name} hold NaN or infinity; expected finite numbers")
        shapes = self.weights.shape, self.means.shape, self.variances.shape
        if self.means.ndim != 2 or shapes != (self.means.shape[:1], *(self.means.shape,) * 2):
            raise ModelError(
                f"weights, means, variances have shapes {shapes}; expected (C,), (C, D), (C, D)"
            )
        if self.means.size == 0:
            raise ModelError(f"means have shape {self.means.shape}; expected C ≥ 1 and D ≥ 1")
        if not (self.variances > 0).all():
            raise ModelError(f"the smallest variance is {self.variances.min():g}; expected above 0")
        total = float(self.weights.sum())
        if (self.weights < 0).any() or abs(total - 1) > WEIGHT_SUM_TOLERANCE:
            raise ModelError(
                f"weights sum to {total:g}, the smallest is {self.weights.min():g}; expected a "
                "distribution: 0 or more, summing to 1"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        # To other processes goes what the model is, not what is derived from it.
        return DiagonalGMM, (self.weights, self.means, self.variances)

    @property
    def n_components(self) -> int:
        """C."""
        return len(self.weights)

    @property
    def n_features(self) -> int:
        """D."""
        return int(self.means.shape[1])

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """Mean (D,) of the whole mixture."""
        return self.weights @ self.means

    @cached_property
    def variance(self) -> NDArray[np.float64]:
        """Variance (D,) of the whole mixture, by the law of total variance."""
        return self.weights @ (self.variances + np.square(self.means - self.mean))

    @cached_property
    def log_normalizers(self) -> NDArray[np.float64]:
        """Log w_c - ½ Σ_d log(2π σ²_cd), (C,): the part of the log density that x is not in."""
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights)
        half_log_det = 0.5 * np.sum(np.log(2 * math.pi * self.variances), axis=1)
        return np.asarray(log_weights - half_log_det)

    @cached_property
    def block_densities(self) -> BlockDensities:
        """The constants of the float32 path."""
        from speakergmm.gmm.densities import BlockDensities

        return BlockDensities.of(self)

    def log_likelihoods(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Natural log of p(x_t) for every frame.

        Parameters
        ----------
        frames : (T, D)
            float64 is computed in float64 throughout, float32 in fast blocks.

        Returns
        -------
        (T,) float64
            Higher is more likely; a density, so it may be above 0.

        Raises
        ------
        FrameError
            When the frames are not (T, D) of this model's D, or not finite.
        """
        from speakergmm.gmm.densities import log_likelihoods

        return log_likelihoods(self, self.check_frames(frames))

    def responsibilities(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Posterior probability of each component given each frame, by Bayes' rule.

        Parameters
        ----------
        frames : (T, D)

        Returns
        -------
        (T, C) float64
            Rows sum to 1.

        Raises
        ------
        FrameError
            When the frames are not (T, D) of this model's D, or not finite.
        """
        from speakergmm.gmm.densities import responsibilities

        return responsibilities(self, self.check_frames(frames))

    def check_frames(self, frames: ArrayLike) -> NDArray[np.floating]:
        """Give the frames as a float32 or float64 array, or refuse them.

        Raises
        ------
        FrameError
            When the frames are not (T, D) of this model's D, or not finite.
        """
        array = as_floats(frames)
        if array.ndim != 2 or array.shape[1] != self.n_features:
            raise FrameError(
                f"frames have shape {array.shape}; the model expects (n_frames, "
                f"{self.n_features}): the same front end for training and use"
            )
        return check_finite(array)
