"""Filling a frame store: the recordings of a list → shards, only those that are not there yet."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.audio import duration_s, read_recording
from speakergmm.errors import AudioError, FrameStoreError, problem_report
from speakergmm.features.front_end import FrontEnd, FrontEndConfig
from speakergmm.features.shards import (
    FORMAT,
    VERSION,
    check_description,
    description_path,
    read_json,
    shard_path,
)
from speakergmm.features.store import FrameStore
from speakergmm.files import file_digest, locked, remove, value_digest, write_json, writing
from speakergmm.parallel import is_remote, map_in_order
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora import Utterance, Utterances
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress

# A shard is what one worker does at a time and what a killed run loses: long enough to be worth
# a file, short enough to spread over workers and to leave little to do again.
MIN_SHARD_S, MAX_SHARD_S, SHARDS_WANTED = 60.0, 3600.0, 32


def recording_frames(
    path: Path | str,
    front_end: FrontEnd,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
) -> NDArray[np.float32]:
    """Frames (T, D) of a recording, or of the segment [start_s, end_s) of one.

    Raises
    ------
    AudioError
        Naming the recording and what is wrong with it.
    """
    samples, rate = read_recording(
        path, start_s=start_s, end_s=end_s, channel=front_end.config.channel
    )
    try:
        return front_end(samples, rate)
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from None


def utterance_frames(utterance: Utterance, front_end: FrontEnd) -> NDArray[np.float32]:
    """Frames (T, D) of one utterance, read and computed now.

    Raises
    ------
    AudioError
        Naming the utterance, its recording and what is wrong with it.
    """
    try:
        return recording_frames(
            utterance.path, front_end, start_s=utterance.start_s, end_s=utterance.end_s
        )
    except AudioError as error:
        raise AudioError(f"utterance {utterance.utterance_id}: {error}") from None


def _json_or_none(path: Path) -> dict[str, Any] | None:
    try:
        return read_json(path)
    except FrameStoreError:
        return None


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


@dataclass(frozen=True)
class _Shard:
    """Some utterances of a list, and the digests of all that their frames are made from."""

    number: int
    utterances: Sequence[Utterance]
    keys: Sequence[str] = ()

    def is_done(self, folder: Path, config: FrontEndConfig) -> bool:
        """Tell whether the shard is on disk as it would be made."""
        try:
            described = read_json(description_path(folder, self.number))
            check_description(folder, self.number, described, config)
            entries = [(e["utterance_id"], e["key"]) for e in described["utterances"]]
        except (FrameStoreError, KeyError, TypeError):
            return False
        ids = [utterance.utterance_id for utterance in self.utterances]
        return entries == list(zip(ids, self.keys, strict=True))


def _look_up(shard: _Shard, folder: Path, config: FrontEndConfig) -> tuple[_Shard, bool]:
    """Find the keys of a shard's utterances, and whether the shard is there already."""
    shard = dataclasses.replace(shard, keys=_utterance_keys(shard.utterances, config))
    return shard, shard.is_done(folder, config)


def _write_shard(shard: _Shard, folder: Path, front_end: FrontEnd) -> list[str]:
    """Compute and write one shard; return what is wrong with its utterances, if anything is."""
    problems: list[str] = []
    parts = []
    for utterance in shard.utterances:
        try:
            parts.append(utterance_frames(utterance, front_end))
        except AudioError as error:
            problems.append(str(error))
    if problems:
        return problems
    stops = np.cumsum([len(part) for part in parts]).tolist()
    # The old description goes first: it must never stand beside other frames.
    remove(description_path(folder, shard.number))
    with (
        writing(shard_path(folder, shard.number)) as temporary,
        temporary.open("wb") as file,
    ):
        np.save(file, np.concatenate(parts))
    entries = [
        {"utterance_id": utterance.utterance_id, "start": start, "stop": stop, "key": key}
        for utterance, key, start, stop in zip(
            shard.utterances, shard.keys, [0, *stops[:-1]], stops, strict=True
        )
    ]
    described = {
        "front_end": front_end.config.digest,
        "n_frames": stops[-1],
        "utterances": entries,
    }
    write_json(description_path(folder, shard.number), described)
    return []


def _extract_shards(
    folder: Path, shards: Sequence[_Shard], front_end: FrontEnd, jobs: Jobs, progress: Progress
) -> None:
    # An unfinished store must not look finished.
    remove(folder / "store.json")
    progress.start("features", sum(len(shard.utterances) for shard in shards))
    # Built before the workers start: they would each build it otherwise.
    _ = front_end.transform
    problems: list[str] = []
    done = map_in_order(_write_shard, shards, folder, front_end, jobs=jobs)
    for shard, failures in zip(shards, done, strict=True):
        progress.advance(len(shard.utterances))
        problems.extend(failures)
    if problems:
        raise AudioError(problem_report("features cannot be extracted", problems))


def extract_features(
    utterances: Utterances,
    folder: Path | str,
    config: FrontEndConfig,
    *,
    jobs: Jobs = None,
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
    jobs : int or Cluster, optional
        Worker threads, or a cluster that sees the same disk; default: the cores that the process
        may use.

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
    # Workers elsewhere know nothing of the folder in which this process was started.
    folder = Path(folder).absolute()
    members = list(utterances.values())
    if is_remote(jobs):
        members = [dataclasses.replace(u, path=u.path.absolute()) for u in members]
    with locked(folder):
        planned = [_Shard(number, part) for number, part in enumerate(_plan(members))]
        shards, done = zip(*map_in_order(_look_up, planned, folder, config, jobs=jobs), strict=True)
        missing = [shard for shard, is_done in zip(shards, done, strict=True) if not is_done]
        head = folder / "store.json"
        # Only what this store counted as its own is removed when it has become shorter.
        n_before = int((_json_or_none(head) or {}).get("n_shards", 0))
        if missing:
            _extract_shards(folder, missing, FrontEnd(config), jobs, progress)
        for number in range(len(shards), n_before):
            remove(head)
            remove(shard_path(folder, number))
            remove(description_path(folder, number))
        about = {"front_end": dataclasses.asdict(config), "n_shards": len(shards)}
        wanted = {"format": FORMAT, "version": VERSION, **about}
        if not head.exists() or _json_or_none(head) != wanted:
            write_json(head, wanted)
        n_computed = sum(len(shard.utterances) for shard in missing)
        return FrameStore.open(folder), n_computed
