"""Score files: what came out of a list of trials."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora.columns import Form
from speakergmm.corpora.fields import NONTARGET, TARGET, Column, Labels, Numbers
from speakergmm.corpora.pairs import Match, match_trials
from speakergmm.corpora.tables import Problems, read_header
from speakergmm.corpora.text_files import writing_text
from speakergmm.corpora.told_speakers import (
    NOBODY,
    FurtherColumn,
    contradictions,
    further_columns,
    speaker_fields,
    with_speakers_of,
)
from speakergmm.corpora.trials import Trials, read_pairs, trial_speakers
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

KNOWN_COLUMNS = ("model_id", "test_id", "label", "score", "llr")

# Written at a time.
ROWS_WRITTEN = 10_000

FOREIGN = (
    "lists and scores of other toolkits are converted first: speakergmm corpus convert FILE "
    "--output CSV"
)
NO_LABELS = (
    "without labels give the trial list that has them as well (labels=, on the command line "
    "--trials trials.csv)"
)


@dataclass(frozen=True, eq=False)
class Scores:
    """Trials with their scores (N,), and calibrated log-likelihood ratios (N,) where there are."""

    trials: Trials
    score: NDArray[np.float64]
    llr: NDArray[np.float64] | None = None

    def target(self) -> NDArray[np.float64]:
        """Scores of the target trials."""
        return self.score[self.trials.is_target]

    def nontarget(self) -> NDArray[np.float64]:
        """Scores of the nontarget trials."""
        return self.score[~self.trials.is_target]


def read_scores(
    path: Path | str,
    *,
    labels: Trials | None = None,
    columns: Sequence[str] = (),
    labels_name: str = "the trial list",
) -> Scores:
    """Read and check a score file, plain or ``.gz``: ``model_id,test_id,label,score[,llr]``.

    Scores may be infinite (``inf``, ``-inf``), never NaN. A higher score says "same speaker".

    Parameters
    ----------
    path : path
        The file. It may say who speaks, in both of the columns ``model_speaker``, empty where a
        model is of a class and of no speaker, and ``test_speaker``; else the target trials tell.
        Further columns are passed over unless they are in ``columns``.
    labels : Trials, optional
        The trials that were scored; the file then needs no column ``label``. What else is known of
        them (speakers, further columns) goes with the scores, whose order stays that of the file.
    columns : sequence of str
        Further columns to be kept in ``trials.columns``; with ``labels``, one of theirs will do.
    labels_name : str
        What messages call the list of ``labels``.

    Raises
    ------
    ManifestError
        With every problem: columns, a label that is neither ``target`` nor ``nontarget``, a score
        that is not a number, a pair twice, speakers that contradict each other or a label; or with
        how many trials the file and ``labels`` differ.
    """
    path = Path(path)
    problems = Problems(path)
    label, llr = {"label": Labels()}, {"llr": Numbers()}
    score = {"score": Numbers()}
    if labels is None:
        hints = {"label": NO_LABELS, "model_id": FOREIGN}
        form = Form({**label, **score}, llr, columns, hints, speaker_fields())
    else:
        elsewhere = set(columns).intersection(labels.columns)
        if elsewhere:
            elsewhere.difference_update(read_header(path))
        wanted = [c for c in columns if c not in elsewhere]
        hints = {"model_id": FOREIGN}
        form = Form(score, {**label, **llr}, wanted, hints, speaker_fields())
    trials, table = read_pairs(path, form, problems)
    problems.raise_if_any()
    if labels is not None:
        trials = labelled(trials, labels, str(path), labels_name, check="label" in table.arrays)
    return Scores(trials, table.arrays["score"], table.arrays.get("llr"))


def read_extra_columns(path: Path | str) -> tuple[str, ...]:
    """Name the further columns of a score file or a trial list, by its header alone.

    Raises
    ------
    ManifestError
        When the file cannot be read as text.
    """
    header = dict.fromkeys(read_header(Path(path)))
    return tuple(column for column in header if column and column not in KNOWN_COLUMNS)


def labelled(trials: Trials, labels: Trials, name: str, labels_name: str, *, check: bool) -> Trials:
    """Give the trials of a score file as the list that was scored has them.

    Raises
    ------
    ManifestError
        When they are not the same trials or, to be checked, have other labels.
    """
    match = match_trials(trials, labels)
    if not match.is_whole:
        raise ManifestError(f"{name}: {_unscored(match, trials, labels, labels_name)}")
    place = match.place
    is_target = labels.is_target[place]
    if check:
        _check_labels(trials, is_target, name, labels_name)
    found = with_speakers_of(replace(labels, columns={}), trials)
    wrong, text = contradictions(found)
    if len(wrong) and found.speaker_names:
        raise ManifestError(
            f"{name} and {labels_name}: {text(0)}; {len(wrong):,} trials contradict their "
            "speakers: correct one of the lists"
        )
    theirs = {column: cells.take(place) for column, cells in labels.columns.items()}
    return replace(
        found,
        model_index=labels.model_index[place],
        test_index=labels.test_index[place],
        is_target=is_target,
        columns={**theirs, **trials.columns},
    )


def _unscored(match: Match, trials: Trials, labels: Trials, labels_name: str) -> str:
    parts = []
    if n := len(match.missing):
        what = "1 trial" if n == 1 else f"{n:,} trials"
        has = "has" if n == 1 else "have"
        parts.append(
            f"{what} of {labels_name} {has} no score, such as {_pair(labels, match.missing)}"
        )
    if n := len(match.foreign):
        what = "1 score is" if n == 1 else f"{n:,} scores are"
        parts.append(f"{what} of no trial in {labels_name}, such as {_pair(trials, match.foreign)}")
    return f"{'; '.join(parts)}; score the same list, or give the list that was scored"


def _pair(trials: Trials, rows: NDArray[np.intp]) -> str:
    return " with ".join(trials.pair(rows[0]))


def _check_labels(trials: Trials, is_target: NDArray[np.bool_], name: str, other_name: str) -> None:
    """Refuse labels that are not those of another list of the same trials.

    Raises
    ------
    ManifestError
        With how many differ.
    """
    other = np.flatnonzero(trials.is_target != is_target)
    if len(other):
        raise ManifestError(
            f"{name}: {len(other):,} of {len(trials):,} trials have another label than in "
            f"{other_name}; expected the same trials: correct one of them"
        )


def pool_scores(parts: Mapping[str, Scores]) -> Scores:
    """Join scores of the same models under several names, such as conditions, part after part.

    A test that is in two parts is two tests, unless there is but one part. Of further
    columns those stay that all parts have.
    """
    if len(parts) == 1:
        return next(iter(parts.values()))
    models = next(iter(parts.values())).trials.model_ids
    tests: list[str] = []
    offsets = []
    for name, scores in parts.items():
        offsets.append(len(tests))
        tests += [f"{test_id} ({name})" for test_id in scores.trials.test_ids]
    every = list(parts.values())
    trials = Trials(
        models,
        tuple(tests),
        np.concatenate([scores.trials.model_index for scores in every]),
        np.concatenate(
            [s.trials.test_index + offset for s, offset in zip(every, offsets, strict=True)]
        ),
        np.concatenate([scores.trials.is_target for scores in every]),
        columns=_pooled_columns([scores.trials for scores in every]),
    )
    return Scores(trials, np.concatenate([scores.score for scores in every]))


def _pooled_columns(parts: Sequence[Trials]) -> dict[str, Column]:
    names = [name for name in parts[0].columns if all(name in part.columns for part in parts)]
    return {name: _joined([part.columns[name] for part in parts]) for name in names}


def _joined(parts: Sequence[Column]) -> Column:
    number: dict[str, int] = {}
    indices = []
    for part in parts:
        own = [number.setdefault(value, len(number)) for value in part.values]
        indices.append(np.array(own, dtype=np.int32)[part.index])
    return Column(tuple(number), np.concatenate(indices))


def select_scores(scores: Scores, chosen: NDArray[np.bool_]) -> Scores:
    """Give some of the trials (N,), with the models, tests and speakers that are in them.

    Who is the same speaker stays as the whole list tells it.
    """
    trials = scores.trials
    model_speaker, test_speaker, n = trial_speakers(trials)
    models, model_index = np.unique(trials.model_index[chosen], return_inverse=True)
    tests, test_index = np.unique(trials.test_index[chosen], return_inverse=True)
    rows = np.flatnonzero(chosen)
    both = np.concatenate([model_speaker[models], test_speaker[tests]])
    # Numbered anew, from 0.
    numbers = np.unique(both[both < n])
    speaker = np.where(both < n, np.searchsorted(numbers, both), NOBODY)
    part = Trials(
        tuple(trials.model_ids[i] for i in models.tolist()),
        tuple(trials.test_ids[i] for i in tests.tolist()),
        model_index.astype(np.int32),
        test_index.astype(np.int32),
        trials.is_target[chosen],
        speaker[: len(models)],
        speaker[len(models) :],
        {name: column.take(rows) for name, column in trials.columns.items()},
    )
    return Scores(part, scores.score[chosen], None if scores.llr is None else scores.llr[chosen])


def align_scores(every: Sequence[Scores], names: Sequence[str]) -> list[Scores]:
    """Bring score lists of the same trials into the order of the first.

    Raises
    ------
    ManifestError
        When they are not of the same trials with the same labels: how many differ, and the first.
    """
    first = every[0].trials
    for scores in every[1:]:
        first = with_speakers_of(first, scores.trials)
    aligned = [every[0] if first is every[0].trials else replace(every[0], trials=first)]
    for scores, name in zip(every[1:], names[1:], strict=True):
        match = match_trials(scores.trials, first)
        if not match.is_whole:
            raise ManifestError(_mismatch(match, first, scores.trials, names[0], name))
        _check_labels(scores.trials, first.is_target[match.place], name, names[0])
        row = np.empty(len(first), dtype=np.intp)
        row[match.place] = np.arange(len(first))
        llr = None if scores.llr is None else scores.llr[row]
        aligned.append(Scores(first, scores.score[row], llr))
    return aligned


def _mismatch(match: Match, first: Trials, other: Trials, first_name: str, other_name: str) -> str:
    parts = [
        f"{len(rows):,} only in {name}, such as {_pair(trials, rows)}"
        for trials, rows, name in (
            (first, match.missing, first_name), (other, match.foreign, other_name),
        )
        if len(rows)
    ]  # fmt: skip
    return (
        f"{first_name} and {other_name} are not of the same trials: {'; '.join(parts)}; score the "
        "same list with both systems"
    )


def write_scores(path: Path | str, scores: Scores) -> None:
    """Write ``scores.csv``: ``model_id,test_id,label,score``, ``llr`` where there is one.

    Where speakers are known by name, ``model_speaker`` and ``test_speaker`` follow, and then what
    further columns the trials have. Numbers are written with the fewest digits that read back as
    the same value. A name that ends in ``.gz`` is compressed.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    header = KNOWN_COLUMNS if scores.llr is not None else KNOWN_COLUMNS[:-1]
    further = further_columns(scores.trials, KNOWN_COLUMNS)
    with writing_text(path) as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*header, *(column.name for column in further)])
        for begin in range(0, len(scores.trials), ROWS_WRITTEN):
            rows = slice(begin, begin + ROWS_WRITTEN)
            writer.writerows(zip(*_cells(scores, further, rows), strict=True))


def _cells(scores: Scores, further: Iterable[FurtherColumn], rows: slice) -> list[Iterable[str]]:
    trials = scores.trials
    numbers = [values for values in (scores.score, scores.llr) if values is not None]
    return [
        map(trials.model_ids.__getitem__, trials.model_index[rows].tolist()),
        map(trials.test_ids.__getitem__, trials.test_index[rows].tolist()),
        [TARGET if is_target else NONTARGET for is_target in trials.is_target[rows].tolist()],
        *(map(repr, values[rows].tolist()) for values in numbers),
        *(map(column.cells.__getitem__, column.place[rows].tolist()) for column in further),
    ]
