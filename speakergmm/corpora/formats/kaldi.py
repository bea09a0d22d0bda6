"""Kaldi data folders, read: wav.scp, segments, utt2spk, spk2gender.

Documented at https://kaldi-asr.org/doc/data_prep.html.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from speakergmm.corpora.formats.kaldi_commands import Decoded, decoded_file
from speakergmm.corpora.formats.names import IDS_NOT_KEPT, count_of, sex_letter
from speakergmm.corpora.manifests import Utterance
from speakergmm.corpora.tables import Problems, number
from speakergmm.corpora.text_files import reading_text
from speakergmm.errors import ManifestError, problem_report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WAV, SEGMENTS, SPEAKERS, SEX = "wav.scp", "segments", "utt2spk", "spk2gender"
READ = (WAV, SEGMENTS, SPEAKERS, SEX)
TRIALS = "trials"
# Made of the others, or of no use here.
OF_NO_USE = ("spk2utt", "reco2dur", "utt2dur", "utt2num_frames", "num_frames", "utt2uniq",
             "frame_shift", "trials", "conf", "log", "split", "enroll", ".")  # fmt: skip

# An offset into an archive of Kaldi's: file.ark:1234.
ARCHIVE = re.compile(r".*:\d+")
# One letter before a colon is a drive of Windows.
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
CHANNEL = re.compile("[0-9]{1,4}")


class Segment(NamedTuple):
    """A line of ``segments``: of which recording, from where to where, on which channel."""

    recording: str
    start_s: float | None = None
    end_s: float | None = None
    channel: int | None = None


class Recording(NamedTuple):
    """A line of ``wav.scp``: a file, and the channel of it where a command chooses one."""

    path: Path
    channel: int | None

    def channel_of(self, segment: Segment) -> int | None:
        """Give the channel that a segment is on."""
        return segment.channel if self.channel is None else self.channel


class KaldiFolder(NamedTuple):
    """Utterances of a Kaldi data folder, and what is to be said of them."""

    utterances: dict[str, Utterance]
    notes: tuple[str, ...]


def read_kaldi_folder(folder: Path, audio: Path | None = None) -> KaldiFolder:
    """Read a Kaldi data folder.

    Parameters
    ----------
    folder : path
        With ``wav.scp`` and ``utt2spk`` and, if wanted, ``segments`` and ``spk2gender``.
    audio : path, optional
        Where relative paths begin; default: the working folder, as for Kaldi.

    Raises
    ------
    ManifestError
        With every problem of the first file that has any.
    """
    for name, holds in ((WAV, "where the recordings are"), (SPEAKERS, "who speaks in what")):
        if not (folder / name).is_file():
            raise ManifestError(
                f"{folder}: no {name}; expected a Kaldi data folder, in which it says {holds}"
            )
    recordings, notes = _recordings(folder / WAV, audio)
    speakers = _mapping(folder / SPEAKERS, "a speaker")
    sexes = _sexes(folder / SEX) if (folder / SEX).is_file() else {}
    if (folder / SEGMENTS).is_file():
        segments = _segments(folder / SEGMENTS, recordings)
        renamed = sum(1 for name, segment in segments.items() if name != segment.recording)
        if renamed:
            notes.append(IDS_NOT_KEPT)
        used = {segment.recording for segment in segments.values()}
        if unused := len(recordings) - len(used):
            notes.append(f"recordings of which there is no segment were left out: {unused:,}")
    else:
        segments = {name: Segment(name) for name in recordings}
    _check_same(folder, segments, speakers)
    utterances = {
        name: Utterance(
            name, speakers[name], recordings[segment.recording].path, segment.start_s,
            segment.end_s, sex=sexes.get(speakers[name], ""),
            channel=recordings[segment.recording].channel_of(segment),
        )
        for name, segment in segments.items()
    }  # fmt: skip
    further = sorted(
        path.name for path in folder.iterdir()
        if path.name not in READ and not path.name.startswith(OF_NO_USE)
    )  # fmt: skip
    if further:
        notes.append(f"not read: {', '.join(further)}")
    return KaldiFolder(utterances, tuple(notes))


def further_trials(folder: Path, read: Path) -> tuple[str, ...]:
    """Say which lists of trials of a folder were not read, such as a recipe's ``trials_tgl``."""
    found = [path for path in folder.glob(f"{TRIALS}*") if path.is_file()]
    # Recipes for SITW have a folder of them.
    found += [path for path in (folder / TRIALS).glob("*") if path.is_file()]
    others = (path for path in found if path.resolve() != read.resolve())
    names = sorted(path.relative_to(folder).as_posix() for path in others)
    if not names:
        return ()
    return (f"lists of trials that were not read: {', '.join(names)}; --trials takes one",)


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    with reading_text(path) as text:
        for line, content in enumerate(text, 1):
            if content.strip():
                yield line, content.strip()


def _mapping(path: Path, second: str) -> dict[str, str]:
    """Read lines of a name and what belongs to it."""
    problems = Problems(path)
    found: dict[str, str] = {}
    for line, content in _lines(path):
        name, *rest = content.split(maxsplit=1)
        if not rest:
            problems.add(line, f"{name!r} alone; expected a name, a blank, and {second}")
        elif name in found:
            problems.add(line, f"{name!r} stands there twice")
        else:
            found[name] = rest[0]
    if not found and not problems.n:
        problems.add(1, f"the file is empty; expected a name, a blank, and {second} in each line")
    problems.raise_if_any()
    return found


