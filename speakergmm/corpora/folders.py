"""Recordings in folders, one a speaker, and the trials that a few recordings of each allow."""

from __future__ import annotations

import os
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.config import check_whole
from speakergmm.corpora.manifests import AUDIO_SUFFIXES, Utterance
from speakergmm.corpora.protocols import Protocol
from speakergmm.corpora.trials import Trials
from speakergmm.errors import ManifestError, problem_report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from speakergmm.corpora.manifests import Utterances

# Recordings that are found often, as phones make them, and cannot be read.
UNREAD_SUFFIXES = (".m4a", ".mp4", ".aac", ".wma", ".3gp", ".amr", ".caf")
CONVERT = "convert them to .wav first, with ffmpeg for instance"


def utterances_in_folder(folder: Path | str) -> dict[str, Utterance]:
    """List recordings that lie in folders: ``SPEAKER/FILE``, or ``SPEAKER/SESSION/FILE``.

    Returns
    -------
    dict
        Utterances by id, the path within the folder; in the order of the paths. Other files are
        passed over.

    Raises
    ------
    ManifestError
        When recordings lie beside the speakers' folders, or there are none.
    """
    folder = Path(folder)
    found: dict[str, Utterance] = {}
    problems = []
    for path in recordings_below(folder):
        parts = path.relative_to(folder).parts
        if len(parts) == 1:
            problems.append(f"{path.name} lies in no speaker's folder")
            continue
        session_id = "/".join(parts[1:-1])
        name = "/".join(parts)
        found[name] = Utterance(name, parts[0], path, session_id=session_id)
    if problems:
        heading = f"{folder}: expected a folder for each speaker, with that speaker's recordings"
        raise ManifestError(problem_report(heading, problems))
    if not found:
        unread = next(recordings_below(folder, suffixes=UNREAD_SUFFIXES), None)
        other = (
            "" if unread is None else f", but such as {unread.name}, which is not read: {CONVERT}"
        )
        raise ManifestError(
            f"{folder}: no recordings ({', '.join(AUDIO_SUFFIXES)}){other}; expected a folder for "
            "each speaker, with that speaker's recordings"
        )
    return found


def recordings_below(
    folder: Path,
    named: Path | None = None,
    suffixes: tuple[str, ...] = AUDIO_SUFFIXES,
    *,
    even_unreadable: bool = False,
) -> Iterator[Path]:
    """Yield the recordings in a folder and the folders in it, in the order of their paths.

    They are told by their suffixes; what is hidden is passed over, and what cannot be read. Links
    are followed, but for those to a folder that they are in.

    Parameters
    ----------
    named : path, optional
        What the paths begin with. Default: the folder.
    suffixes : tuple of str
        What tells a recording. Default: those that can be read.
    even_unreadable : bool
        Yield also what has the name of a recording and is none that could be opened (a link that
        leads nowhere, or round and round), and folders that cannot be looked into.
    """
    named = folder if named is None else named
    return _recordings(folder, named, (folder.resolve(),), suffixes, even_unreadable)


def _recordings(
    place: Path | str,
    named: Path,
    entered: tuple[Path, ...],
    suffixes: tuple[str, ...],
    even_unreadable: bool,
) -> Iterator[Path]:
    """Go through a folder; ``entered`` are the folders that links led to on the way."""
    try:
        with os.scandir(place) as found:
            entries = sorted(found, key=attrgetter("name"))
    except OSError:
        if even_unreadable:
            yield named
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if is_folder(entry):
            way = _way_on(entry, place, entered) if entry.is_symlink() else entered
            if way:
                yield from _recordings(
                    entry.path, named / entry.name, way, suffixes, even_unreadable
                )
        elif entry.name.lower().endswith(suffixes) and (_is_file(entry) or even_unreadable):
            yield named / entry.name


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether something is a folder, or a link to one; nothing that cannot be told is."""
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself, or into a folder that may not be searched.
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _way_on(
    link: os.DirEntry[str], place: Path | str, entered: tuple[Path, ...]
) -> tuple[Path, ...]:
    """Follow a link; nothing where it leads back to a folder that one is in."""
    end = Path(link.path).resolve()
    is_back = any(inside.is_relative_to(end) for inside in (*entered, Path(place).resolve()))
    return () if is_back else (*entered, end)


def leave_one_out(utterances: Utterances, *, max_enrollment: int | None = None) -> Protocol:
    """Make all trials that a few recordings of each speaker allow.

    Each session of a speaker (each recording, where the list has no sessions) is left out once: a
    model of the speaker's other sessions meets its recordings, and all those of other speakers. So
    no model meets speech, or a sitting, that it was made from.

    Parameters
    ----------
    max_enrollment : int, optional
        Recordings that a model is made of, at most: as many as will be enrolled in use.

    Raises
    ------
    ManifestError
        When there is only one speaker, or no speaker has two sessions.
    """
    if max_enrollment is not None:
        check_whole("max_enrollment", max_enrollment, 1)
    sessions: dict[str, dict[str, list[str]]] = {}
    for utterance in utterances.values():
        own = sessions.setdefault(utterance.speaker_id, {})
        session = utterance.session_id or utterance.utterance_id
        own.setdefault(session, []).append(utterance.utterance_id)
    if len(sessions) < 2:
        raise ManifestError(
            f"all recordings are of the speaker {next(iter(sessions), '')!r}; expected several "
            "speakers: what a stranger scores is learned from the others"
        )
    enrollment: dict[str, tuple[str, ...]] = {}
    left_out: dict[str, str] = {}
    for speaker_id, own in sessions.items():
        for session in own if len(own) > 1 else ():
            pool = [u for other, members in own.items() if other != session for u in members]
            model_id = f"{speaker_id} without {session}"
            enrollment[model_id] = tuple(pool[:max_enrollment])
            left_out[model_id] = session
    if not enrollment:
        raise ManifestError(
            f"none of the {len(sessions):,} speakers has two recordings of different sessions; one "
            "to enroll and another to test are needed: record more"
        )
    model_speakers = {m: utterances[pool[0]].speaker_id for m, pool in enrollment.items()}
    test_speakers = {u: utterance.speaker_id for u, utterance in utterances.items()}
    model_ids, test_ids = tuple(enrollment), tuple(test_speakers)
    same = _table(model_speakers.values(), test_speakers.values())
    # Model and test are of one speaker: only the session left out is no part of the model.
    test_sessions = [u.session_id or u.utterance_id for u in utterances.values()]
    allowed = ~same | _table(left_out.values(), test_sessions)
    model_index, test_index = (index.astype(np.int32) for index in np.nonzero(allowed))
    number = {speaker_id: i for i, speaker_id in enumerate(sessions)}
    trials = Trials(
        model_ids,
        test_ids,
        model_index,
        test_index,
        same[model_index, test_index],
        # No target trial joins the models of one speaker: each meets what it was made without.
        np.array([number[speaker] for speaker in model_speakers.values()]),
        np.array([number[speaker] for speaker in test_speakers.values()]),
    )
    tests = {utterance_id: (utterance_id,) for utterance_id in test_ids}
    return Protocol(enrollment, tests, trials, model_speakers, test_speakers)


def _table(rows: Iterable[str], columns: Iterable[str]) -> NDArray[np.bool_]:
    """Tell which names of the rows and columns are equal."""
    return np.asarray(np.array(list(rows))[:, None] == np.array(list(columns)))
