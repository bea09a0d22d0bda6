"""The frame store: frames on disk, as flat float32 shards that are memory-mapped.

A folder holds ``shard-00000.npy`` (N, D) and, written after it, ``shard-00000.json``, which says
which utterance stands in which rows and what each was made from. A shard without its description
does not count, so a killed extraction resumes and never leaves a part that looks whole.
``store.json`` is written last.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.audio import duration_s, read_recording
from speakergmm.config import config_from_table
from speakergmm.errors import AudioError, FrameStoreError, problem_report
from speakergmm.features.front_end import FrontEnd, FrontEndConfig
from speakergmm.files import file_digest, locked, remove, value_digest, write_json, writing
from speakergmm.parallel import map_in_order
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora import Utterance, Utterances
    from speakergmm.progress import Progress

FORMAT = "speakergmm-frames"
VERSION = 1

# A shard is what one worker does at a time and what a killed run loses: long enough to be worth
# a file, short enough to spread over workers and to leave little to do again.
MIN_SHARD_S, MAX_SHARD_S, SHARDS_WANTED = 60.0, 3600.0, 32

# Rows that are loaded together for training.
CHUNK_FRAMES = 16_384


@dataclass(frozen=True, slots=True)
class Place:
    """Where an utterance's frames stand, and the digest of all that they were made from."""

    shard: int
    start: int
    stop: int
    key: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some frames, to be loaded when they are needed: spans (shard file, start, stop) of rows."""

    spans: tuple[tuple[Path, int, int], ...]

    def load(self) -> NDArray[np.float32]:
        """Read the rows as one (T, D) array."""
        parts = [open_shard(path)[start:stop] for path, start, stop in self.spans]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


@lru_cache(maxsize=256)
def _mapped(path: Path, _identity: tuple[int, int, int]) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = np.load(path, mmap_mode="r")
    return rows


def open_shard(path: Path) -> NDArray[np.float32]:
    """Map a shard into memory; mapped once however often it is asked for.

    Raises
    ------
    FrameStoreError
        When it is missing, truncated or not an array.
    """
    try:
        status = path.stat()
        return _mapped(path, (status.st_ino, status.st_size, status.st_mtime_ns))
    except FileNotFoundError:
        raise FrameStoreError(f"{path}: shard is missing; extract the features again") from None
    except (ValueError, OSError, EOFError) as error:
        raise FrameStoreError(
            f"{path}: shard cannot be read ({error}); remove it and extract the features again"
        ) from None


@dataclass(frozen=True)
class FrameStore:
    """Frames of many utterances, on disk. Open one with `FrameStore.open`.

    ``places`` says where each utterance's frames stand; ``front_end`` is what made them.
    """

    folder: Path
    front_end: FrontEndConfig
    places: dict[str, Place]

    @classmethod
    def open(cls, folder: Path | str) -> FrameStore:
        """Open a store that `extract_features` made.

        Raises
        ------
        FrameStoreError
            When the folder holds no store, an unfinished one, one of another version, or a shard
            is missing, truncated or of another shape than its description says.
        """
        folder = Path(folder)
        head = _read_json(folder / "store.json")
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
            for number in range(head["n_shards"]):
                described = _read_json(_description_path(folder, number))
                _check_shard(_shard_path(folder, number), described["n_frames"], config.n_features)
                places.update(_places(number, described))
        except (KeyError, TypeError, AttributeError) as error:
            raise FrameStoreError(
                f"{folder}: frame store is damaged (no proper {error}); extract the features again"
            ) from None
        return cls(folder, config, places)

    @property
    def n_features(self) -> int:
        """D: features of a frame."""
        return self.front_end.n_features

    @property
    def n_frames(self) -> int:
        """T: frames of all utterances together."""
        return sum(place.stop - place.start for place in self.places.values())

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
        """Frames (T, D) of one utterance, memory-mapped."""
        place = self._place(utterance_id)
        return open_shard(_shard_path(self.folder, place.shard))[place.start : place.stop]

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
            path, start = _shard_path(self.folder, place.shard), place.start
            while start < place.stop:
                stop = min(place.stop, start + room)
                if spans and spans[-1][0] == path and spans[-1][2] == start:
                    spans[-1] = (path, spans[-1][1], stop)
                else:
                    spans.append((path, start, stop))
                room -= stop - start
                start = stop
                if room == 0:
                    chunks.append(Chunk(tuple(spans)))
                    spans, room = [], CHUNK_FRAMES
        if spans:
            chunks.append(Chunk(tuple(spans)))
        return chunks

    def _place(self, utterance_id: str) -> Place:
        try:
            return self.places[utterance_id]
        except KeyError:
            raise FrameStoreError(
                f"{self.folder}: no frames of utterance {utterance_id!r}; extract the features of "
                "the list that names it"
            ) from None


def _shard_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.npy"


def _description_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.json"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FrameStoreError(f"{path}: not there; no store, or an unfinished one") from None
    except (OSError, ValueError) as error:
        raise FrameStoreError(f"{path}: cannot be read ({error})") from None
    if not isinstance(value, dict):
        raise FrameStoreError(f"{path}: holds no description; expected a JSON object")
    return value


def _json_or_none(path: Path) -> dict[str, Any] | None:
    try:
        return _read_json(path)
    except FrameStoreError:
        return None


def _check_shard(path: Path, n_frames: int, n_features: int) -> None:
    rows = open_shard(path)
    if rows.shape != (n_frames, n_features) or rows.dtype != np.float32:
        raise FrameStoreError(
            f"{path}: shard holds {rows.dtype} {rows.shape}; expected float32 "
            f"({n_frames}, {n_features}); remove it and extract the features again"
        )


def _places(number: int, described: dict[str, Any]) -> dict[str, Place]:
    return {
        entry["utterance_id"]: Place(number, entry["start"], entry["stop"], entry["key"])
        for entry in described["utterances"]
    }


def utterance_frames(utterance: Utterance, front_end: FrontEnd) -> NDArray[np.float32]:
    """Frames (T, D) of one utterance, read and computed now.

    Raises
    ------
    AudioError
        Naming the utterance, its recording and what is wrong with it.
    """
    config = front_end.config
    try:
        samples, rate = read_recording(
            utterance.path,
            start_s=utterance.start_s,
            end_s=utterance.end_s,
            channel=config.channel,
        )
    except AudioError as error:
        raise AudioError(f"utterance {utterance.utterance_id}: {error}") from None
    try:
        return front_end(samples, rate)
    except AudioError as error:
        raise AudioError(f"utterance {utterance.utterance_id}: {utterance.path}: {error}") from None


def _plan(utterances: Sequence[Utterance]) -> list[list[Utterance]]:
    """Cut the list into shards of about equal duration, by the list alone."""
    known: dict[Path, float] = {}
    lengths = []
    for utterance in utterances:
        end_s = utterance.end_s
        if end_s is None:
            if utterance.path not in known:
                known[utterance.path] = duration_s(utterance.path)
            end_s = known[utterance.path]
        lengths.append(max(0.0, end_s - (utterance.start_s or 0.0)))
    wanted_s = min(MAX_SHARD_S, max(MIN_SHARD_S, sum(lengths) / SHARDS_WANTED))
    shards: list[list[Utterance]] = [[]]
    filled_s = 0.0
    for utterance, length_s in zip(utterances, lengths, strict=True):
        if filled_s >= wanted_s:
            shards.append([])
            filled_s = 0.0
        shards[-1].append(utterance)
        filled_s += length_s
    return shards


def _utterance_keys(utterances: Sequence[Utterance], config: FrontEndConfig) -> list[str]:
    digests: dict[Path, str] = {}
    keys = []
    settings = dataclasses.asdict(config)
    for utterance in utterances:
        if utterance.path not in digests:
            digests[utterance.path] = file_digest(utterance.path)
        source = [digests[utterance.path], utterance.start_s, utterance.end_s]
        keys.append(value_digest([FORMAT, VERSION, settings, source]))
    return keys


def _is_done(
    folder: Path,
    number: int,
    utterances: Sequence[Utterance],
    keys: Sequence[str],
    config: FrontEndConfig,
) -> bool:
    try:
        described = _read_json(_description_path(folder, number))
        _check_shard(_shard_path(folder, number), described["n_frames"], config.n_features)
        wanted = [(u.utterance_id, key) for u, key in zip(utterances, keys, strict=True)]
        return [(e["utterance_id"], e["key"]) for e in described["utterances"]] == wanted
    except (FrameStoreError, KeyError, TypeError):
        return False


def _write_shard(
    folder: Path,
    number: int,
    utterances: Sequence[Utterance],
    keys: Sequence[str],
    front_end: FrontEnd,
) -> list[str]:
    """Compute and write one shard; return what is wrong with its utterances, if anything is."""
    problems: list[str] = []
    parts = []
    for utterance in utterances:
        try:
            parts.append(utterance_frames(utterance, front_end))
        except AudioError as error:
            problems.append(str(error))
    if problems:
        return problems
    stops = np.cumsum([len(part) for part in parts]).tolist()
    # The old description goes first: it must never stand beside other frames.
    remove(_description_path(folder, number))
    with writing(_shard_path(folder, number)) as temporary, temporary.open("wb") as file:
        np.save(file, np.concatenate(parts))
    entries = [
        {"utterance_id": utterance.utterance_id, "start": start, "stop": stop, "key": key}
        for utterance, key, start, stop in zip(
            utterances, keys, [0, *stops[:-1]], stops, strict=True
        )
    ]
    described = {"n_frames": stops[-1], "utterances": entries}
    write_json(_description_path(folder, number), described)
    return []


def _extract_shards(
    folder: Path,
    shards: Sequence[tuple[int, list[Utterance]]],
    keys: Sequence[list[str]],
    front_end: FrontEnd,
    jobs: int | None,
    progress: Progress,
) -> None:
    # An unfinished store must not look finished.
    remove(folder / "store.json")
    progress.start("features", sum(len(members) for _, members in shards))
    # Built before the workers start: they would each build it otherwise.
    _ = front_end.transform
    problems: list[str] = []

    def work(item: tuple[int, list[Utterance]]) -> tuple[int, list[str]]:
        number, members = item
        return len(members), _write_shard(folder, number, members, keys[number], front_end)

    for n_done, failures in map_in_order(work, shards, jobs=jobs):
        progress.advance(n_done)
        problems.extend(failures)
    if problems:
        raise AudioError(problem_report("features cannot be extracted", problems))


def extract_features(
    utterances: Utterances,
    folder: Path | str,
    config: FrontEndConfig,
    *,
    jobs: int | None = None,
    progress: Progress = SILENT,
) -> tuple[FrameStore, int]:
    """Compute the frames of all utterances into a store, or bring a store up to date.

    Shards whose audio, segments and front end are unchanged (by content, not by time) are kept.

    Parameters
    ----------
    utterances : mapping
        By id, as from `speakergmm.corpora.read_utterances`.
    folder : path
        Made where it is missing.
    jobs : int, optional
        Workers; default: the cores that the process may use.

    Returns
    -------
    store : FrameStore
    n_computed : int
        Utterances whose frames had to be computed; 0 when the store was up to date.

    Raises
    ------
    FrameStoreError
        When there are no utterances.
    AudioError
        When any utterance cannot be used: after all have been tried, naming each (the first 20,
        then a count). The shards that are whole stay, so the next run does only the rest.
    """
    if not utterances:
        raise FrameStoreError("there are no utterances; expected a list with at least one")
    folder = Path(folder)
    with locked(folder):
        shards = list(enumerate(_plan(list(utterances.values()))))

        def keys_and_state(item: tuple[int, list[Utterance]]) -> tuple[list[str], bool]:
            number, members = item
            keys = _utterance_keys(members, config)
            return keys, _is_done(folder, number, members, keys, config)

        keys, done = zip(*map_in_order(keys_and_state, shards, jobs=jobs), strict=True)
        missing = [shard for shard in shards if not done[shard[0]]]
        head = folder / "store.json"
        # Only what this store counted as its own is removed when it has become shorter.
        n_before = int((_json_or_none(head) or {}).get("n_shards", 0))
        if missing:
            _extract_shards(folder, missing, keys, FrontEnd(config), jobs, progress)
        for number in range(len(shards), n_before):
            remove(head)
            remove(_shard_path(folder, number))
            remove(_description_path(folder, number))
        about = {"front_end": dataclasses.asdict(config), "n_shards": len(shards)}
        wanted = {"format": FORMAT, "version": VERSION, **about}
        if not head.exists() or _json_or_none(head) != wanted:
            write_json(head, wanted)
        return FrameStore.open(folder), sum(len(members) for _, members in missing)
