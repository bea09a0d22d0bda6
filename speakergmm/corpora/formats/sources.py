"""What can be read: formats of lists, trials and scores, and how they are told apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm.corpora.columns import Form
from speakergmm.corpora.fields import Labels, Numbers
from speakergmm.corpora.formats.assembling import assemble
from speakergmm.corpora.formats.enrollment_lists import Enrollment, read_enrollment_list
from speakergmm.corpora.formats.kaldi import READ as KALDI_FILES
from speakergmm.corpora.formats.kaldi import WAV, read_kaldi_folder
from speakergmm.corpora.formats.lhotse import read_lhotse
from speakergmm.corpora.formats.trial_forms import (
    ALIZE_RESULT,
    LABEL,
    SCORE,
    TrialForm,
    detect_form,
    named_form,
)
from speakergmm.corpora.formats.trial_lists import (
    ForeignTrials,
    read_trial_list,
    with_key,
)
from speakergmm.corpora.lists import EVALUATION, UTTERANCES_FILE, Lists
from speakergmm.corpora.manifests import read_utterances
from speakergmm.corpora.protocols import read_split
from speakergmm.corpora.scores import read_extra_columns
from speakergmm.corpora.tables import Problems, read_header
from speakergmm.corpora.text_files import refuse_pipe
from speakergmm.corpora.told_speakers import SPEAKER_COLUMNS, speaker_fields
from speakergmm.corpora.trials import read_pairs, read_trial_labels, read_trials
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from speakergmm.corpora.formats.names import Lengths
    from speakergmm.corpora.manifests import Utterances
    from speakergmm.corpora.protocols import Protocol

# What a source or a target holds.
LISTS, TRIALS, SCORES = "lists", "trials", "scores"

OWN = "speakergmm"


@dataclass(frozen=True, slots=True)
class Options:
    """What is said beside the place of the lists.

    Parameters
    ----------
    trials : path, optional
        A list of trials: those of the utterances that are read, or the labels of trials or scores.
    enroll : path, optional
        What makes each model: a Kaldi data folder whose speakers are the models, or a list.
    audio : path, optional
        Folder where relative paths begin.
    split : str, optional
        Whose trials are read or written.
    columns : str, optional
        The columns of a list of trials or scores, such as ``"test model label"``.
    value : {"llr", "score"}
        Which numbers of our score files are written; ratios are taken where there are some.
    lengths : callable, optional
        Path → sample rate, samples, channels, where recordings can be looked into.
    """

    trials: Path | None = None
    enroll: Path | None = None
    audio: Path | None = None
    split: str | None = None
    columns: str | None = None
    value: str = "llr"
    lengths: Lengths | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """What was read: a value of its kind, what to call its format, and what is to be said of it.

    ``begin`` is the folder where the paths of lists begin, where there is one.
    """

    content: Any
    title: str
    notes: tuple[str, ...] = ()
    begin: Path | None = None


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
            f"(Lhotse), or {UTTERANCES_FILE} (this program), or a file"
        )
    # Says what is wrong with it.
    form = detect_form(place)
    raise ManifestError(
        f"{place}: not in the format {name}: a line of it is {str(form)!r}; leave --from away to "
        "have it told"
    )


def _is_own_lists(place: Path) -> bool:
    if place.is_dir():
        return (place / UTTERANCES_FILE).is_file()
    return not _is_json(place) and "utterance_id" in read_header(place)


def _is_own_trials(place: Path) -> bool:
    header = [] if place.is_dir() or _is_json(place) else read_header(place)
    return {"model_id", "test_id"}.issubset(header) and "score" not in header


def _is_own_scores(place: Path) -> bool:
    header = [] if place.is_dir() or _is_json(place) else read_header(place)
    return {"model_id", "test_id", "score"}.issubset(header)


def _is_kaldi(place: Path) -> bool:
    return place.is_dir() and any((place / name).is_file() for name in KALDI_FILES[:3])


def _is_json(place: Path) -> bool:
    return place.name.endswith((".jsonl", ".jsonl.gz"))


def _is_lhotse(place: Path) -> bool:
    return any(map(_is_json, place.iterdir())) if place.is_dir() else _is_json(place)


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
    trials = options.trials or place / "trials"
    lists = Lists(utterances, {})
    if trials.is_file() or options.trials is not None:
        enroll = options.enroll or place / "enroll"
        known = enroll if options.enroll is not None or (enroll / WAV).is_file() else None
        found = _with_trials(utterances, trials, replace(options, enroll=known))
        lists, notes = found.content, (*notes, *found.notes)
    return Found(lists, "Kaldi data folder", notes, options.audio)


def _read_lhotse(place: Path, options: Options) -> Found:
    utterances, notes = read_lhotse(place, options.audio)
    lists = Lists(utterances, {})
    if options.trials is not None:
        found = _with_trials(utterances, options.trials, options)
        lists, notes = found.content, (*notes, *found.notes)
    return Found(lists, "Lhotse manifests", notes, options.audio)


def _with_trials(utterances: Utterances, trials: Path, options: Options) -> Found:
    """Put trials of these utterances together with them."""
    enrolled = read_enrollment(options.enroll, options.audio)
    every = {**enrolled.utterances, **utterances} if enrolled else utterances
    found = read_trial_list(
        trials,
        models=enrolled.pools if enrolled else (),
        utterances=every,
        form=None if options.columns is None else named_form(trials, options.columns),
    )
    if enrolled is not None:
        enrolled = enrolled.among(every)
        pools = enrolled.pools
        itself = {m: (m,) for m in found.trials.model_ids if m in every and m not in pools}
        enrolled = replace(enrolled, pools={**pools, **itself})
    split = options.split or EVALUATION
    assembled = assemble(found, str(trials), split, enrolled=enrolled, utterances=every)
    return Found(assembled.lists, "", (*found.notes, *assembled.notes))


def read_enrollment(place: Path | None, audio: Path | None = None) -> Enrollment | None:
    """Read what makes each model, where there is a list or a Kaldi folder that says so.

    Raises
    ------
    ManifestError
        When it cannot be used.
    """
    if place is None:
        return None
    if not place.is_dir():
        return read_enrollment_list(place)
    utterances = read_kaldi_folder(place, audio).utterances
    pools: dict[str, tuple[str, ...]] = {}
    for name, utterance in utterances.items():
        pools[utterance.speaker_id] = (*pools.get(utterance.speaker_id, ()), name)
    return Enrollment(pools, utterances=utterances)


def _read_own_table(place: Path, options: Options) -> Found:
    found = _own_table(place)
    what = "scores" if found.score is not None else "trials"
    return _with_labels(found, place, f"{what} of this program", options)


def _own_table(place: Path) -> ForeignTrials:
    """Read our trials or scores, with labels or without, and all that else stands in them."""
    header, further = read_header(place), read_extra_columns(place)
    if set(SPEAKER_COLUMNS) <= set(further):
        further = tuple(name for name in further if name not in SPEAKER_COLUMNS)
    if "score" not in header and "label" in header:
        return ForeignTrials(read_trial_labels(place, columns=further), is_labelled=True)
    problems = Problems(place)
    required = {"score": Numbers()} if "score" in header else {}
    form = Form(required, {"label": Labels(), "llr": Numbers()}, further, joint=speaker_fields())
    trials, table = read_pairs(place, form, problems)
    problems.raise_if_any()
    arrays = table.arrays
    return ForeignTrials(trials, "label" in arrays, arrays.get("score"), arrays.get("llr"))


def _read_foreign(place: Path, options: Options) -> Found:
    return _read_table(place, options, detect_form(place))


def _read_named(place: Path, options: Options) -> Found:
    return _read_table(place, options, named_form(place, options.columns or ""))


def _read_alize(place: Path, options: Options) -> Found:
    return _read_table(place, options, detect_form(place, is_index=True))


def _read_table(place: Path, options: Options, form: TrialForm) -> Found:
    enrolled = read_enrollment(options.enroll, options.audio)
    found = read_trial_list(place, models=enrolled.pools if enrolled else (), form=form)
    what = "scores" if found.score is not None else "trials"
    return _with_labels(found, place, f"{what}, {found.form}{_known_as(found)}", options)


def _known_as(found: ForeignTrials) -> str:
    form = found.form
    if form is None:
        return ""
    if form.is_index:
        return " (ALIZE)"
    if form.has_header:
        return " (NIST since 2016)"
    return " (VoxCeleb)" if form.columns[0] == LABEL else ""


def _with_labels(found: ForeignTrials, place: Path, title: str, options: Options) -> Found:
    if options.trials is not None:
        is_own = _is_own_trials(options.trials) or _is_own_scores(options.trials)
        key = (
            _own_table(options.trials)
            if is_own
            else read_trial_list(options.trials, models=found.trials.model_ids)
        )
        found = with_key(found, key, str(place), str(options.trials))
        of_key = tuple(f"{options.trials}: {note}" for note in key.notes)
        return Found(found, title, (*found.notes, *of_key))
    return Found(found, title, found.notes)


# In the order in which they are tried.
SOURCES = (
    Source(OWN, LISTS, _is_own_lists, _read_own_lists),
    Source(OWN, SCORES, _is_own_scores, _read_own_table),
    Source(OWN, TRIALS, _is_own_trials, _read_own_table),
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
