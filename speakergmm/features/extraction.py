"""Filling a frame store: the recordings of a list → shards, only those that are not there yet."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from speakergmm.audio import duration_s
from speakergmm.config import check_choice
from speakergmm.errors import AudioError, FrameStoreError, OutputError, problem_report
from speakergmm.features.front_end import FrontEnd
from speakergmm.features.importing import imported_sides
from speakergmm.features.reading import Degrade, side_frames
from speakergmm.features.shards import (
    FORMAT,
    HEAD,
    LEFT_OUT,
    VERSION,
    check_description,
    counted_shards,
    description_path,
    head_or_none,
    holds_imported,
    read_json,
    remove_shard,
    write_head,
    write_shard,
)
from speakergmm.features.sides import Side, training_sides
from speakergmm.features.store import FrameStore
from speakergmm.files import file_digest, locked, remove, value_digest
from speakergmm.parallel import is_remote, map_in_order
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speakergmm.corpora import Utterance, Utterances
    from speakergmm.features.config import FrontEndConfig
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress

OnError: TypeAlias = Literal["stop", "skip"]

# A shard is what one worker does at a time and what a killed run loses: long enough to be worth
# a file, short enough to spread over workers and to leave little to do again.
MIN_SHARD_S, MAX_SHARD_S, SHARDS_WANTED = 60.0, 3600.0, 32


def _length_s(utterance: Utterance, known: dict[Path, float]) -> float:
    """Give an utterance's length by the recording's header; 0 where that cannot be read."""
    end_s = utterance.end_s
    if end_s is None:
        if utterance.path not in known:
            try:
                known[utterance.path] = duration_s(utterance.path)
            except AudioError:
                known[utterance.path] = 0.0
        end_s = known[utterance.path]
    return max(0.0, end_s - (utterance.start_s or 0.0))


def _plan(sides: Sequence[Side]) -> list[list[Side]]:
    """Cut the list into shards of about equal duration, by the list and the recordings' lengths."""
    known: dict[Path, float] = {}
    lengths = [sum(_length_s(u, known) for u in side.utterances) for side in sides]
    wanted_s = min(MAX_SHARD_S, max(MIN_SHARD_S, sum(lengths) / SHARDS_WANTED))
    shards: list[list[Side]] = [[]]
    filled_s = 0.0
    for side, length_s in zip(sides, lengths, strict=True):
        if filled_s >= wanted_s:
            shards.append([])
            filled_s = 0.0
        shards[-1].append(side)
        filled_s += length_s
    return shards


def _source(
    utterance: Utterance, degrade: Degrade | None, digests: dict[Path, str]
) -> list[object]:
    """Say what an utterance's frames are made from, besides the front end."""
    if utterance.path not in digests:
        try:
            digests[utterance.path] = file_digest(utterance.path)
        except (OSError, ValueError) as error:
            # Reading it will say so; when it can be read, this is another source.
            digests[utterance.path] = f"unreadable: {error}"
    segment: list[object] = [utterance.start_s, utterance.end_s, utterance.speech_s]
    if utterance.channel is not None:
        segment.append(f"channel {utterance.channel}")
    source: list[object] = [digests[utterance.path], *segment]
    # What is degraded depends on the utterance's name, from which its random draws come.
    return source if degrade is None else [*source, degrade.digest, utterance.utterance_id]


def _side_keys(sides: Sequence[Side], config: FrontEndConfig, degrade: Degrade | None) -> list[str]:
    digests: dict[Path, str] = {}
    settings = config.identity()
    keys = []
    for side in sides:
        sources = [_source(utterance, degrade, digests) for utterance in side.utterances]
        keys.append(value_digest([FORMAT, VERSION, settings, side.speech_s, sources]))
    return keys


@dataclass(frozen=True)
class _Shard:
    """Some sides of a list, and the digests of all that their frames are made from."""

    number: int
    sides: Sequence[Side]
    keys: Sequence[str] = ()

    def is_done(self, folder: Path, config: FrontEndConfig, on_error: OnError) -> bool:
        """Tell whether the shard is on disk as it would be made."""
        try:
            described = read_json(description_path(folder, self.number))
            check_description(folder, self.number, described, config)
            entries = described["utterances"]
            found = [(entry["utterance_id"], entry["key"]) for entry in entries]
            is_whole = not any(LEFT_OUT in entry for entry in entries)
        except (FrameStoreError, KeyError, TypeError):
            return False
        wanted = list(zip((side.name for side in self.sides), self.keys, strict=True))
        return found == wanted and (is_whole or on_error == "skip")


def _look_up(
    shard: _Shard,
    folder: Path,
    config: FrontEndConfig,
    degrade: Degrade | None,
    on_error: OnError,
) -> tuple[_Shard, bool]:
    """Find the keys of a shard's sides, and whether the shard is there already."""
    shard = dataclasses.replace(shard, keys=_side_keys(shard.sides, config, degrade))
    return shard, shard.is_done(folder, config, on_error)


