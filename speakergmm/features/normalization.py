"""What takes level and channel out of an utterance's cepstra: its level, mean and variance.

All may write over what they are given (``out=frames``), so that normalizing a long recording takes
no second copy of it. What follows changes over time: `speakergmm.features.moving_normalization`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.errors import ConfigError
from speakergmm.features.frame_arrays import frames_of_utterance

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Standard deviations below this count as constant: dividing by them would only amplify rounding.
MIN_STANDARD_DEVIATION = 1e-6

# What a decibel more adds to the natural logarithm of a power.
LN_POWER_PER_DB = np.log(10.0) / 10.0


def cmn(frames: ArrayLike, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Subtract each feature's mean over the utterance (cepstral mean normalization).

    A fixed channel is a constant in the log spectrum, hence in the cepstra, and leaves with the
    mean (Atal 1974; Furui 1981); so does what the mean tells about the speaker, which in short
    utterances is much.

    Parameters
    ----------
    frames : (T, D)
    out : (T, D), optional
        Where to write; may be ``frames``.

    Returns
    -------
    (T, D), float32 of float32, else float64

    Raises
    ------
    FrameError
        When ``frames`` is not (T, D) with T ≥ 1, or not finite.
    """
    return centered(frames_of_utterance(frames), out=out)


def centered(frames: NDArray[Any], *, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Compute `cmn` of frames (T, D) that are known to be finite, as the front end's own are."""
    mean = (np.add.reduce(frames, axis=0, dtype=np.float64) / len(frames)).astype(frames.dtype)
    result: NDArray[Any] = np.subtract(frames, mean, out=out)
    return result


def relative_level(
    frames: ArrayLike, *, per_db: ArrayLike = (1.0,), out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Shift the features that carry the level, so that the utterance's mean power is 0 dB.

    The first K features are levels: x[t, d] / per_db[d] in dB. Of each, 10 log10 of the mean of
    10^(level / 10) over the utterance is subtracted, in which loud frames weigh most, whatever
    pauses are kept. A louder or softer copy of a recording then has the same frames; how the level
    moves from sound to sound stays, and so do all other features, the channel among them.

    Parameters
    ----------
    frames : (T, D)
    per_db : (K,)
        By how much each of the first features grows with a dB: 1 for the log energy, for c0 as
        `speakergmm.features.FrontEndConfig.level_per_db` gives it.
    out : (T, D), optional
        As `cmn`.

    Returns
    -------
    (T, D), float32 of float32, else float64

    Raises
    ------
    FrameError
        As `cmn`.
    ConfigError
        When ``per_db`` is not one row of positive numbers, at most one a feature.
    """
    array = frames_of_utterance(frames)
    scale = np.asarray(per_db, dtype=np.float64)
    if scale.ndim != 1 or len(scale) > array.shape[1] or not ((scale > 0) & (scale < np.inf)).all():
        raise ConfigError(
            f"per_db is {per_db!r}; expected positive, finite numbers, one for each of the first "
            f"features that carry the level, of {array.shape[1]}"
        )
    return leveled(array, scale, out=out)


def leveled(
    frames: NDArray[Any], per_db: NDArray[np.float64], *, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Compute `relative_level` of frames (T, D) that are known to be finite, with a (K,) that fits.

    As the front end's own are.
    """
    level = frames[:, : len(per_db)] * (LN_POWER_PER_DB / per_db)  # (T, K), ln of the power
    loudest = np.maximum.reduce(level, axis=0)
    power = np.add.reduce(np.exp(level - loudest), axis=0) / len(frames)
    shift = np.zeros(frames.shape[1], dtype=frames.dtype)
    shift[: len(per_db)] = (loudest + np.log(power)) * (per_db / LN_POWER_PER_DB)
    shifted: NDArray[Any] = np.subtract(frames, shift, out=out)
    return shifted


def cmvn(frames: ArrayLike, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Give each feature mean 0 and standard deviation 1 over the utterance (ddof 0).

    A feature that does not vary (standard deviation below 1e-6) becomes 0.

    Parameters
    ----------
    frames : (T, D)
    out : (T, D), optional
        As `cmn`.

    Returns
    -------
    (T, D), float32 of float32, else float64

    Raises
    ------
    FrameError
        As `cmn`.
    """
    result = cmn(frames, out=out)
    power = np.einsum("td,td->d", result, result, dtype=np.float64)
    deviation = np.sqrt(power / len(result))
    varies = deviation > MIN_STANDARD_DEVIATION
    scale = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 0.0)
    np.multiply(result, scale.astype(result.dtype), out=result)
    return result
