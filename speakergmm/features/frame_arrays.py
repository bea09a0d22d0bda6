"""Frames as they are given to the public functions, made fit to be computed with, or refused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.errors import FrameError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def as_floats(frames: ArrayLike) -> NDArray[np.floating]:
    """Give an array as it is where it is float32 or float64, else as float64.

    Raises
    ------
    FrameError
        When it does not hold real numbers.
    """
    array = np.asarray(frames)
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype.kind not in "fiub":
        raise FrameError(f"frames hold {array.dtype}; expected real numbers, float32 or float64")
    return array.astype(np.float64)


def check_finite(frames: NDArray[np.floating]) -> NDArray[np.floating]:
    """Refuse frames that hold NaN or infinity, naming the first.

    Raises
    ------
    FrameError
        When there are any.
    """
    # The sum of squares is one fast pass without a copy or warnings; of finite frames it may
    # overflow, hence the second look.
    if not math.isfinite(np.einsum("ij,ij->", frames, frames)):
        bad = np.argwhere(~np.isfinite(frames))
        if len(bad):
            frame, feature = bad[0]
            raise FrameError(
                f"frame {frame}, feature {feature} is {frames[frame, feature]}; expected finite "
                f"numbers ({len(bad):,} are not)"
            )
    return frames


def frames_of_utterance(frames: ArrayLike) -> NDArray[Any]:
    """Give frames (T, D), T ≥ 1, as finite float32 or float64.

    Whole numbers become float64: what is computed of them is none.

    Raises
    ------
    FrameError
        When they are none.
    """
    array = as_floats(frames)
    if array.ndim != 2 or len(array) == 0:
        raise FrameError(f"frames have shape {array.shape}; expected (n_frames, n_features)")
    return check_finite(array)
