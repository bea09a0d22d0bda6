"""What training reads frames from: an array in memory, or a frame store on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from speakergmm.errors import FrameError
from speakergmm.features import FrameStore
from speakergmm.features.store import CHUNK_FRAMES
from speakergmm.gmm.model import as_floats, check_finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Frames: TypeAlias = ArrayLike | FrameStore


class Chunk(Protocol):
    """Some frames, loaded when they are needed."""

    def load(self) -> NDArray[np.floating]:
        """Give the frames (T, D)."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of an array in memory."""

    rows: NDArray[np.floating]

    def load(self) -> NDArray[np.floating]:
        return self.rows


@dataclass(frozen=True)
class FrameSource:
    """T frames of D features in chunks of bounded size; their cut does not depend on workers."""

    chunks: Sequence[Chunk]
    n_frames: int
    n_features: int


def frame_source(frames: Frames) -> FrameSource:
    """Read an array (T, D) or a frame store in chunks.

    Raises
    ------
    FrameError
        When the frames are not (T, D), or not finite.
    """
    if isinstance(frames, FrameStore):
        return FrameSource(frames.chunks(), frames.n_frames, frames.n_features)
    array = as_floats(frames)
    if array.ndim != 2 or array.shape[1] == 0:
        raise FrameError(f"frames have shape {array.shape}; expected (n_frames, n_features)")
    check_finite(array)
    starts = range(0, len(array), CHUNK_FRAMES)
    chunks = [_Rows(array[start : start + CHUNK_FRAMES]) for start in starts]
    return FrameSource(chunks, len(array), array.shape[1])


def frames_digest(frames: Frames) -> str:
    """Digest of the frames: of what a store's were made from, or of an array's content."""
    if isinstance(frames, FrameStore):
        return frames.digest()
    array = np.ascontiguousarray(frames)
    content = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    content.update(array.data)
    return content.hexdigest()


def sample_frames(
    source: FrameSource, n_wanted: int, rng: np.random.Generator
) -> NDArray[np.floating]:
    """Draw frames without replacement, uniformly over the whole source, in their order.

    Returns
    -------
    (min(n_wanted, T), D)
    """
    if n_wanted >= source.n_frames:
        rows = np.arange(source.n_frames)
    else:
        rows = np.sort(rng.choice(source.n_frames, size=n_wanted, replace=False))
    parts = []
    first = 0
    for chunk in source.chunks:
        frames = chunk.load()
        low, high = np.searchsorted(rows, [first, first + len(frames)])
        parts.append(frames[rows[low:high] - first])
        first += len(frames)
    return np.concatenate(parts)
