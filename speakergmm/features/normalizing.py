"""The normalization that a configuration asks for, on an utterance or on a part of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from speakergmm.features.moving_normalization import sliding_cmvn, warp
from speakergmm.features.normalization import centered, cmvn, leveled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from speakergmm.features.config import FrontEndConfig

# What these do to frames does not depend on a constant that was subtracted before, nor on a scale.
FORGETFUL = ("level", "cmn", "cmvn")


def normalize(frames: NDArray[np.float32], config: FrontEndConfig) -> NDArray[np.float32]:
    """Normalize frames (T, D), over the place where they are.

    Parameters
    ----------
    frames : (T, D)
        What is normalized together, finite.
    config : FrontEndConfig

    Returns
    -------
    (T, D), same dtype
    """
    match config.normalization:
        case "none":
            return frames
        case "level":
            return leveled(frames, np.array(config.level_per_db), out=frames)
        case "cmn":
            return centered(frames, out=frames)
        case "cmvn":
            return cmvn(frames, out=frames)
    window = config.n_frames(config.normalization_window_s)
    if config.normalization == "warp":
        return warp(frames, window=window + 1 - window % 2, out=frames)
    return sliding_cmvn(
        frames,
        window=window,
        center=config.normalization_centered,
        variance=config.normalization == "sliding_cmvn",
        out=frames,
    )


def forgets_the_rest(config: FrontEndConfig) -> bool:
    """Tell whether `first_frames` gives what a recording that ends there would have given.

    Not where the frames without speech, or a window that reached beyond the cut, had their part in
    the normalization.
    """
    return config.normalization == "none" or (
        config.normalization in FORGETFUL and config.normalization_frames == "speech"
    )


def first_frames(
    frames: NDArray[np.float32], n_frames: int, config: FrontEndConfig
) -> NDArray[np.float32]:
    """Cut frames that were normalized after so many, and let the rest be forgotten where it can be.

    Parameters
    ----------
    frames : (T, D)
        What was normalized together.
    n_frames : int
    config : FrontEndConfig

    Returns
    -------
    (min(T, n_frames), D), same dtype
    """
    first = frames[:n_frames]
    if len(first) == len(frames) or not forgets_the_rest(config):
        return first
    return normalize(first.copy(), config)
