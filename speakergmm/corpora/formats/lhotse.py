"""Lhotse manifests, read: recordings and supervisions as JSON lines, plain or gzip.

The fields are those of ``lhotse.Recording`` and ``lhotse.SupervisionSegment`` in version 1.33.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from speakergmm.corpora.formats.names import (
    IDS_NOT_KEPT,
    count_of,
    names_of_recordings,
    sex_letter,
)
from speakergmm.corpora.manifests import Utterance
from speakergmm.corpora.tables import Problems
from speakergmm.corpora.text_files import GZIP_SUFFIX, reading_text
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RECORDINGS, SUPERVISIONS, CUTS = "recordings", "supervisions", "cuts"
# Of manifests that are not JSON lines.
OTHER_SUFFIXES = (".json", ".yaml", ".yml")

# Seconds by which a supervision may miss the end of its recording and still be all of it: Lhotse's
# own tolerance.
WHOLE_S = 0.001

# No recording is longer: some thousand years.
MOST_S = 1e11

# Lhotse keeps times to so many digits.
DIGITS = 8

# What supervisions carry of ours in their field for what is not Lhotse's own.
CUSTOM = ("session_id", "split", "condition", "speech")

# Lhotse's own command.
DECOMPOSED = "lhotse cut decompose cuts.jsonl.gz FOLDER"

READ = {"id", "recording_id", "start", "duration", "channel", "speaker", "gender", "custom"}


class LhotseManifests(NamedTuple):
    """Utterances of a pair of manifests, and what is to be said of them."""

    utterances: dict[str, Utterance]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Recording:
    path: Path
    duration_s: float
    channels: tuple[int, ...]


def find_manifests(source: Path) -> tuple[Path, Path]:
    """Find the two manifests of a folder, or the other one of the one that is given.

    Raises
    ------
    ManifestError
        When there are none, or several.
    """
    if source.is_dir():
        found = sorted(path for path in source.iterdir() if _is_manifest(path, RECORDINGS))
        if not found:
            raise ManifestError(
                f"{source}: no pair of recordings.jsonl and supervisions.jsonl, plain or .gz; make "
                f"it of cuts ({DECOMPOSED}), or of JSON and YAML (lhotse copy)"
            )
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise ManifestError(
                f"{source}: expected one pair of recordings.jsonl and supervisions.jsonl, plain or "
                f".gz; found {names}; give one of the files"
            )
        return _pair(found[0])
    return _pair(source)


def is_json_lines(path: Path) -> bool:
    """Tell by its name whether a file is of JSON lines, as manifests are."""
    return _has_suffix(path, (".jsonl",))


def is_lhotse_file(path: Path) -> bool:
    """Tell by its name whether a file is a manifest, in whatever way Lhotse writes it."""
    is_called_so = any(kind in path.name for kind in (RECORDINGS, SUPERVISIONS, CUTS))
    return is_json_lines(path) or (is_called_so and _has_suffix(path, OTHER_SUFFIXES))


def _has_suffix(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.name.removesuffix(GZIP_SUFFIX).endswith(suffixes)


def _is_manifest(path: Path, kind: str) -> bool:
    return kind in path.name and is_json_lines(path)


def _pair(path: Path) -> tuple[Path, Path]:
    kind, other = (RECORDINGS, SUPERVISIONS) if RECORDINGS in path.name else (
        SUPERVISIONS, RECORDINGS,
    )  # fmt: skip
    if not is_json_lines(path):
        new = f"{Path(path.name.removesuffix(GZIP_SUFFIX)).stem}.jsonl.gz"
        raise ManifestError(
            f"{path}: expected JSON lines; write them first (lhotse copy {path.name} {new})"
        )
    if kind not in path.name:
        raise ManifestError(
            f"{path}: expected a name with {RECORDINGS!r} or {SUPERVISIONS!r} in it, by which the "
            f"other manifest is found; of cuts make both first ({DECOMPOSED})"
        )
    partner = path.with_name(path.name.replace(kind, other))
    for file in (path, partner):
        if not file.is_file():
            raise ManifestError(
                f"{file}: no such file; expected recordings beside supervisions; of cuts make both "
                f"first ({DECOMPOSED})"
            )
    return (path, partner) if kind == RECORDINGS else (partner, path)


def read_lhotse(source: Path, audio: Path | None = None) -> LhotseManifests:
    """Read a pair of manifests.

    Parameters
    ----------
    source : path
        Their folder, or one of the two.
    audio : path, optional
        Where relative paths begin; default: the working folder, as for Lhotse.

    Raises
    ------
    ManifestError
        With every problem of the first file that has any.
    """
    recordings_file, supervisions_file = find_manifests(source)
    recordings = _read_recordings(recordings_file, (audio or Path()).absolute())
    problems = Problems(supervisions_file)
    utterances: dict[str, Utterance] = {}
    lost: Counter[str] = Counter()
    ids: dict[str, str] = {}
    for line, entry in _entries(supervisions_file, problems):
        try:
            name = _name(entry.get("id"), "'id'")
            if name in utterances:
                raise _UnfitError(f"id {name!r} stands there twice")
            recording = recordings.get(str(entry.get("recording_id")))
            if recording is None:
                listed = f"recording {entry.get('recording_id')!r} is not listed"
                raise _UnfitError(f"{name}: {listed}; expected it among the recordings")
            utterances[name] = _utterance(name, entry, recording)
            ids[name] = str(entry.get("recording_id"))
            lost.update(_not_kept(entry, recording))
        except _UnfitError as problem:
            problems.add(line, str(problem))
    if not utterances and not problems.n:
        problems.add(1, "the manifest is empty; expected a supervision in each line")
    problems.raise_if_any()
    notes = [
        f"not kept: {what} of {count_of(n, 'supervision')}" for what, n in sorted(lost.items())
    ]
    new = names_of_recordings({name: u.path for name, u in utterances.items()})
    if any(new[u.path] != ids[name] for name, u in utterances.items()):
        notes.append(IDS_NOT_KEPT)
    if unheard := len(recordings) - len({u.path for u in utterances.values()}):
        notes.append(f"recordings without supervisions were left out: {unheard:,}")
    return LhotseManifests(utterances, tuple(notes))


class _UnfitError(Exception):
    """An entry that cannot be used, with what is wrong with it."""


def _entries(path: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    with reading_text(path) as text:
        for line, content in enumerate(text, 1):
            if not content.strip():
                continue
            try:
                entry = json.loads(content)
            except (ValueError, RecursionError):
                entry = None
            if isinstance(entry, dict):
                yield line, entry
            else:
                problems.add(line, "not a JSON object; expected one in each line")


def _read_recordings(path: Path, begin: Path) -> dict[str, _Recording]:
    problems = Problems(path)
    found: dict[str, _Recording] = {}
    for line, entry in _entries(path, problems):
        try:
            name = _name(entry.get("id"), "'id'")
            if name in found:
                raise _UnfitError(f"recording {name!r} stands there twice")
            found[name] = _recording(name, entry, begin)
        except _UnfitError as problem:
            problems.add(line, str(problem))
    problems.raise_if_any()
    return found


def _recording(name: str, entry: Mapping[str, Any], begin: Path) -> _Recording:
    """Read a recording that is one file as it is, and refuse others."""
    what = f"recording {name!r}"
    sources = entry.get("sources")
    if not isinstance(sources, list) or not sources:
        raise _UnfitError(f"{what}: expected a list of files for 'sources', got {sources!r}")
    duration_s = _seconds(entry.get("duration"), f"{what}: 'duration'", above=0)
    if len(sources) > 1:
        raise _UnfitError(
            f"{what} is {len(sources)} files; expected one: mix or choose one of them"
        )
    source = sources[0]
    if not isinstance(source, dict):
        raise _UnfitError(
            f"{what}: expected type, channels and source in 'sources', got {source!r}"
        )
    file, channels = source.get("source"), source.get("channels") or [0]
    if source.get("type") != "file" or not isinstance(file, str):
        raise _UnfitError(
            f"{what} is of the type {source.get('type')!r}; expected 'file': save the audio to "
            "files first (lhotse: RecordingSet.save_audios)"
        )
    if not _are_channels(channels):
        raise _UnfitError(
            f"{what}: expected a list of numbers from 0 for 'channels', got {channels!r}"
        )
    if entry.get("transforms"):
        raise _UnfitError(
            f"{what} is changed when it is read ('transforms'), which is not done here; save the "
            "changed audio first (lhotse: RecordingSet.save_audios)"
        )
    return _Recording(begin / file, duration_s, tuple(channels))


def _are_channels(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in value)
        and len(set(value)) == len(value) > 0
    )


def _utterance(name: str, entry: Mapping[str, Any], recording: _Recording) -> Utterance:
    start_s = _seconds(entry.get("start"), f"{name}: 'start'")
    end_s = round(start_s + _seconds(entry.get("duration"), f"{name}: 'duration'", above=0), DIGITS)
    if not start_s < end_s:
        raise _UnfitError(f"{name}: 'duration' is {entry['duration']!r} s; expected a longer one")
    is_whole = start_s == 0 and abs(end_s - recording.duration_s) <= WHOLE_S
    custom = entry.get("custom") or {}
    if not isinstance(custom, dict):
        raise _UnfitError(f"{name}: expected names and values for 'custom', got {custom!r}")
    session_id, split, condition = (
        _text(custom.get(field), f"{name}: 'custom.{field}'")
        for field in ("session_id", "split", "condition")
    )
    return Utterance(
        name,
        _name(entry.get("speaker"), f"{name}: 'speaker'"),
        recording.path,
        None if is_whole else start_s,
        None if is_whole else end_s,
        session_id,
        sex_letter(_text(entry.get("gender"), f"{name}: 'gender'")),
        split,
        _speech(custom.get("speech"), name),
        condition,
        _channel(entry.get("channel"), recording.channels, name),
    )


def _seconds(value: Any, what: str, above: float | None = None) -> float:
    """Read seconds that are finite and 0 or more, or more than that."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # A limit, since whole numbers of JSON may be beyond what a float holds.
    if is_number and 0 <= value <= MOST_S and (above is None or value > above):
        return float(value)
    expected = "0 or more" if above is None else f"more than {above:g}"
    raise _UnfitError(f"{what} is {value!r}; expected seconds, {expected}")


