"""What training reads frames from: an array in memory, or a frame store on disk."""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from speakergmm.errors import FrameError
from speakergmm.features import FrameStore
from speakergmm.features.frame_arrays import as_floats
from speakergmm.features.store import CHUNK_FRAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Frames: TypeAlias = ArrayLike | FrameStore


class Chunk(Protocol):
    """Some frames, loaded when they are needed."""

    def __len__(self) -> int:
        """T: how many."""

    def load(self) -> NDArray[np.floating]:
        """Give the frames (T, D)."""

    def take(self, rows: NDArray[np.integer]) -> NDArray[np.floating]:
        """Give some of the frames, by their ascending numbers."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of an array in memory."""

    rows: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.rows)

    def load(self) -> NDArray[np.floating]:
        return self.rows

    def take(self, rows: NDArray[np.integer]) -> NDArray[np.floating]:
        return np.take(self.rows, rows, axis=0)


@dataclass(frozen=True, slots=True)
class _MappedRows:
    """Rows of an array that is mapped from a file.

    Its pages would count as this process's memory once they have been read, so they are let go.
    """

    rows: NDArray[np.floating]
    mapping: mmap.mmap

    def __len__(self) -> int:
        return len(self.rows)

    def load(self) -> NDArray[np.floating]:
        return self.take(slice(None))

    def take(self, rows: NDArray[np.integer] | slice) -> NDArray[np.floating]:
        loaded = np.array(self.rows[rows])
        self.mapping.madvise(mmap.MADV_DONTNEED)
        return loaded

    def __reduce__(self) -> tuple[Any, ...]:
        return _Rows, (np.array(self.rows),)


def _mapping_of(array: NDArray[Any]) -> mmap.mmap | None:
    """Find the mapping behind an array, if its pages may be dropped: if it cannot be written to."""
    base: Any = array
    is_read_only = False
    while isinstance(base, np.ndarray):
        # In any other mode there may be changes that are in the pages alone.
        is_read_only |= isinstance(base, np.memmap) and base.mode == "r"
        base = base.base
    # Windows has no such call.
    may_drop = is_read_only and isinstance(base, mmap.mmap) and hasattr(base, "madvise")
    return base if may_drop else None


@dataclass(frozen=True)
class FrameSource:
    """T frames of D features in chunks of bounded size; their cut does not depend on workers.

    ``name_frame`` says in words which frame has a number.
    """

    chunks: Sequence[Chunk]
    n_frames: int
    n_features: int
    name_frame: Callable[[int], str]


def frame_source(frames: Frames) -> FrameSource:
    """Read an array (T, D), one that is mapped from a file, or a frame store, in chunks.

    Raises
    ------
    FrameError
        When the frames are not (T, D).
    """
    if isinstance(frames, FrameStore):
        return FrameSource(frames.chunks(), frames.n_frames, frames.n_features, frames.name_frame)
    array = as_floats(frames)
    if array.ndim != 2 or array.shape[1] == 0:
        raise FrameError(f"frames have shape {array.shape}; expected (n_frames, n_features)")
    starts = range(0, len(array), CHUNK_FRAMES)
    parts = [array[start : start + CHUNK_FRAMES] for start in starts]
    mapping = _mapping_of(array)
    chunks = [_Rows(part) if mapping is None else _MappedRows(part, mapping) for part in parts]
    return FrameSource(chunks, len(array), array.shape[1], "frame {}".format)


def check_all_finite(source: FrameSource) -> None:
    """Refuse frames that hold NaN or infinity, naming the first.

    Raises
    ------
    FrameError
        When there are any.
    """
    first = 0
    for chunk in source.chunks:
        rows = chunk.load()
        bad = np.argwhere(~np.isfinite(rows))
        if len(bad):
            row, feature = bad[0]
            raise FrameError(
                f"{source.name_frame(first + int(row))}, feature {feature} is "
                f"{rows[row, feature]}; "
                "expected finite numbers: extract the features again"
            )
        first += len(chunk)


def frames_digest(frames: Frames) -> str:
    """Digest of the frames: of what a store's were made from, or of an array's content."""
    if isinstance(frames, FrameStore):
        return frames.digest()
    source = frame_source(frames)
    content = hashlib.sha256(f"{source.n_frames} {source.n_features}".encode())
    for chunk in source.chunks:
        rows = np.ascontiguousarray(chunk.load())
        content.update(rows.dtype.str.encode())
        content.update(rows.data)
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
        low, high = np.searchsorted(rows, [first, first + len(chunk)])
        if low < high:
            parts.append(chunk.take(rows[low:high] - first))
        first += len(chunk)
    return np.concatenate(parts)
