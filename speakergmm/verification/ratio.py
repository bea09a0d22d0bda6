"""The score of one trial: how much better a speaker's model explains it than the UBM does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from speakergmm.config import check_whole
from speakergmm.errors import FrameError, ModelError
from speakergmm.gmm.densities import block_slices, exponentiate, log_joint

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from speakergmm.gmm import DiagonalGMM


def log_likelihood_ratio(
    speaker_model: DiagonalGMM, ubm: DiagonalGMM, frames: ArrayLike, *, top_c: int | None = None
) -> float:
    """Mean over the frames of log p(x | speaker) - log p(x | background).

    Parameters
    ----------
    speaker_model, ubm : DiagonalGMM
        Of the same C and D.
    frames : (T, D)
        T ≥ 1.
    top_c : int, optional
        Use, in each frame, only the ``top_c`` components that are best under the UBM, on both
        sides (the fast scoring of Reynolds, Quatieri & Dunn 2000). Default: all.

    Returns
    -------
    float
        The score, in nats per frame. Above 0 the speaker's model explains the speech better. It is
        not calibrated: what a good threshold is depends on the model and the length of the speech.
        Exactly 0 for a model that equals the UBM.

    Raises
    ------
    FrameError
        When there are no frames, or they do not fit the models.
    ModelError
        When the two models are of different size.
    ConfigError
        When ``top_c`` is not between 1 and C.

    Examples
    --------
    >>> from speakergmm import DiagonalGMM, log_likelihood_ratio
    >>> ubm = DiagonalGMM([0.5, 0.5], [[-3.0], [3.0]], [[1.0], [1.0]])
    >>> speaker_model = DiagonalGMM([0.5, 0.5], [[-3.0], [4.0]], [[1.0], [1.0]])
    >>> round(log_likelihood_ratio(speaker_model, ubm, [[4.5]]), 2)
    1.0
    >>> round(log_likelihood_ratio(speaker_model, ubm, [[3.0]]), 2)
    -0.5
    """
    check_same_size(speaker_model, ubm)
    array = some_frames(ubm, frames)
    if top_c is None:
        above, below = speaker_model.log_likelihoods(array), ubm.log_likelihoods(array)
        return float(_ratios(above, below).mean())
    top_c = check_whole("top_c", top_c, 1, ubm.n_components, "components")
    total = 0.0
    for block in block_slices(len(array), ubm.n_components):
        background = log_joint(ubm, array[block])
        best = np.argpartition(background, -top_c, axis=1)[:, -top_c:]  # (T, top_c)
        speaker = log_joint(speaker_model, array[block])
        above, _ = exponentiate(np.take_along_axis(speaker, best, axis=1))
        below, _ = exponentiate(np.take_along_axis(background, best, axis=1))
        total += float(_ratios(above, below).sum())
    return total / len(array)


def _ratios(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences of log-likelihoods; 0, no evidence, where both densities are 0."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isneginf(above) & np.isneginf(below), 0.0, above - below)


def check_same_size(speaker_model: DiagonalGMM, ubm: DiagonalGMM) -> None:
    """Refuse two models of different C or D.

    Raises
    ------
    ModelError
        With both sizes.
    """
    if speaker_model.means.shape != ubm.means.shape:
        raise ModelError(
            f"the speaker model has (C, D) = {speaker_model.means.shape}, the UBM "
            f"{ubm.means.shape}; expected a model adapted from this UBM"
        )


def some_frames(ubm: DiagonalGMM, frames: ArrayLike) -> NDArray[np.floating]:
    """Give frames as an array, or refuse them where there are none or they do not fit.

    Raises
    ------
    FrameError
        When the frames are not (T, D) of the model's D, T ≥ 1, or not finite.
    """
    array = ubm.check_frames(frames)
    if len(array) == 0:
        raise FrameError("there are no frames to score; expected one or more")
    return array
