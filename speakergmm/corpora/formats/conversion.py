"""Lists, trials and scores from one format into another."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora.formats.assembling import assemble
from speakergmm.corpora.formats.found import LISTS, OWN, TRIALS, Found, Options
from speakergmm.corpora.formats.sources import SOURCES, find_source
from speakergmm.corpora.formats.targets import Target, find_target
from speakergmm.corpora.formats.trial_lists import ForeignTrials
from speakergmm.corpora.formats.trial_sources import read_enrollment
from speakergmm.corpora.lists import EVALUATION, Lists
from speakergmm.corpora.manifests import AUDIO_SUFFIXES
from speakergmm.corpora.told_speakers import further_columns
from speakergmm.errors import ManifestError, MissingError, OutputError
from speakergmm.files import check_apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

# A list of trials by itself, in our own format.
TABLE_SUFFIXES = (".csv", ".csv.gz")

NO_OPTIONS = Options()

PATHS_AS_LISTED = (
    "paths are those of the list: give --audio DIR, the folder where they begin, to what reads "
    "these lists"
)


@dataclass(frozen=True)
class Conversion:
    """What was converted.

    Parameters
    ----------
    read_as : str
        What was read, in words.
    counts : mapping
        How many recordings, utterances, speakers, models, tests, trials there are.
    notes : tuple of str
        What was taken for granted, and what is to be done with it.
    lost : tuple of str
        What was read, and the format that was written has no place for.
    """

    read_as: str
    counts: Mapping[str, int]
    notes: tuple[str, ...] = field(default=())
    lost: tuple[str, ...] = field(default=())


def convert(
    source: Path,
    output: Path,
    *,
    source_format: str | None = None,
    target_format: str = OWN,
    options: Options = NO_OPTIONS,
) -> Conversion:
    """Read a file or folder in one format, and write it in another.

    Parameters
    ----------
    source : path
        Lists, trials or scores.
    output : path
        The file or folder to write.
    source_format : str, optional
        Default: told by the content.
    target_format : str
        Default: this program's own.
    options : Options
        What is said beside the place of the lists.

    Raises
    ------
    MissingError
        When there is no such file or folder.
    ConfigError
        When there is no such format, or it holds other things.
    ManifestError
        When the source cannot be used, or the format cannot say it.
    AudioError
        When a recording's length is wanted and it cannot be read.
    OutputError
        When the output would be written over what is read, over a recording, or beside lists of
        another format, is called as a recording, or cannot be written.
    """
    for place in (source, options.trials, options.enroll):
        if place is not None and not place.exists():
            raise MissingError(f"{place}: no such file or folder")
    if options.trials is not None and options.trials.is_dir():
        raise ManifestError(
            f"{options.trials}: is a folder; expected a list of trials: give a file"
        )
    check_apart(output, [source, options.trials, options.enroll])
    _refuse_audio_name(output)
    form = find_source(source, source_format, options.columns)
    found = form.read(source, options)
    target = find_target(target_format, _kinds(form.kind, output, target_format))
    _refuse_other_lists(output, target)
    if (form.kind, target.kind) == (TRIALS, LISTS):
        found = _assembled(found, source, options)
    elif target.kind == LISTS and found.begin is None:
        found = replace(found, content=_absolute(found.content))
    _check_apart(output, target, found, source, options)
    written = target.write(output, found, options)
    notes = (*found.notes, *written.notes)
    counts = _counts(found.content) if written.counts is None else written.counts
    lost = written.lost if target.name == OWN else (*written.lost, *_columns_lost(found.content))
    return Conversion(found.title, counts, notes, lost)


def _kinds(kind: str, output: Path, target_format: str) -> tuple[str, ...]:
    """Give the kinds that something can be written as, the best first."""
    if kind != TRIALS:
        return (kind,)
    is_table = output.name.endswith(TABLE_SUFFIXES)
    return (LISTS, TRIALS) if target_format == OWN and not is_table else (TRIALS, LISTS)


def _assembled(found: Found, source: Path, options: Options) -> Found:
    """Make lists of trials."""
    trials: ForeignTrials = found.content
    enrolled = read_enrollment(options.enroll, options.audio)
    if enrolled is not None and not any(
        s.name in trials.trials.test_ids for s in trials.sides.values()
    ):
        enrolled = enrolled.by_recordings()
    split = options.split or EVALUATION
    lists, notes = assemble(trials, str(source), split, enrolled=enrolled)
    if options.audio is None:
        notes = (*notes, PATHS_AS_LISTED)
    else:
        begin = options.audio.absolute()
        placed = {name: replace(u, path=begin / u.path) for name, u in lists.utterances.items()}
        lists, found = replace(lists, utterances=placed), replace(found, begin=begin)
    return replace(found, content=lists, notes=(*found.notes, *notes))


def _absolute(lists: Lists) -> Lists:
    # Of millions, those that are so already stay as they are.
    utterances = {
        name: u if u.path.is_absolute() else replace(u, path=u.path.absolute())
        for name, u in lists.utterances.items()
    }
    return replace(lists, utterances=utterances)


def _refuse_audio_name(output: Path) -> None:
    if output.suffix.lower() in AUDIO_SUFFIXES:
        raise OutputError(
            f"{output}: is called as a recording, of the suffix {output.suffix}; expected a place "
            "for lists; choose another name"
        )


def _refuse_other_lists(output: Path, target: Target) -> None:
    """Refuse a folder of lists of another format, which would be read instead of the new ones."""
    if target.kind != LISTS or target.files is None or not output.is_dir():
        return
    others = [source for source in SOURCES if source.kind == LISTS and source.name != target.name]
    other = next((source for source in others if source.recognizes(output)), None)
    if other is not None:
        raise OutputError(
            f"{output}: holds lists of another format, {other.name}, and it would not be known "
            "which to read; choose another folder for the output"
        )


def _check_apart(
    output: Path, target: Target, found: Found, source: Path, options: Options
) -> None:
    """Refuse to write over any file that was read, and over recordings."""
    written = [output] if target.files is None else [
        output / name for name in target.files(found.content)
    ]  # fmt: skip
    read = [file for place in (source, options.trials, options.enroll) for file in _files(place)]
    for file in written:
        check_apart(file, read)
    if isinstance(found.content, Lists):
        _refuse_recordings(written, found.content)


def _refuse_recordings(written: Iterable[Path], lists: Lists) -> None:
    """Refuse to write over recordings, by whatever name, of which lists may have millions."""
    there = {_identity(file): file for file in written}
    there.pop(None, None)
    if not there:
        return
    for path in {utterance.path for utterance in lists.utterances.values()}:
        file = there.get(_identity(path))
        if file is not None:
            raise OutputError(
                f"{file}: is a recording of these lists ({path}), and would be written over; "
                "choose another place for the output"
            )


def _identity(file: Path) -> tuple[int, int] | None:
    """Give what a file is to the system; None where there is none."""
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _files(place: Path | None) -> Iterator[Path]:
    if place is None:
        return
    yield place
    if place.is_dir():
        yield from (*place.glob("*.*"), *place.glob("*/*.csv"), *place.glob("*2*"))
        yield from (place / "segments", place / "trials")


def _columns_lost(content: Lists | ForeignTrials) -> tuple[str, ...]:
    """Name what columns tell of trials, which nobody's lists but ours have a place for."""
    if isinstance(content, ForeignTrials):
        every = [content.trials]
    else:
        every = [protocol.trials for protocol in content.protocols.values()]
    names = dict.fromkeys(c.name for trials in every for c in further_columns(trials, ()))
    return (f"columns of the trials beside ids and labels: {', '.join(names)}",) if names else ()


def _counts(content: Lists | ForeignTrials) -> dict[str, int]:
    if isinstance(content, ForeignTrials):
        trials = content.trials
        counts = {"models": len(trials.model_ids), "tests": len(trials.test_ids)}
        if content.is_labelled:
            n_target = int(np.count_nonzero(trials.is_target))
            return {**counts, "target trials": n_target, "nontarget trials": len(trials) - n_target}
        return {**counts, "trials without labels": len(trials)}
    utterances = content.utterances.values()
    counts = {
        "recordings": len({u.path for u in utterances}),
        "utterances": len(utterances),
        "speakers": len({u.speaker_id for u in utterances}),
    }
    for split, protocol in content.protocols.items():
        n_target = int(np.count_nonzero(protocol.trials.is_target))
        counts |= {
            f"{split} models": len(protocol.enrollment),
            f"{split} tests": len(protocol.tests),
            f"{split} target trials": n_target,
            f"{split} nontarget trials": len(protocol.trials) - n_target,
        }
    return counts
