"""Trials and scores, read as lists of their own or with another that labels them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speakergmm.corpora.columns import Form
from speakergmm.corpora.fields import Labels, Numbers
from speakergmm.corpora.formats.enrollment_lists import Enrollment, read_enrollment_list
from speakergmm.corpora.formats.found import Found, Options
from speakergmm.corpora.formats.kaldi import read_kaldi_folder
from speakergmm.corpora.formats.lhotse import is_lhotse_file
from speakergmm.corpora.formats.sides import are_of_one_channel
from speakergmm.corpora.formats.trial_forms import LABEL, TrialForm, detect_form
from speakergmm.corpora.formats.trial_keys import with_key
from speakergmm.corpora.formats.trial_lists import ForeignTrials, read_trial_list
from speakergmm.corpora.scores import read_extra_columns
from speakergmm.corpora.tables import Problems, read_header
from speakergmm.corpora.told_speakers import SPEAKER_COLUMNS, speaker_fields
from speakergmm.corpora.trials import read_pairs, read_trial_labels

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def is_own_trials(place: Path) -> bool:
    """Tell whether a file is a list of trials of this program."""
    header = _header(place)
    return {"model_id", "test_id"}.issubset(header) and "score" not in header


def is_own_scores(place: Path) -> bool:
    """Tell whether a file is a score file of this program."""
    return {"model_id", "test_id", "score"}.issubset(_header(place))


def is_own_table(place: Path) -> bool:
    """Tell whether a file is of trials or scores of this program."""
    return {"model_id", "test_id"}.issubset(_header(place))


def _header(place: Path) -> list[str]:
    return [] if place.is_dir() or is_lhotse_file(place) else read_header(place)


def read_own_table(place: Path, options: Options) -> Found:
    """Read our trials or scores as a source."""
    found = own_table(place)
    what = "scores" if found.score is not None else "trials"
    return _with_labels(found, place, f"{what} of this program", options)


def own_table(place: Path) -> ForeignTrials:
    """Read our trials or scores, with labels or without, and all that else stands in them.

    Raises
    ------
    ManifestError
        With every problem of the file.
    """
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


def read_table_as(place: Path, options: Options, form: TrialForm) -> Found:
    """Read a list of trials or scores whose columns are known, as a source."""
    enrolled = read_enrollment(options.enroll, options.audio)
    models: Collection[str] = enrolled.pools if enrolled else ()
    key = None
    if options.trials is not None and not models and _says_models(options.trials):
        key = _read_key(options.trials)
        models = key.trials.model_ids
    found = read_trial_list(place, models=models, form=form)
    if enrolled is None or are_of_one_channel(enrolled.sides):
        found = found.by_recordings()
    what = "scores" if found.score is not None else "trials"
    return _with_labels(found, place, f"{what}, {found.form}{_known_as(found)}", options, key)


def _says_models(trials: Path) -> bool:
    """Tell whether a list of trials itself says which of two names is the model."""
    return is_own_table(trials) or detect_form(trials).is_ordered


def _read_key(trials: Path, models: Collection[str] = ()) -> ForeignTrials:
    """Read a list of the same trials as another: ours, or of another toolkit."""
    if is_own_table(trials):
        return own_table(trials)
    return read_trial_list(trials, models=models).by_recordings()


def _known_as(found: ForeignTrials) -> str:
    form = found.form
    if form is None:
        return ""
    if form.is_index:
        return " (ALIZE)"
    if form.has_header:
        return " (NIST since 2016)"
    return " (VoxCeleb)" if form.columns[0] == LABEL else ""


def _with_labels(
    found: ForeignTrials,
    place: Path,
    title: str,
    options: Options,
    key: ForeignTrials | None = None,
) -> Found:
    if options.trials is not None:
        key = key or _read_key(options.trials, found.trials.model_ids)
        found = with_key(found, key, str(place), str(options.trials))
        of_key = tuple(f"{options.trials}: {note}" for note in key.notes)
        return Found(found, title, (*found.notes, *of_key))
    return Found(found, title, found.notes)
