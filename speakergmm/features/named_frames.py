"""Frames of other toolkits, utterance by utterance: what is checked of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from speakergmm.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray

    NamedFrames: TypeAlias = Iterable[tuple[str, NDArray[np.float32]]]


def as_frames(where: str, array: ArrayLike) -> NDArray[np.float32]:
    """Give an array as float32 frames (T, D), T and D at least 1, or refuse it.

    Parameters
    ----------
    where : str
        Names the utterance in messages.

    Raises
    ------
    FrameError
        When it is not a matrix, is empty, or holds anything that is no finite float32 number.
    """
    found: NDArray[Any] = np.asarray(array)
    if found.dtype.kind not in "fiu" or found.ndim != 2:
        raise FrameError(
            f"{where}: holds {found.dtype} of shape {found.shape}; expected real numbers "
            "(n_frames, n_features)"
        )
    if found.size == 0:
        raise FrameError(
            f"{where}: has no frames (shape {found.shape}); expected one or more: leave the "
            "utterance out"
        )
    with np.errstate(over="ignore"):
        frames = found.astype(np.float32)
    bad = np.argwhere(~np.isfinite(frames))
    if len(bad):
        frame, feature = bad[0]
        raise FrameError(
            f"{where}: frame {frame}, feature {feature} is {found[frame, feature]}; expected "
            f"finite numbers within float32 ({len(bad):,} are not): extract the features again"
        )
    return frames


def checked(
    named: Iterable[tuple[str, ArrayLike]],
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Pass on utterances' arrays as `as_frames`."""
    for name, array in named:
        yield name, as_frames(f"utterance {name!r}", array)


def of_one_size(named: NamedFrames, place: object) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Pass on the frames of utterances, as long as all have the same number of features.

    Raises
    ------
    FrameError
        Naming the first two that have not, and ``place``, where they are.
    """
    first, n_features = "", 0
    for name, frames in named:
        n_features, first = n_features or frames.shape[1], first or name
        if frames.shape[1] != n_features:
            raise FrameError(
                f"{place}: utterance {name!r} has {frames.shape[1]} features, {first!r} has "
                f"{n_features}; expected features of one kind"
            )
        yield name, frames
