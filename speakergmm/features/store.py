"""The frame store: frames on disk, as flat float32 shards that are read in pieces.

A folder holds ``shard-00000.npy`` (N, D) and, written after it, ``shard-00000.json``, which says
which utterance stands in which rows and what each was made from. A shard without its description
does not count, so a killed extraction resumes and never leaves a part that looks whole.
``store.json`` is written last.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.config import config_from_table
from speakergmm.errors import FrameStoreError
from speakergmm.features.config import FrontEndConfig
from speakergmm.features.shards import (
    FORMAT,
    HEAD,
    LEFT_OUT,
    VERSION,
    check_description,
    counted_shards,
    description_path,
    read_json,
    read_rows,
    shard_path,
)
from speakergmm.files import value_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

# Rows that are loaded together for training.
CHUNK_FRAMES = 16_384


@dataclass(frozen=True, slots=True)
class Place:
    """Where an utterance's frames stand, and the digest of all that they were made from.

    ``recording_s`` is how long its recordings are, of which the frames kept are a part; ``snr_db``
    is by how much speech stands out of the noise there; NaN where frames were imported.
    """

    shard: int
    start: int
    stop: int
    key: str
    recording_s: float
    snr_db: float


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some frames, to be loaded when they are needed: spans (shard file, start, stop) of rows.

    ``n_features`` is D.
    """

    spans: tuple[tuple[Path, int, int], ...]
    n_features: int

    def __len__(self) -> int:
        return sum(stop - start for _, start, stop in self.spans)

    def load(self) -> NDArray[np.float32]:
        """Read the rows as one (T, D) array."""
        return _joined([read_rows(*span, self.n_features) for span in self.spans])

    def take(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Read some rows, by their ascending numbers; of the rest only what lies between them."""
        parts = []
        first = 0
        for path, start, stop in self.spans:
            low, high = np.searchsorted(rows, [first, first + stop - start])
            wanted = rows[low:high] - first + start
            if len(wanted):
                between = read_rows(path, int(wanted[0]), int(wanted[-1]) + 1, self.n_features)
                parts.append(between[wanted - wanted[0]])
            first += stop - start
        return _joined(parts or [np.empty((0, self.n_features), dtype=np.float32)])


def _joined(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@dataclass(frozen=True)
class FrameStore:
    """Frames of many utterances, on disk. Open one with `FrameStore.open`.

    Parameters
    ----------
    folder : path
    front_end : FrontEndConfig
        What made the frames.
    places : dict
        Where each utterance's frames stand, in the order of the list.
    left_out : dict
        Of each utterance of the list that could not be used, why.
    """

    folder: Path
    front_end: FrontEndConfig
    places: dict[str, Place]
    left_out: dict[str, str]

    @classmethod
    def open(cls, folder: Path | str) -> FrameStore:
        """Open a store that `extract_features` made.

        Raises
        ------
        FrameStoreError
            When the folder holds no store, an unfinished one, one of another version, or a shard
            is missing, truncated, of another shape than its description says, or from another
            store.
        """
        folder = Path(folder).absolute()
        head = read_json(folder / HEAD)
        if head.get("format") != FORMAT:
            raise FrameStoreError(f"{folder}: not a frame store; expected format {FORMAT!r}")
        if head.get("version") != VERSION:
            raise FrameStoreError(
                f"{folder}: frame store version {head.get('version')}; this program reads version "
                f"{VERSION}; extract the features again"
            )
        try:
            config = config_from_table(FrontEndConfig, head["front_end"], f"{folder}/store.json")
            places: dict[str, Place] = {}
            left_out: dict[str, str] = {}
            for number in counted_shards(head):
                described = read_json(description_path(folder, number))
                check_description(folder, number, described, config)
                added = _places(number, described)
                _check_new(folder, number, added, places)
                places.update(added)
                left_out |= {
                    entry["utterance_id"]: entry[LEFT_OUT]
                    for entry in described["utterances"]
                    if LEFT_OUT in entry
                }
        except (KeyError, TypeError, AttributeError) as error:
            raise FrameStoreError(
                f"{folder}: frame store is damaged (no proper {error}); extract the features again"
            ) from None
        return cls(folder, config, places, left_out)

    @property
    def n_features(self) -> int:
        """D: features of a frame."""
        return self.front_end.n_features

    @property
    def n_frames(self) -> int:
        """T: frames of all utterances together."""
        return sum(place.stop - place.start for place in self.places.values())

    @property
    def recording_s(self) -> float:
        """Seconds of the recordings, of which the frames kept are a part."""
        return sum(place.recording_s for place in self.places.values())

    @property
    def speech_s(self) -> float:
        """Seconds of speech kept."""
        return self.n_frames / self.front_end.frames_per_s

    @property
    def snr_db(self) -> float:
        """By how much speech stands out of the noise, the mean over all frames, in dB."""
        n_frames = [place.stop - place.start for place in self.places.values()]
        return float(np.average([p.snr_db for p in self.places.values()], weights=n_frames))

    def select(self, utterance_ids: Iterable[str]) -> FrameStore:
        """Narrow the store to some of its utterances.

        Raises
        ------
        FrameStoreError
            When one is not in the store.
        """
        return dataclasses.replace(self, places={u: self._place(u) for u in utterance_ids})

    def digest(self) -> str:
        """Digest of what the frames were made from: audio, segments and front end."""
        return value_digest([(name, place.key) for name, place in self.places.items()])

    def frames(self, utterance_id: str) -> NDArray[np.float32]:
        """Read the frames (T, D) of one utterance, float32.

        Raises
        ------
        FrameStoreError
            When it is not in the store, or its shard cannot be read.
        """
        place = self._place(utterance_id)
        path = shard_path(self.folder, place.shard)
        return read_rows(path, place.start, place.stop, self.n_features)

    def pooled(self, utterance_ids: Sequence[str]) -> NDArray[np.float32]:
        """Frames (T, D) of several utterances, one after the other."""
        return np.concatenate([self.frames(utterance_id) for utterance_id in utterance_ids])

    def chunks(self) -> list[Chunk]:
        """Cut the frames into pieces of `CHUNK_FRAMES`, in the order of the list.

        The cut depends on the utterances alone: not on workers, nor on which other utterances the
        store holds and how they are spread over its shards.
        """
        chunks: list[Chunk] = []
        spans: list[tuple[Path, int, int]] = []
        room = CHUNK_FRAMES
        for place in self.places.values():
            path, start = shard_path(self.folder, place.shard), place.start
            while start < place.stop:
                stop = min(place.stop, start + room)
                if spans and spans[-1][0] == path and spans[-1][2] == start:
                    spans[-1] = (path, spans[-1][1], stop)
                else:
                    spans.append((path, start, stop))
                room -= stop - start
                start = stop
                if room == 0:
                    chunks.append(Chunk(tuple(spans), self.n_features))
                    spans, room = [], CHUNK_FRAMES
        if spans:
            chunks.append(Chunk(tuple(spans), self.n_features))
        return chunks

    def name_frame(self, number: int) -> str:
        """Say which utterance a frame is of, by its number in the order of the list."""
        for utterance_id, place in self.places.items():
            if number < place.stop - place.start:
                return f"utterance {utterance_id}, frame {number}"
            number -= place.stop - place.start
        raise IndexError(f"frame {number} beyond the last")

    def _place(self, utterance_id: str) -> Place:
        try:
            return self.places[utterance_id]
        except KeyError:
            if utterance_id in self.left_out:
                raise FrameStoreError(
                    f"{self.folder}: no frames of utterance {utterance_id!r}, which was left out: "
                    f"{self.left_out[utterance_id]}"
                ) from None
            raise FrameStoreError(
                f"{self.folder}: no frames of utterance {utterance_id!r}; extract the features of "
                "the list that names it"
            ) from None


def _check_new(
    folder: Path, number: int, added: dict[str, Place], places: dict[str, Place]
) -> None:
    """Refuse a shard that holds utterances of the shards before it."""
    twice = added.keys() & places.keys()
    if twice:
        name = min(twice)
        raise FrameStoreError(
            f"{shard_path(folder, number)}: utterance {name!r} is in this shard and in shard "
            f"{places[name].shard}; remove the shard that is of another store, and extract the "
            "features again"
        )


def _places(number: int, described: dict[str, Any]) -> dict[str, Place]:
    places = {}
    for entry in described["utterances"]:
        if LEFT_OUT in entry:
            continue
        start, stop = entry["start"], entry["stop"]
        if not 0 <= start <= stop <= described["n_frames"]:
            raise FrameStoreError(
                f"shard {number} has no rows {start} to {stop}, where its description says that "
                f"utterance {entry['utterance_id']!r} stands; extract the features again"
            )
        if entry["utterance_id"] in places:
            raise FrameStoreError(
                f"shard {number} describes utterance {entry['utterance_id']!r} twice; extract the "
                "features again"
            )
        places[entry["utterance_id"]] = Place(
            number, start, stop, entry["key"], entry["recording_s"], _snr(entry["snr_db"])
        )
    return places


def _snr(value: float | None) -> float:
    return math.nan if value is None else value
