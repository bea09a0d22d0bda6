"""Kaldi data folders, written.

They pass Kaldi's own ``utils/validate_data_dir.sh --no-text --no-feats``, where names allow it and
no utterance is on a channel of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora.formats.kaldi import SEGMENTS, SEX, SPEAKERS, WAV
from speakergmm.corpora.formats.names import (
    Remarks,
    check_names,
    count_of,
    recording_ids,
    sex_letter,
    unsaid,
)
from speakergmm.files import remove, write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from speakergmm.corpora.manifests import Utterance, Utterances

POOLS = "spk2utt"

UNSAID = {
    "session_id": "sessions",
    "split": "splits",
    "speech_s": "marks of speech",
    "condition": "conditions",
}

NOT_VALID = "which Kaldi's extract-segments knows and validate_data_dir.sh does not"


def check_kaldi_names(utterances: Utterances) -> None:
    """Refuse ids with blanks in them.

    Raises
    ------
    ManifestError
        With each of them.
    """
    check_names("utterance", utterances, "a Kaldi data folder")
    check_names("speaker", (u.speaker_id for u in utterances.values()), "a Kaldi data folder")


def write_kaldi_folder(
    folder: Path, utterances: Utterances, duration_s: Callable[[Path], float | None]
) -> Remarks:
    """Write a Kaldi data folder, sorted as Kaldi wants it, with absolute paths.

    Parameters
    ----------
    folder : path
        ``wav.scp``, which is written last, ``utt2spk``, ``spk2utt``, and ``segments`` and
        ``spk2gender`` where there is something to be said.
    duration_s : callable
        Length of a recording in seconds, or None where that is not known.

    Raises
    ------
    ManifestError
        When names have blanks in them.
    OutputError
        When a file cannot be written.
    """
    check_kaldi_names(utterances)
    ordered = {name: utterances[name] for name in sorted(utterances)}
    lost = unsaid(utterances, UNSAID, "a Kaldi data folder has no place for them")
    notes = []
    if list(ordered) != sorted(ordered, key=lambda name: (ordered[name].speaker_id, name)):
        notes.append(
            "sorted by utterance, the list is not sorted by speaker, as Kaldi wants it; make the "
            "speaker's id the beginning of the utterance's, or use validate_data_dir.sh "
            "--no-spk-sort"
        )
    for name in (WAV, SEGMENTS, SEX):
        remove(folder / name)
    paths = {name: u.path.absolute() for name, u in ordered.items()}
    if any(_is_segment(utterance) for utterance in ordered.values()):
        ids = recording_ids(paths.values())
        lines, more = _segment_lines(ordered, paths, ids, duration_s)
        notes += more
        _write(folder / SEGMENTS, lines)
        wav = {ids[path]: path for path in ids}
    else:
        wav = paths
    pools: dict[str, list[str]] = {}
    for name, utterance in ordered.items():
        pools.setdefault(utterance.speaker_id, []).append(name)
    _write(folder / SPEAKERS, [f"{name} {u.speaker_id}" for name, u in ordered.items()])
    _write(folder / POOLS, [" ".join([s, *pools[s]]) for s in sorted(pools)])
    lost += _write_sexes(folder / SEX, ordered)
    _write(folder / WAV, [f"{name} {wav[name]}" for name in sorted(wav)])
    return Remarks(lost, tuple(notes))


def _is_segment(utterance: Utterance) -> bool:
    return any(v is not None for v in (utterance.start_s, utterance.end_s, utterance.channel))


def _write(path: Path, lines: Iterable[str]) -> None:
    write_text(path, "".join(f"{line}\n" for line in lines))


def _segment_lines(
    utterances: Utterances,
    paths: Mapping[str, Path],
    ids: Mapping[Path, str],
    duration_s: Callable[[Path], float | None],
) -> tuple[list[str], list[str]]:
    lines, n_open = [], 0
    for name, utterance in utterances.items():
        end_s = utterance.end_s
        if end_s is None:
            end_s = duration_s(paths[name])
            n_open += end_s is None
        end = "-1" if end_s is None else _seconds(end_s)
        cells = [name, ids[paths[name]], _seconds(utterance.start_s or 0.0), end]
        if utterance.channel is not None:
            cells.append(str(utterance.channel))
        lines.append(" ".join(cells))
    notes = []
    if n_open:
        notes.append(
            f"{n_open:,} segments end with their recordings, which were not found: -1 stands for "
            f"that, {NOT_VALID}"
        )
    if n_channels := sum(u.channel is not None for u in utterances.values()):
        notes.append(
            f"{count_of(n_channels, 'segment')} got a fifth column, the channel, {NOT_VALID}"
        )
    return lines, notes


def _seconds(value: float) -> str:
    return str(np.format_float_positional(value, trim="-"))


def _write_sexes(path: Path, utterances: Utterances) -> tuple[str, ...]:
    """Write spk2gender, which Kaldi wants of all speakers or not at all.

    One utterance of a speaker tells it of all: enrollment may come from a folder without sexes.
    """
    told: dict[str, set[str]] = {u.speaker_id: set() for u in utterances.values()}
    for utterance in utterances.values():
        told[utterance.speaker_id] |= {sex_letter(utterance.sex)} - {""}
    sexes = {speaker: "".join(sorted(letters)) for speaker, letters in told.items()}
    kinds = {*sexes.values()}
    if kinds <= {"m", "f"}:
        _write(path, [f"{speaker} {sexes[speaker]}" for speaker in sorted(sexes)])
        return ()
    if kinds == {""}:
        return ()
    return ("sexes: Kaldi wants m or f of every speaker, and not all have one",)