def _write_shard(
    shard: _Shard, folder: Path, front_end: FrontEnd, degrade: Degrade | None, on_error: OnError
) -> list[str]:
    """Compute and write one shard; return what is wrong with its utterances, if anything is."""
    problems: list[str] = []
    parts = [np.empty((0, front_end.config.n_features), dtype=np.float32)]
    entries: list[dict[str, object]] = []
    n_frames = 0
    for side, key in zip(shard.sides, shard.keys, strict=True):
        entry: dict[str, object] = {"utterance_id": side.name, "key": key}
        try:
            frames, recording_s, snr_db = side_frames(side, front_end, degrade)
        except AudioError as error:
            problems.append(str(error))
            entry[LEFT_OUT] = str(error)
        else:
            parts.append(frames)
            stop = n_frames + len(frames)
            entry |= {"start": n_frames, "stop": stop}
            entry |= {"recording_s": round(recording_s, 6), "snr_db": round(snr_db, 3)}
            n_frames = stop
        entries.append(entry)
    if problems and on_error == "stop":
        return problems
    write_shard(folder, shard.number, front_end.config, np.concatenate(parts), entries)
    return problems


def _extract_shards(
    folder: Path,
    shards: Sequence[_Shard],
    front_end: FrontEnd,
    degrade: Degrade | None,
    on_error: OnError,
    jobs: Jobs,
    progress: Progress,
) -> None:
    # An unfinished store must not look finished.
    remove(folder / HEAD)
    progress.start("features", sum(len(shard.sides) for shard in shards))
    # Built before the workers start: they would each build it otherwise.
    _ = front_end.transform
    problems: list[str] = []
    done = map_in_order(_write_shard, shards, folder, front_end, degrade, on_error, jobs=jobs)
    for shard, failures in zip(shards, done, strict=True):
        progress.advance(len(shard.sides))
        problems.extend(failures)
    if problems and on_error == "stop":
        raise AudioError(problem_report("features cannot be extracted", problems))


def extract_features(
    utterances: Utterances,
    folder: Path | str,
    config: FrontEndConfig,
    *,
    on_error: OnError = "stop",
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> tuple[FrameStore, int]:
    """Compute the frames of all utterances into a store, or bring a store up to date.

    Shards whose audio, segments and front end are unchanged (by content, not by time) are kept.
    Where the configuration normalizes sides together, the store holds the sessions of each speaker.

    Parameters
    ----------
    utterances : mapping
        By id, as from `speakergmm.corpora.read_utterances`.
    folder : path
        Made where it is missing.
    on_error : {"stop", "skip"}
        What becomes of utterances that cannot be used: an error that names each, after all have
        been tried; or they are left out, and ``FrameStore.left_out`` says why.
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
        then a count). The shards that are whole stay, so the next run does only the rest. With
        ``"skip"``, when none can be used.
    """
    sides = training_sides(utterances.values(), config)
    return extract_sides(sides, folder, config, on_error=on_error, jobs=jobs, progress=progress)


def extract_sides(
    sides: Sequence[Side],
    folder: Path | str,
    config: FrontEndConfig,
    *,
    degrade: Degrade | None = None,
    on_error: OnError = "stop",
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> tuple[FrameStore, int]:
    """Compute the frames of all sides into a store; see `extract_features`.

    Parameters
    ----------
    sides : sequence of Side
        Their names are those of the store's entries.
    degrade : Degrade, optional
        What is done to the samples of each utterance first.
    """
    if not sides:
        raise FrameStoreError("there are no utterances; expected a list with at least one")
    if config.imported_features:
        return imported_sides(sides, folder, config, degraded=degrade is not None), 0
    check_choice("on_error", on_error, ("stop", "skip"))
    # Workers elsewhere know nothing of the folder in which this process was started.
    folder = Path(folder).absolute()
    if is_remote(jobs):
        sides = [_with_absolute_paths(side) for side in sides]
    with locked(folder):
        planned = [_Shard(number, part) for number, part in enumerate(_plan(sides))]
        looked_up = map_in_order(_look_up, planned, folder, config, degrade, on_error, jobs=jobs)
        shards, done = zip(*looked_up, strict=True)
        missing = [shard for shard, is_done in zip(shards, done, strict=True) if not is_done]
        if holds_imported(folder):
            raise OutputError(
                f"{folder}: holds frames that were imported; expected a new folder, or a store "
                "that was extracted: choose another place, or remove it first"
            )
        # Only what this store counted as its own is removed when it has become shorter.
        before = counted_shards({"n_shards": 0, **(head_or_none(folder) or {})})
        if missing:
            front_end = FrontEnd(config)
            _extract_shards(folder, missing, front_end, degrade, on_error, jobs, progress)
        for number in sorted(set(before) - set(range(len(shards)))):
            remove(folder / HEAD)
            remove_shard(folder, number)
        write_head(folder, config, range(len(shards)))
        store = FrameStore.open(folder)
        if not store.places:
            reasons = store.left_out.values()
            raise AudioError(problem_report("no utterance of the list can be used", reasons))
        return store, sum(len(shard.sides) for shard in missing)


def _with_absolute_paths(side: Side) -> Side:
    utterances = (dataclasses.replace(u, path=u.path.absolute()) for u in side.utterances)
    return dataclasses.replace(side, utterances=tuple(utterances))
