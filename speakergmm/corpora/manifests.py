"""Who says what in which file: utterances, and the enrollment and test lists that pool them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeAlias

from speakergmm.corpora.tables import Problems, Row, number, read_rows
from speakergmm.errors import SpeakerGMMError
from speakergmm.names import composed

AUDIO_SUFFIXES = (".wav", ".flac", ".sph", ".ogg", ".opus", ".mp3", ".aiff", ".aif")

# What a recording is called in different copies of a corpus: as listed, else without this folder.
AUDIO_FOLDER = "audio"

# Half a millisecond: times in lists are often rounded to milliseconds.
END_TOLERANCE_S = 0.0005

Durations: TypeAlias = Callable[[Path], float]


@dataclass(frozen=True, slots=True)
class Utterance:
    """One speaker's labelled stretch of a recording: a row of ``utterances.csv``.

    ``start_s`` and ``end_s`` cut the segment [start, end) out of the recording, in seconds; None
    means from the beginning, or to the end. ``speech_s``, where given, marks the speech in it:
    (start, end) in seconds of the recording. ``condition`` is free text: a telephone, a language.
    ``channel``, where given, is which channel of the recording it is on, counted from 0: one side
    of a telephone call, say; it counts instead of the front end's setting.
    """

    utterance_id: str
    speaker_id: str
    path: Path
    start_s: float | None = None
    end_s: float | None = None
    session_id: str = ""
    sex: str = ""
    split: str = ""
    speech_s: tuple[tuple[float, float], ...] | None = None
    condition: str = ""
    channel: int | None = None


Utterances: TypeAlias = Mapping[str, Utterance]
"""Utterances by id, in the order of the list."""

Pools: TypeAlias = Mapping[str, tuple[str, ...]]
"""Model or test id → the utterances that are pooled for it, in the order of the list."""


class RecordingFinder:
    """Finds recordings that a list names, in a copy of the corpus that may differ in three ways.

    The copy may be in another audio format (the archive's ``.wav`` re-encoded as ``.flac``), it may
    be the archive itself, without the list's leading ``audio/`` folder, and accents may be written
    otherwise (as two characters, as some systems do). Each folder is listed once, and only where a
    file is not as it is called.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = os.fspath(folder)
        # Of each folder, what is in it: composed name → name.
        self.names: dict[str, dict[str, str]] = {}
        self.folders: dict[str, str] = {}

    def find(self, listed: str) -> Path | None:
        """Find the recording; None where there is none."""
        # Text, not paths: lists have hundreds of thousands of rows.
        names = [listed]
        if AUDIO_FOLDER in listed and PurePath(listed).parts[:1] == (AUDIO_FOLDER,):
            names.append(os.path.join(*PurePath(listed).parts[1:], ""))  # noqa: PTH118
        places = [os.path.join(self.folder, name).rstrip("/") for name in names]  # noqa: PTH118
        for place in places:
            if os.path.isfile(place):  # noqa: PTH113
                return Path(place)
        return next(filter(None, map(self._called_otherwise, places)), None)

    def _called_otherwise(self, place: str) -> Path | None:
        above, name = os.path.split(place)
        stem, suffix = os.path.splitext(name)  # noqa: PTH122
        if suffix.lower() not in AUDIO_SUFFIXES:
            # Only a format is cut off: take "s01.2" is not the recording "s01".
            stem = name
        above = self._folder(above)
        there = self._names_in(above)
        names = (there.get(composed(stem + end)) for end in (suffix, *AUDIO_SUFFIXES))
        candidates = (Path(above, found) for found in names if found is not None)
        return next(filter(Path.is_file, candidates), None)

    def _folder(self, folder: str) -> str:
        """Give a folder as it is called on disk."""
        if folder not in self.folders:
            above, name = os.path.split(folder)
            found = folder
            if len(folder) > len(self.folder) and name and not os.path.isdir(folder):  # noqa: PTH112
                above = self._folder(above)
                name = self._names_in(above).get(composed(name), name)
                found = os.path.join(above, name)  # noqa: PTH118
            self.folders[folder] = found
        return self.folders[folder]

    def _names_in(self, folder: str) -> dict[str, str]:
        if folder not in self.names:
            try:
                self.names[folder] = {composed(name): name for name in os.listdir(folder)}  # noqa: PTH208
            except (OSError, ValueError):
                # It is not there, may not be searched, or has a name that none can have.
                self.names[folder] = {}
        return self.names[folder]


def locate_recording(folder: Path | str, listed: str) -> Path | None:
    """Find one recording that a list names, as `RecordingFinder` does."""
    return RecordingFinder(folder).find(listed)


def _recording(finder: RecordingFinder, row: Row, layouts: Sequence[str]) -> Path | None:
    """Find a row's recording as it is listed, or where another layout of the corpus has it."""
    found = finder.find(row["path"])
    if found is not None or not layouts:
        return found
    name = PurePath(row["path"])
    columns = {"speaker_id": row["speaker_id"], "session_id": row["session_id"]}
    elsewhere = (layout.format(stem=name.stem, **columns) + name.suffix for layout in layouts)
    return next(filter(None, map(finder.find, elsewhere)), None)


def _seconds(row: Row, column: str, problems: Problems) -> float | None:
    if not row[column]:
        return None
    value = number(row[column])
    if not 0 <= value < float("inf"):
        problems.add(row.line, f"{column} is {row[column]!r}; expected seconds, 0 or more")
        return None
    return value


def _speech(row: Row, problems: Problems) -> tuple[tuple[float, float], ...] | None:
    """Read the column ``speech``: ``0.31-1.20 1.55-2.90``."""
    segments = []
    for text in row["speech"].split():
        start, dash, end = text.partition("-")
        start_s, end_s = number(start), number(end)
        if not (dash and 0 <= start_s < end_s < float("inf")):
            problems.add(
                row.line,
                f"speech is {text!r}; expected START-END in seconds, such as 0.31-1.20, several "
                "parted by spaces",
            )
            return None
        segments.append((start_s, end_s))
    return tuple(segments) or None


def _channel(row: Row, problems: Problems) -> int | None:
    text = row["channel"]
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        problems.add(row.line, f"channel is {text!r}; expected a number from 0, or nothing")
        return None
    return int(text)


def segment_problem(utterance: Utterance, duration_s: float) -> str | None:
    """Say what is wrong with a segment of a recording that is so long; None where nothing is."""
    end_s = duration_s if utterance.end_s is None else utterance.end_s
    if end_s > duration_s + END_TOLERANCE_S:
        return (
            f"utterance {utterance.utterance_id} ends at {end_s:g} s, beyond the end of "
            f"{utterance.path} ({duration_s:.3f} s)"
        )
    if utterance.end_s is None and utterance.start_s and utterance.start_s >= duration_s:
        return (
            f"utterance {utterance.utterance_id} starts at {utterance.start_s:g} s, beyond the "
            f"end of {utterance.path} ({duration_s:.3f} s)"
        )
    return None


def read_utterances(
    path: Path | str,
    audio_folder: Path | str | None = None,
    *,
    durations: Durations | None = None,
    layouts: Sequence[str] = (),
    must_exist: bool = True,
) -> dict[str, Utterance]:
    """Read and check ``utterances.csv``.

    Parameters
    ----------
    path : path
        The list: ``utterance_id, speaker_id, path`` and, as wanted, ``session_id, start_s, end_s,
        sex, split, speech, condition, channel``.
    audio_folder : path, optional
        Where the list's paths begin; default: the folder of the list.
    durations : callable, optional
        Path → seconds; when given, segments are checked against the recordings' ends.
    layouts : sequence of str, optional
        Where else a recording may be, relative to ``audio_folder`` and without its suffix:
        ``{speaker_id}``, ``{session_id}`` and ``{stem}`` (the listed file's name) are filled in.
    must_exist : bool
        Whether a recording that is not found is a problem of the list; else its path is as listed.

    Returns
    -------
    dict
        Utterances by id, in the order of the list, with the paths of the recordings found.

    Raises
    ------
    ManifestError
        With every problem of the list: columns, duplicate ids, recordings not found or unreadable,
        segments that end before they start or after the recording.
    """
    path = Path(path)
    folder = path.parent if audio_folder is None else Path(audio_folder)
    finder = RecordingFinder(folder)
    problems = Problems(path)
    utterances: dict[str, Utterance] = {}
    known_durations: dict[Path, float] = {}
    first_lines: dict[str, int] = {}
    required = ("utterance_id", "speaker_id", "path")
    optional = (
        "session_id", "start_s", "end_s", "sex", "split", "speech", "condition", "channel",
    )  # fmt: skip
    for row in read_rows(path, required, optional, problems):
        utterance_id = row["utterance_id"]
        if utterance_id in first_lines:
            first = first_lines[utterance_id]
            problems.add(row.line, f"duplicate utterance_id {utterance_id!r} (first: line {first})")
            continue
        first_lines[utterance_id] = row.line
        start_s = _seconds(row, "start_s", problems)
        end_s = _seconds(row, "end_s", problems)
        if end_s is not None and (start_s or 0.0) >= end_s:
            problems.add(
                row.line,
                f"utterance {utterance_id} starts at {start_s or 0.0:g} s and ends at {end_s:g} s; "
                "expected start_s < end_s",
            )
        recording = _recording(finder, row, layouts)
        speech_s = _speech(row, problems)
        if recording is None and must_exist:
            problems.add(row.line, f"recording not found: {folder / row['path']}")
            if audio_folder is None:
                problems.advice = (
                    "(paths begin at the list's folder; where they begin elsewhere, say so with "
                    "--audio FOLDER)"
                )
            continue
        utterance = Utterance(
            utterance_id, row["speaker_id"], recording or folder / row["path"], start_s, end_s,
            row["session_id"], row["sex"], row["split"], speech_s, row["condition"],
            _channel(row, problems),
        )  # fmt: skip
        utterances[utterance_id] = utterance
        if durations is not None:
            try:
                if utterance.path not in known_durations:
                    known_durations[utterance.path] = durations(utterance.path)
                problem = segment_problem(utterance, known_durations[utterance.path])
                if problem is not None:
                    problems.add(row.line, problem)
            except SpeakerGMMError as error:
                problems.add(row.line, f"utterance {utterance_id}: {error}")
    problems.raise_if_any()
    return utterances


def read_pools(
    path: Path | str, id_column: str, utterances: Utterances
) -> dict[str, tuple[str, ...]]:
    """Read ``enrollment.csv`` (``id_column`` ``"model_id"``) or ``tests.csv`` (``"test_id"``).

    Several rows of one id are pooled.

    Raises
    ------
    ManifestError
        With every problem: columns, an unknown utterance, one listed twice for the same id,
        utterances of different speakers under one id.
    """
    path = Path(path)
    problems = Problems(path)
    pools: dict[str, tuple[str, ...]] = {}
    for row in read_rows(path, (id_column, "utterance_id"), (), problems):
        pool_id, utterance_id = row[id_column], row["utterance_id"]
        utterance = utterances.get(utterance_id)
        if utterance is None:
            problems.add(row.line, f"unknown utterance_id {utterance_id!r}: not in the utterances")
            continue
        pool = pools.get(pool_id, ())
        if utterance_id in pool:
            problems.add(row.line, f"duplicate row: {pool_id}, {utterance_id}")
            continue
        speaker = utterances[pool[0]].speaker_id if pool else utterance.speaker_id
        if utterance.speaker_id != speaker:
            problems.add(
                row.line,
                f"{id_column} {pool_id!r} pools utterances of different speakers: {speaker!r} and "
                f"{utterance.speaker_id!r}",
            )
            continue
        pools[pool_id] = (*pool, utterance_id)
    problems.raise_if_any()
    return pools


def pool_speakers(pools: Pools, utterances: Utterances) -> dict[str, str]:
    """Speaker of each pool."""
    return {pool_id: utterances[pool[0]].speaker_id for pool_id, pool in pools.items()}