def _text(value: Any, what: str) -> str:
    """Read a text or a number; empty where there is none."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise _UnfitError(f"{what} is {value!r}; expected a text")


def _name(value: Any, what: str) -> str:
    name = _text(value, what)
    if not name:
        raise _UnfitError(f"{what} is {value!r}; expected a name")
    return name


def _speech(marks: Any, name: str) -> tuple[tuple[float, float], ...] | None:
    """Read pairs of seconds between which there is speech."""
    if not marks:
        return None
    speech = []
    for pair in marks if isinstance(marks, list) else [marks]:
        if not isinstance(pair, list) or len(pair) != 2:
            raise _UnfitError(f"{name}: 'custom.speech' has {pair!r}; expected pairs of seconds")
        start_s = _seconds(pair[0], f"{name}: 'custom.speech'")
        end_s = _seconds(pair[1], f"{name}: 'custom.speech'", above=start_s)
        speech.append((start_s, end_s))
    return tuple(speech)


def _channel(value: Any, channels: tuple[int, ...], name: str) -> int | None:
    """Give the place of a channel in its recording; None for the only one, or several."""
    if value is None:
        return None
    heard = value if isinstance(value, list) else [value]
    if not _are_channels(heard) or not set(heard) <= set(channels):
        known = ", ".join(map(str, channels))
        raise _UnfitError(f"{name}: 'channel' is {value!r}; expected of its recording's: {known}")
    return channels.index(heard[0]) if len(heard) == 1 < len(channels) else None


def _not_kept(entry: Mapping[str, Any], recording: _Recording) -> Iterator[str]:
    """Name what our lists have no column for."""
    yield from (name for name, value in entry.items() if name not in READ and value is not None)
    yield from (f"custom.{name}" for name in entry.get("custom") or {} if name not in CUSTOM)
    channel = entry.get("channel")
    if isinstance(channel, list) and 1 < len(channel) < len(recording.channels):
        yield (
            "which of the channels (ours is one, or all: these are mixed, unless [front_end] "
            "channel says otherwise)"
        )
