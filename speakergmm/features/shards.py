"""The files of a frame store: ``shard-00000.npy``, and ``shard-00000.json`` which describes it."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from speakergmm.errors import FrameStoreError
from speakergmm.files import remove, write_json, writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.features.config import FrontEndConfig

FORMAT = "speakergmm-frames"
VERSION = 4

HEAD = "store.json"
SHARD_NAME = re.compile(r"shard-(\d{5,})\.(?:npy|json)")

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


def write_shard(
    folder: Path,
    number: int,
    config: FrontEndConfig,
    frames: NDArray[np.float32],
    entries: Sequence[Mapping[str, object]],
) -> None:
    """Write a shard's frames (N, D), then what its rows are.

    Raises
    ------
    OutputError
        When they cannot be written.
    """
    # The old description goes first: it must never stand beside other frames.
    remove(description_path(folder, number))
    frames = np.ascontiguousarray(frames)
    with writing(shard_path(folder, number)) as temporary, temporary.open("wb") as file:
        # Not by `np.save`, which says of a full disk how many numbers it wrote, and not why.
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(frames))
        file.write(frames.data)
    described = {
        "front_end": config.digest,
        "n_frames": len(frames),
        "utterances": list(entries),
    }
    write_json(description_path(folder, number), described)


def write_head(folder: Path, config: FrontEndConfig, shards: range) -> None:
    """Write what makes shards of these numbers a store, unless it is there as it is to be.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    about: dict[str, object] = {"front_end": dataclasses.asdict(config), "n_shards": len(shards)}
    if shards.start:
        about["first_shard"] = shards.start
    # JSON has lists where the configuration has tuples.
    wanted = json.loads(json.dumps({"format": FORMAT, "version": VERSION, **about}))
    if head_or_none(folder) != wanted:
        write_json(folder / HEAD, wanted)


def head_or_none(folder: Path) -> dict[str, Any] | None:
    """Read what `write_head` wrote; None where there is nothing readable."""
    try:
        return read_json(folder / HEAD)
    except FrameStoreError:
        return None


def counted_shards(head: Mapping[str, Any]) -> range:
    """Give the numbers of the shards that a store counts as its own.

    They begin at 0, unless the store took the place of another in the same folder.
    """
    first = head.get("first_shard", 0)
    return range(first, first + head["n_shards"])


def remove_shard(folder: Path, number: int) -> None:
    """Remove a shard, its description first.

    Raises
    ------
    OutputError
        When it cannot be removed.
    """
    remove(description_path(folder, number))
    remove(shard_path(folder, number))


def holds_imported(folder: Path) -> bool | None:
    """Tell whether a folder's store holds frames of another program; None without a store."""
    if not (folder / HEAD).exists():
        return None
    front_end = (head_or_none(folder) or {}).get("front_end")
    return isinstance(front_end, dict) and bool(front_end.get("imported_features"))


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
    n_read = 0
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(layout.offset + start * layout.row_bytes)
            # Linux gives no more than 2 GB at a time, other systems and network disks less.
            while n_read < rows.nbytes and (n := file.readinto(rows.data.cast("B")[n_read:])):
                n_read += n
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
