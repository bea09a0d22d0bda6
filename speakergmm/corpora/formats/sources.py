"""What can be read: formats of lists, trials and scores, and how they are told apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.corpora.formats.assembling import assemble
from speakergmm.corpora.formats.found import LISTS, OWN, SCORES, TRIALS, Found, Options
from speakergmm.corpora.formats.kaldi import READ as KALDI_FILES
from speakergmm.corpora.formats.kaldi import TRIALS as KALDI_TRIALS
from speakergmm.corpora.formats.kaldi import WAV, further_trials, read_kaldi_folder
from speakergmm.corpora.formats.lhotse import is_lhotse_file, read_lhotse
from speakergmm.corpora.formats.trial_forms import (
    ALIZE_RESULT,
    LABEL,
    SCORE,
    detect_form,
    named_form,
)
from speakergmm.corpora.formats.trial_lists import read_trial_list
from speakergmm.corpora.formats.trial_sources import (
    is_own_scores,
    is_own_table,
    is_own_trials,
    own_table,
    read_enrollment,
    read_own_table,
    read_table_as,
)
from speakergmm.corpora.lists import EVALUATION, UTTERANCES_FILE, Lists
from speakergmm.corpora.manifests import read_utterances
from speakergmm.corpora.protocols import read_split
from speakergmm.corpora.scores import read_extra_columns
from speakergmm.corpora.tables import read_header
from speakergmm.corpora.text_files import refuse_pipe
from speakergmm.corpora.trials import read_trials
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from speakergmm.corpora.formats.enrollment_lists import Enrollment
    from speakergmm.corpora.formats.trial_lists import ForeignTrials
    from speakergmm.corpora.manifests import Utterances
    from speakergmm.corpora.protocols import Protocol


@dataclass(frozen=True, slots=True)
class Source:
    """A format that can be read.

    Parameters
    ----------
    name : str
        What the command line calls it.
    kind : str
        What it holds: its ``content`` is `Lists` for `LISTS`, else `ForeignTrials`.
    recognizes : callable
        Whether a file or folder looks like it.
    read : callable
        Reads one.
    """

    name: str
    kind: str
    recognizes: Callable[[Path], bool]
    read: Callable[[Path, Options], Found]


def find_source(place: Path, name: str | None = None, columns: str | None = None) -> Source:
    """Tell the format of a file or folder, among all or those of one name.

    A file of which the ``columns`` are named is of trials, or of scores, and of no other format.

    Raises
    ------
    ManifestError
        When it is in no format that is known, or comes through a pipe: it is looked at first, and
        read then.
    """
    refuse_pipe(place)
    _refuse_part_of_kaldi(place)
    if columns is not None and not place.is_dir():
        kind = SCORES if SCORE in columns.replace(",", " ").split() else TRIALS
        return Source("columns", kind, Path.is_file, _read_named)
    for source in SOURCES:
        if name in {None, source.name} and source.recognizes(place):
            return source
    if place.is_dir():
        raise ManifestError(
            f"{place}: no lists that are known{f' as {name}' if name else ''}; expected a folder "
            f"with {KALDI_FILES[0]} and utt2spk (Kaldi), recordings.jsonl and supervisions.jsonl "
            f"(Lhotse), or {UTTERANCES_FILE} (this program), or a file: of BOSARIS, ALIZE and the "
            "Identity Toolbox the list itself, with --trials or --enroll for the one beside it"
        )
    # Says what is wrong with it.
    form = detect_form(place)
    raise ManifestError(
        f"{place}: not in the format {name}: a line of it is {str(form)!r}; leave --from away to "
        "have it told"
    )


def _refuse_part_of_kaldi(place: Path) -> None:
    """Refuse a file of a data folder, and features, which would be read as names of trials."""
    if place.is_dir():
        return
    if place.name in KALDI_FILES:
        raise ManifestError(
            f"{place}: is part of a Kaldi data folder; expected the folder: give {place.parent}"
        )
    if place.suffix in {".scp", ".ark"}:
        raise ManifestError(
            f"{place}: is of Kaldi's features; expected lists, trials or scores: `features import` "
            "and `features convert` read such"
        )


def _is_own_lists(place: Path) -> bool:
    if place.is_dir():
        return (place / UTTERANCES_FILE).is_file()
    return not is_lhotse_file(place) and "utterance_id" in read_header(place)


def _is_kaldi(place: Path) -> bool:
    return place.is_dir() and any((place / name).is_file() for name in KALDI_FILES[:3])


def _is_lhotse(place: Path) -> bool:
    return any(map(is_lhotse_file, place.iterdir())) if place.is_dir() else is_lhotse_file(place)


def _has_scores(place: Path, name: str) -> bool:
    return not place.is_dir() and SCORE in _columns_as(place, name)


def _has_trials(place: Path, name: str) -> bool:
    columns = () if place.is_dir() else _columns_as(place, name)
    return bool(columns) and SCORE not in columns


def _columns_as(place: Path, name: str) -> tuple[str, ...]:
    """Give the columns of a list; none where it is not as lists of that name are."""
    form = detect_form(place)
    is_voxceleb = form.columns[0] == LABEL and not form.has_header
    fits = form.columns != ALIZE_RESULT and is_voxceleb == (name == "voxceleb")
    return form.columns if fits else ()


def _is_index(place: Path) -> bool:
    return not place.is_dir() and place.name.removesuffix(".gz").endswith(".ndx")


def _is_alize_result(place: Path) -> bool:
    return not place.is_dir() and detect_form(place, is_index=True).columns == ALIZE_RESULT


def _is_alize_index(place: Path) -> bool:
    return not place.is_dir() and detect_form(place, is_index=True).is_index


def _read_own_lists(place: Path, options: Options) -> Found:
    file = place / UTTERANCES_FILE if place.is_dir() else place
    begin = (options.audio or file.parent).absolute()
    utterances = read_utterances(file, begin, must_exist=False)
    splits = sorted(path.parent.name for path in file.parent.glob("*/trials.csv"))
    if options.split is not None:
        splits = [split for split in splits if split == options.split]
    protocols = {split: _own_protocol(file.parent, split, utterances) for split in splits}
    lists = Lists(utterances, protocols)
    if options.trials is None:
        return Found(lists, "lists of this program", (), begin)
    found = _with_trials(utterances, options.trials, options)
    return Found(found.content, "lists of this program", found.notes, begin)


def _own_protocol(folder: Path, split: str, utterances: Utterances) -> Protocol:
    """Read a split, and all that else stands in its trials."""
    protocol, file = read_split(folder, split, utterances), folder / split / "trials.csv"
    further = read_extra_columns(file)
    if not further:
        return protocol
    speakers = protocol.model_speakers, protocol.test_speakers
    return replace(protocol, trials=read_trials(file, *speakers, columns=further))


def _read_kaldi(place: Path, options: Options) -> Found:
    utterances, notes = read_kaldi_folder(place, options.audio)
    trials = options.trials or place / KALDI_TRIALS
    lists, notes = Lists(utterances, {}), (*notes, *further_trials(place, trials))
    if trials.is_file() or options.trials is not None:
        enroll = options.enroll or place / "enroll"
        known = enroll if options.enroll is not None or (enroll / WAV).is_file() else None
        found = _with_trials(utterances, trials, replace(options, enroll=known))
        lists, notes = found.content, (*notes, *found.notes)
    return Found(lists, "Kaldi data folder", notes, _begin(options))


def _read_lhotse(place: Path, options: Options) -> Found:
    utterances, notes = read_lhotse(place, options.audio)
    lists = Lists(utterances, {})
    if options.trials is not None:
        found = _with_trials(utterances, options.trials, options)
        lists, notes = found.content, (*notes, *found.notes)
    return Found(lists, "Lhotse manifests", notes, _begin(options))


def _begin(options: Options) -> Path | None:
    """Give the folder where paths begin as they do, from the root."""
    return None if options.audio is None else options.audio.absolute()


def _with_trials(utterances: Utterances, trials: Path, options: Options) -> Found:
    """Put trials of these utterances together with them."""
    enrolled = read_enrollment(options.enroll, options.audio)
    every = {**enrolled.utterances, **utterances} if enrolled else utterances
    found = _trials_among(every, trials, enrolled, options.columns)
    if enrolled is not None:
        enrolled = enrolled.among(every)
        pools = enrolled.pools
        itself = {m: (m,) for m in found.trials.model_ids if m in every and m not in pools}
        enrolled = replace(enrolled, pools={**pools, **itself})
    split = options.split or EVALUATION
    assembled = assemble(found, str(trials), split, enrolled=enrolled, utterances=every)
    return Found(assembled.lists, "", (*found.notes, *assembled.notes))


def _trials_among(
    utterances: Utterances, trials: Path, enrolled: Enrollment | None, columns: str | None
) -> ForeignTrials:
    """Read trials of which it is known what the names in them may be."""
    if columns is None and is_own_table(trials):
        return own_table(trials).called_as(utterances, () if enrolled else utterances)
    return read_trial_list(
        trials,
        models=enrolled.pools if enrolled else (),
        utterances=utterances,
        form=None if columns is None else named_form(trials, columns),
    )


def _read_foreign(place: Path, options: Options) -> Found:
    return read_table_as(place, options, detect_form(place))


def _read_named(place: Path, options: Options) -> Found:
    return read_table_as(place, options, named_form(place, options.columns or ""))


def _read_alize(place: Path, options: Options) -> Found:
    return read_table_as(place, options, detect_form(place, is_index=True))


# In the order in which they are tried.
SOURCES = (
    Source(OWN, LISTS, _is_own_lists, _read_own_lists),
    Source(OWN, SCORES, is_own_scores, read_own_table),
    Source(OWN, TRIALS, is_own_trials, read_own_table),
    Source("kaldi", LISTS, _is_kaldi, _read_kaldi),
    Source("lhotse", LISTS, _is_lhotse, _read_lhotse),
    Source("alize", TRIALS, _is_index, _read_alize),
    *(
        Source(name, kind, partial(recognizes, name=name), _read_foreign)
        for name in ("nist", "voxceleb", "msr", "bosaris", "kaldi")
        for kind, recognizes in ((SCORES, _has_scores), (TRIALS, _has_trials))
    ),
    # Where it is said to be ALIZE's, and not told by its suffix.
    Source("alize", SCORES, _is_alize_result, _read_foreign),
    Source("alize", TRIALS, _is_alize_index, _read_alize),
)
