"""Linear scoring: trials as products of matrices, without a look at the frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import FrameError, ModelError
from speakergmm.gmm import DiagonalGMM, Statistics, accumulate
from speakergmm.verification.ratio import check_same_size, some_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def linear_score(
    speaker_models: DiagonalGMM | Sequence[DiagonalGMM],
    ubm: DiagonalGMM,
    statistics: Statistics | Sequence[Statistics],
) -> NDArray[np.float64]:
    """Score tests by their statistics under the background model.

    The first-order approximation of the log-likelihood ratio about the UBM's means ("linear
    scoring": Glembek, Burget, Dehak, Brümmer & Kenny 2009), per frame:

        score = 1/T Σ_c (μ_speaker,c - μ_c)ᵀ Σ_c⁻¹ (f_c - n_c μ_c)

    All trials are one product of (S, C · D) and (C · D, N). Adapted weights and variances are not
    looked at.

    Parameters
    ----------
    speaker_models : DiagonalGMM or sequence of S
        Adapted from ``ubm``.
    statistics : Statistics or sequence of N
        Of each test's frames under ``ubm``, from `speakergmm.accumulate`.

    Returns
    -------
    (S, N) float64
        Per frame; one speaker or test gives S or N = 1. Not a log-likelihood ratio: it grows
        without bound with the offset of the speaker's means. Thresholds and calibrations belong to
        the scorer that they were made with. Exactly 0 for a model whose means are the UBM's.

    Raises
    ------
    ModelError
        When a model or statistics are not of the UBM's C and D.
    FrameError
        When statistics are of no frames.

    Examples
    --------
    >>> from speakergmm import DiagonalGMM, accumulate, linear_score
    >>> ubm = DiagonalGMM([0.5, 0.5], [[-3.0], [3.0]], [[1.0], [1.0]])
    >>> speaker_model = DiagonalGMM([0.5, 0.5], [[-3.0], [4.0]], [[1.0], [1.0]])
    >>> linear_score(speaker_model, ubm, accumulate(ubm, [[4.5]])).round(2)
    array([[1.5]])
    """
    models = [speaker_models] if isinstance(speaker_models, DiagonalGMM) else list(speaker_models)
    tests = [statistics] if isinstance(statistics, Statistics) else list(statistics)
    for model in models:
        check_same_size(model, ubm)
    for test in tests:
        if test.f.shape != ubm.means.shape:
            raise ModelError(
                f"statistics are of (C, D) = {test.f.shape}, the UBM has {ubm.means.shape}; "
                "expected statistics under this UBM"
            )
        if test.n_frames == 0:
            raise FrameError("there are no frames to score; expected one or more")
    centered = np.empty((len(tests), ubm.means.size))  # (N, C · D)
    for row, test in zip(centered, tests, strict=True):
        row[:] = offsets_from_ubm(test, ubm)
    return np.asarray(directions_of(models, ubm) @ centered.T)


def directions_of(models: Sequence[DiagonalGMM], ubm: DiagonalGMM) -> NDArray[np.float64]:
    """Offsets of the speakers' means, over the variances (S, C · D)."""
    directions = np.empty((len(models), ubm.means.size))
    for i, model in enumerate(models):
        directions[i] = ((model.means - ubm.means) / ubm.variances).ravel()
    return directions


def offsets_from_ubm(test: Statistics, ubm: DiagonalGMM) -> NDArray[np.float64]:
    """First-order statistics of a test about the UBM's means, per frame (C · D,)."""
    return ((test.f - test.n[:, None] * ubm.means) / test.n_frames).ravel()


def frame_offsets(ubm: DiagonalGMM, frames: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give all that linear scoring looks at of a test's frames (T, D), (C · D,).

    Raises
    ------
    FrameError
        When the frames are not (T, D) of the model's D, T ≥ 1, or not finite.
    """
    return offsets_from_ubm(accumulate(ubm, some_frames(ubm, frames)), ubm)


@dataclass(frozen=True, eq=False)
class LinearBank:
    """Several speaker models, to be scored linearly against the same frames.

    As `speakergmm.verification.bank.ModelBank`; ``directions`` is (S, C · D).
    """

    ubm: DiagonalGMM
    directions: NDArray[np.float64]

    @classmethod
    def of(cls, speaker_models: Sequence[DiagonalGMM], ubm: DiagonalGMM) -> LinearBank:
        """Stack the offsets of the models' means."""
        for model in speaker_models:
            check_same_size(model, ubm)
        return cls(ubm, directions_of(speaker_models, ubm))

    @property
    def n_models(self) -> int:
        """S."""
        return len(self.directions)

    def scores(
        self, frames: NDArray[np.floating], models: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Linear scores of the frames for some of the models, by their numbers."""
        offsets = frame_offsets(self.ubm, frames)
        # Of all, then some: picking rows first would copy them.
        return np.asarray((self.directions @ offsets)[models])
