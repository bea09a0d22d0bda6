"""Linear scoring: trials as products of matrices, without a look at the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import FrameError, ModelError
from speakergmm.gmm import DiagonalGMM, Statistics
from speakergmm.verification.ratio import check_same_size

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
    size = ubm.means.size
    offsets = np.empty((len(models), size))  # (S, C · D)
    for i, model in enumerate(models):
        offsets[i] = ((model.means - ubm.means) / ubm.variances).ravel()
    centered = np.empty((len(tests), size))  # (N, C · D)
    for i, test in enumerate(tests):
        centered[i] = ((test.f - test.n[:, None] * ubm.means) / test.n_frames).ravel()
    return np.asarray(offsets @ centered.T)
