"""The files of a frame store: ``shard-00000.npy``, and ``shard-00000.json`` which describes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from speakergmm.errors import FrameStoreError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.features.config import FrontEndConfig

FORMAT = "speakergmm-frames"
VERSION = 4

# Stands in the description of an utterance that has no rows, and says why.
LEFT_OUT = "left_out"


def shard_path(folder: Path, number: int) -> Path:
    """Name the file of a shard's frames."""
    return folder / f"shard-{number:05d}.npy"


def description_path(folder: Path, number: int) -> Path:
    """Name the file that says what a shard's rows are."""
    return folder / f"shard-{number:05d}.json"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a store.

    Raises
    ------
    FrameStoreError
        When it is missing or not one.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FrameStoreError(f"{path}: not there; no store, or an unfinished one") from None
    except (OSError, ValueError) as error:
        raise FrameStoreError(f"{path}: cannot be read ({error})") from None
    if not isinstance(value, dict):
        raise FrameStoreError(f"{path}: holds no description; expected a JSON object")
    return value


def check_description(
    folder: Path, number: int, described: dict[str, Any], config: FrontEndConfig
) -> None:
    """Refuse a shard that is not as its description says, or was made by another front end.

    Raises
    ------
    FrameStoreError
        When it is missing, truncated, of another shape or from another store.
    """
    path = shard_path(folder, number)
    layout = _layout_of(path)
    expected = (described["n_frames"], config.n_features)
    if (layout.n_frames, layout.n_features) != expected or layout.dtype != np.float32:
        raise FrameStoreError(
            f"{path}: shard holds {layout.dtype} {(layout.n_frames, layout.n_features)}; expected "
            f"float32 {expected}; remove it and extract the features again"
        )
    if described["front_end"] != config.digest:
        raise FrameStoreError(
            f"{path}: shard was made by another front end than this store's; remove it and extract "
            "the features again"
        )


def read_rows(path: Path, start: int, stop: int, n_features: int) -> NDArray[np.float32]:
    """Read rows of a shard as a (stop - start, D) array.

    By reading, not by mapping: what was mapped counts as this process's memory for as long as the
    system likes, however much of it there is.

    Raises
    ------
    FrameStoreError
        When the shard is missing, truncated, or not an array of so many features.
    """
    layout = _layout_of(path)
    if layout.n_features != n_features or layout.dtype != np.float32 or stop > layout.n_frames:
        raise _unreadable(
            path,
            f"it holds {layout.dtype} {(layout.n_frames, layout.n_features)}; expected rows "
            f"{start} to {stop} of {n_features} float32 features",
        )
    rows = np.empty((stop - start, n_features), dtype=np.float32)
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(layout.offset + start * layout.row_bytes)
            n_read = file.readinto(rows.data.cast("B")) if rows.size else 0
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    if n_read != rows.nbytes:
        raise _unreadable(path, "it ends early")
    return rows


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the rows of a shard begin in its file, and their shape."""

    offset: int
    n_frames: int
    n_features: int
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        return self.n_features * self.dtype.itemsize


def _layout_of(path: Path) -> _Layout:
    try:
        status = path.stat()
        return _read_layout(path, (status.st_ino, status.st_size, status.st_mtime_ns))
    except FileNotFoundError:
        raise FrameStoreError(f"{path}: shard is missing; extract the features again") from None
    except (ValueError, OSError, EOFError) as error:
        raise _unreadable(path, str(error)) from None


@lru_cache(maxsize=4096)
def _read_layout(path: Path, identity: tuple[int, int, int]) -> _Layout:
    with path.open("rb") as file:
        shape, is_fortran, dtype = _read_header(file)
        offset = file.tell()
    if len(shape) != 2 or is_fortran:
        raise ValueError(f"it holds an array of shape {shape}; expected frames in rows")
    layout = _Layout(offset, *shape, dtype)
    found, expected = identity[1] - offset, layout.n_frames * layout.row_bytes
    if found != expected:
        raise ValueError(f"it holds {found:,} bytes of frames; expected {expected:,}")
    return layout


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        header = np.lib.format.read_array_header_1_0(file)
    else:
        header = np.lib.format.read_array_header_2_0(file)
    return header


def _unreadable(path: Path, reason: str) -> FrameStoreError:
    return FrameStoreError(
        f"{path}: shard cannot be read ({reason}); remove it and extract the features again"
    )