def _recordings(path: Path, audio: Path | None) -> tuple[dict[str, Recording], list[str]]:
    listed = _mapping(path, "the path of a recording")
    commands = {name: place for name, place in listed.items() if place.endswith("|")}
    decoded = {name: decoded_file(command) for name, command in commands.items()}
    unknown = {name: commands[name] for name, found in decoded.items() if found is None}
    if unknown:
        raise ManifestError(_about_commands(path, unknown))
    files = {name: decoded.get(name) or Decoded(place) for name, place in listed.items()}
    listed = {name: found.file for name, found in files.items()}
    archives = next((p for p in listed.values() if ARCHIVE.fullmatch(p) or p == "-"), None)
    if archives is not None:
        raise ManifestError(
            f"{path}: {archives!r} is no recording of its own, but lies in an archive or comes "
            "through a pipe; write each recording to a file (Kaldi's wav-copy), and name that"
        )
    address = next((place for place in listed.values() if ADDRESS.match(place)), None)
    if address is not None:
        raise ManifestError(
            f"{path}: {address!r} is an address, and recordings are read from files alone; fetch "
            "them, and name the files"
        )
    relative = next((place for place in listed.values() if not Path(place).is_absolute()), None)
    notes = []
    if relative is not None and audio is None:
        notes.append(
            f"relative paths, such as {relative}, were taken to begin in the working folder, as "
            "Kaldi does; --audio says another"
        )
    if commands:
        notes.append(
            f"{count_of(len(commands), 'command')} of {path.name}, such as "
            f"{next(iter(commands.values()))!r}, only decode a file: it is read in their place"
        )
    notes += _of_one_file(files)
    begin = (audio or Path()).absolute()
    return {name: Recording(begin / f.file, f.channel) for name, f in files.items()}, notes


def _of_one_file(listed: Mapping[str, Decoded]) -> list[str]:
    """Say which recordings are one file: channels, mostly, of which a command chose one."""
    first: dict[Decoded, str] = {}
    again = [name for name, place in listed.items() if first.setdefault(place, name) != name]
    if not again:
        return []
    alike = f"{len(again):,}, such as {first[listed[again[0]]]!r} and {again[0]!r}"
    way = f"where they are its channels, say which in a fifth column of {SEGMENTS}"
    return [f"recordings that are the same file as another: {alike}; {way}"]


def _about_commands(path: Path, commands: Mapping[str, str]) -> str:
    name, command = next(iter(commands.items()))
    are = "1 recording is" if len(commands) == 1 else f"{len(commands):,} recordings are"
    return (
        f"{path}: {are} the output of a command, such as {name!r}: {command!r}; expected files, or "
        "commands that only decode one (sph2pipe -f wav -p -c 1 FILE |, flac -c -d -s FILE |), as "
        f"none is run here; write what it gives to a file, and name that: {command.rstrip('| ')} > "
        f"{name}.wav"
    )


def _segments(path: Path, recordings: Mapping[str, Recording]) -> dict[str, Segment]:
    problems = Problems(path)
    found: dict[str, Segment] = {}
    for line, content in _lines(path):
        cells = content.split()
        if len(cells) not in {4, 5}:
            text = (
                f"{len(cells)} cells; expected an utterance, a recording, a start and an end, and "
                "a channel where there are several"
            )
            problems.add(line, text)
            continue
        name, recording = cells[:2]
        channel = cells[4] if len(cells) > 4 else ""
        start_s, end_s = number(cells[2]), number(cells[3])
        if name in found:
            problems.add(line, f"{name!r} stands there twice")
        elif recording not in recordings:
            problems.add(line, f"recording {recording!r} is not in {WAV}")
        elif not 0 <= start_s < np.inf or not (end_s == -1 or start_s < end_s < np.inf):
            problems.add(
                line,
                f"{cells[2]!r} to {cells[3]!r}; expected seconds, the end after the start, or -1 "
                "for the end of the recording",
            )
        elif channel and not CHANNEL.fullmatch(channel):
            problems.add(line, f"channel is {channel!r}; expected a number from 0, or none")
        else:
            whole = start_s == 0 and end_s == -1
            found[name] = Segment(
                recording,
                None if whole else start_s,
                None if end_s == -1 else end_s,
                int(channel) if channel else None,
            )
    if not found and not problems.n:
        expected = "an utterance, a recording, a start and an end"
        problems.add(1, f"the file is empty; expected {expected} in each line")
    problems.raise_if_any()
    return found


def _sexes(path: Path) -> dict[str, str]:
    return {speaker: sex_letter(sex) for speaker, sex in _mapping(path, "m or f").items()}


def _check_same(folder: Path, segments: Iterable[str], speakers: Mapping[str, str]) -> None:
    """Refuse utterances that are in one of the files alone."""
    listed = dict.fromkeys(segments)
    problems = [f"no speaker in {SPEAKERS} for {name!r}" for name in listed if name not in speakers]
    where = SEGMENTS if (folder / SEGMENTS).is_file() else WAV
    problems += [f"no audio in {where} for {name!r}" for name in speakers if name not in listed]
    if problems:
        heading = (
            f"{folder}: the files are not of the same utterances (Kaldi's utils/fix_data_dir.sh "
            "leaves out those that are not in all)"
        )
        raise ManifestError(problem_report(heading, problems))
