"""Filling a frame store: the recordings of a list → shards, only those that are not there yet."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.audio import duration_s, read_recording
from speakergmm.errors import AudioError, FrameStoreError, problem_report
from speakergmm.features.front_end import FrontEnd, FrontEndConfig
from speakergmm.features.store import (
    FORMAT,
    VERSION,
    FrameStore,
    check_shard,
    description_path,
    read_json,
    shard_path,
)
from speakergmm.files import file_digest, locked, remove, value_digest, write_json, writing
from speakergmm.parallel import map_in_order
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora import Utterance, Utterances
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


def _is_done(
    folder: Path,
    number: int,
    utterances: Sequence[Utterance],
    keys: Sequence[str],
    config: FrontEndConfig,
) -> bool:
    try:
        described = read_json(description_path(folder, number))
        check_shard(shard_path(folder, number), described["n_frames"], config.n_features)
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
    remove(description_path(folder, number))
    with writing(shard_path(folder, number)) as temporary, temporary.open("wb") as file:
        np.save(file, np.concatenate(parts))
    entries = [
        {"utterance_id": utterance.utterance_id, "start": start, "stop": stop, "key": key}
        for utterance, key, start, stop in zip(
            utterances, keys, [0, *stops[:-1]], stops, strict=True
        )
    ]
    described = {"n_frames": stops[-1], "utterances": entries}
    write_json(description_path(folder, number), described)
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
            remove(shard_path(folder, number))
            remove(description_path(folder, number))
        about = {"front_end": dataclasses.asdict(config), "n_shards": len(shards)}
        wanted = {"format": FORMAT, "version": VERSION, **about}
        if not head.exists() or _json_or_none(head) != wanted:
            write_json(head, wanted)
        return FrameStore.open(folder), sum(len(members) for _, members in missing)
