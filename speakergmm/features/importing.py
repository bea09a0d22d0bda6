"""Frames that another program made, in a frame store: for training and for scoring lists.

The front end that made them is not known here. So a model that is trained on them knows no
recordings, only frames of the same store or of another that was imported.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import ConfigError, FrameStoreError, OutputError, problem_report
from speakergmm.features.config import FrontEndConfig
from speakergmm.features.named_frames import of_one_size
from speakergmm.features.shards import (
    SHARD_NAME,
    description_path,
    holds_imported,
    read_json,
    remove_shard,
    write_head,
    write_shard,
)
from speakergmm.features.store import FrameStore
from speakergmm.files import locked
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from speakergmm.features.named_frames import NamedFrames
    from speakergmm.features.sides import Side
    from speakergmm.progress import Progress

# Values that are gathered for a shard: 64 MB.
SHARD_VALUES = 1 << 24


def import_frames(
    named: NamedFrames, folder: Path | str, *, hop_s: float = 0.010, progress: Progress = SILENT
) -> FrameStore:
    """Put frames of another program into a store, in the order in which they come.

    Parameters
    ----------
    named : iterable of (str, (T, D) float32)
        Utterances and their frames, all of one size.
    folder : path
        Made where it is missing. A store of imported frames that is there is replaced, when the
        new one is whole.
    hop_s : float
        From frame to frame, in seconds.

    Raises
    ------
    FrameError
        When utterances differ in their number of features.
    FrameStoreError
        When there are none, or one comes twice.
    OutputError
        When the store cannot be written, or one is there that was not imported.
    """
    folder = Path(folder).absolute()
    with locked(folder):
        _check_replaceable(folder)
        progress.start("features: import")
        # Under new numbers, so that a store that is there stays whole until this one is.
        first = 1 + max(_shards_there(folder), default=-1)
        try:
            n_shards, config = _write_shards(named, folder, first, hop_s, progress)
            write_head(folder, config, range(first, first + n_shards))
        except BaseException:
            for number in _shards_there(folder):
                if number >= first:
                    remove_shard(folder, number)
            raise
        for number in _shards_there(folder):
            if number < first and _is_described(folder, number):
                remove_shard(folder, number)
        return FrameStore.open(folder)


def _check_replaceable(folder: Path) -> None:
    """Refuse to take the place of what was not imported."""
    if holds_imported(folder) is False:
        raise OutputError(
            f"{folder}: holds a frame store that was not imported; expected a new folder, or a "
            "store that `features import` made: choose another place, or remove it first"
        )


def _shards_there(folder: Path) -> set[int]:
    """Find the numbers of all shards in a folder, whole or not, of a store or of a killed run."""
    matches = (SHARD_NAME.fullmatch(path.name) for path in folder.iterdir())
    return {int(match[1]) for match in matches if match}


def _is_described(folder: Path, number: int) -> bool:
    """Tell a shard of a frame store from a file of the same name."""
    try:
        return "front_end" in read_json(description_path(folder, number))
    except FrameStoreError:
        return False


def _write_shards(
    named: NamedFrames, folder: Path, first: int, hop_s: float, progress: Progress
) -> tuple[int, FrontEndConfig]:
    """Write the frames as shards from a number on; return how many, and what the frames are."""
    config: FrontEndConfig | None = None
    seen: set[str] = set()
    waiting: list[tuple[str, NDArray[np.float32]]] = []
    n_shards = n_values = 0
    for name, frames in of_one_size(named, "imported features"):
        if name in seen:
            raise FrameStoreError(f"utterance {name!r} comes twice; expected each once")
        seen.add(name)
        config = config or FrontEndConfig(
            hop_s=hop_s, normalization="none", imported_features=frames.shape[1]
        )
        waiting.append((name, frames))
        n_values += frames.size
        if n_values >= SHARD_VALUES:
            _write(folder, first + n_shards, config, waiting)
            n_shards, n_values = n_shards + 1, 0
            waiting.clear()
        progress.advance()
    if config is None:
        raise FrameStoreError("there are no frames; expected those of one utterance or more")
    if waiting:
        _write(folder, first + n_shards, config, waiting)
        n_shards += 1
    return n_shards, config


def _write(
    folder: Path,
    number: int,
    config: FrontEndConfig,
    waiting: Sequence[tuple[str, NDArray[np.float32]]],
) -> None:
    entries: list[dict[str, object]] = []
    stop = 0
    for name, frames in waiting:
        start, stop = stop, stop + len(frames)
        entries.append(
            {
                "utterance_id": name,
                "key": hashlib.sha256(np.ascontiguousarray(frames).tobytes()).hexdigest(),
                "start": start,
                "stop": stop,
                "recording_s": round(len(frames) / config.frames_per_s, 6),
                "snr_db": None,
            }
        )
    write_shard(folder, number, config, np.concatenate([f for _, f in waiting]), entries)


def imported_sides(
    sides: Sequence[Side], folder: Path | str, config: FrontEndConfig, *, degraded: bool
) -> FrameStore:
    """Find the frames of sides in a store of imported ones.

    Raises
    ------
    ConfigError
        When speech is to be made worse, or cut, first.
    FrameStoreError
        When there is no such store, its frames are of another kind, or utterances are missing.
    """
    if degraded or any(side.speech_s is not None for side in sides):
        raise ConfigError("conditions need recordings; there are only frames, which were imported")
    store = FrameStore.open(folder)
    if store.front_end != config:
        raise FrameStoreError(
            f"{store.folder}: frames of {store.n_features} features every "
            f"{store.front_end.hop_s:g} s; expected imported ones of {config.n_features} every "
            f"{config.hop_s:g} s, as the model was trained on"
        )
    missing = [f"utterance {s.name!r}" for s in sides if s.name not in store.places]
    if missing:
        heading = f"{store.folder}: no frames of some utterances; import them too"
        raise FrameStoreError(problem_report(heading, missing))
    return store.select(side.name for side in sides)
