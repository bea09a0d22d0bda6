"""Trial lists: which model is compared with which test, and whether that is the same speaker."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora.columns import Form, Table, read_table
from speakergmm.corpora.fields import (
    EXPECTED_LABEL,
    NO_LABEL,
    UNREADABLE_LABEL,
    Column,
    Labels,
    Names,
)
from speakergmm.corpora.pairs import in_order_of_appearance, pair_codes, repeated_rows
from speakergmm.corpora.tables import Problems
from speakergmm.corpora.told_speakers import (
    NOBODY,
    contradiction,
    speaker_fields,
    with_told_speakers,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

ALL = "*"

# Instead of the number of a model or a test: all of them, or one that nobody knows.
EVERY, UNKNOWN = -1, -2


@dataclass(frozen=True, eq=False)
class Trials:
    """N comparisons of a model with a test.

    ``model_index`` and ``test_index`` (N,) point into ``model_ids`` and ``test_ids``;
    ``is_target`` (N,) is True where both are the same speaker. ``model_speaker`` (M,) and
    ``test_speaker`` (K,) number the speakers, where these are known otherwise than by the target
    trials; `NOBODY` is the speaker of a model that is of a class and of no single speaker: its
    target trials are those whose test is of the class. ``columns`` are what else is known of each
    trial, by name. ``speaker_names`` are who the numbers are, where lists are to say it.
    """

    model_ids: tuple[str, ...]
    test_ids: tuple[str, ...]
    model_index: NDArray[np.int32]
    test_index: NDArray[np.int32]
    is_target: NDArray[np.bool_]
    model_speaker: NDArray[np.intp] | None = None
    test_speaker: NDArray[np.intp] | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    speaker_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.model_index)

    def pair(self, row: int) -> tuple[str, str]:
        """Ids of the model and the test of one trial."""
        return self.model_ids[self.model_index[row]], self.test_ids[self.test_index[row]]


def read_trials(
    path: Path | str,
    model_speakers: Mapping[str, str],
    test_speakers: Mapping[str, str],
    *,
    columns: Sequence[str] = (),
) -> Trials:
    """Read and check ``trials.csv``: ``model_id, test_id, label``, plain or ``.gz``.

    ``*`` for a model or a test means all of them. The label of such a row may be left empty: each
    trial is then a target where the model and the test are the same speaker.

    Parameters
    ----------
    path : path
        The list. Further columns are passed over unless they are in ``columns``.
    model_speakers, test_speakers : mapping
        Speaker of each model and test.
    columns : sequence of str
        Further columns to be kept.

    Raises
    ------
    ManifestError
        With every problem: columns, an unknown model or test, a pair twice, a label that is
        neither ``target`` nor ``nontarget`` or that contradicts the speakers.
    """
    path = Path(path)
    problems = Problems(path)
    models, tests = Names(), Names()
    form = Form(
        {"model_id": models, "test_id": tests, "label": Labels(may_be_empty=True)}, wanted=columns
    )
    table = read_table(path, form, problems)
    model = _numbered(table, "model_id", models.names, model_speakers, problems)
    test = _numbered(table, "test_id", tests.names, test_speakers, problems)
    rows = _usable_rows(table, model, test, problems)
    model, test = model[rows], test[rows]
    of_all = (model == EVERY) & (test == EVERY) & (table.arrays["label"][rows] == NO_LABEL)
    if of_all.any() and len(rows) > 1:
        text = "duplicate trial: *,* stands for all of them, and another row names some again"
        problems.add(table.lines(rows[of_all])[-1], text)
    if of_all.any():
        problems.raise_if_any()
        # At once: a list of millions of trials is one line.
        trials = all_against_all(model_speakers, test_speakers)
        return _with_columns(trials, table, np.full(len(trials), rows[0]))
    model, test, place = _expanded(model, test, len(model_speakers), len(test_speakers))
    trials = Trials(
        tuple(model_speakers),
        tuple(test_speakers),
        model,
        test,
        _same_speaker(model, test, model_speakers, test_speakers),
    )
    rows = rows[place]
    _note_contradictions(trials, table, rows, (model_speakers, test_speakers), problems)
    problems.raise_if_any()
    return _with_columns(_only_named(trials), table, rows)


def read_trial_labels(path: Path | str, *, columns: Sequence[str] = ()) -> Trials:
    """Read a trial list by itself, plain or ``.gz``: ``model_id, test_id, label``, no wildcards.

    Parameters
    ----------
    path : path
        The list. It may say who speaks, as score files may (`read_scores`). Further columns are
        passed over unless they are in ``columns``.
    columns : sequence of str
        Further columns to be kept, see `Trials`.

    Raises
    ------
    ManifestError
        With every problem: columns, a label that is neither ``target`` nor ``nontarget``, a pair
        twice, a wildcard, speakers that contradict each other or a label.
    """
    path = Path(path)
    problems = Problems(path)
    form = Form({"label": Labels()}, wanted=columns, joint=speaker_fields())
    trials, table = read_pairs(path, form, problems)
    _refuse_stars("model_id", trials.model_ids, trials.model_index, table, problems)
    _refuse_stars("test_id", trials.test_ids, trials.test_index, table, problems)
    problems.raise_if_any()
    return trials


def _refuse_stars(
    name: str, ids: Sequence[str], index: NDArray[np.int32], table: Table, problems: Problems
) -> None:
    if ALL in ids:
        lines = table.lines(np.flatnonzero(index == ids.index(ALL)))
        text = f"{name} is {ALL!r}; expected one id: without enrollment lists, list each trial"
        problems.add_all(lines, lambda _: text)


def read_pairs(path: Path, form: Form, problems: Problems) -> tuple[Trials, Table]:
    """Read ``model_id, test_id`` and the columns of a form; without labels, all are nontargets."""
    models, tests = Names(), Names()
    form = replace(form, required={"model_id": models, "test_id": tests, **form.required})
    table = read_table(path, form, problems)
    model, test = table.arrays["model_id"], table.arrays["test_id"]
    is_target = table.arrays.get("label", np.zeros(len(model), dtype=np.int8)) == 1
    trials = Trials(models.names, tests.names, model, test, is_target, columns=table.columns)
    _note_duplicates(trials, table, np.arange(len(trials)), problems)
    if form.joint and form.joint.keys() <= table.arrays.keys():
        trials = with_told_speakers(trials, table, form, problems)
    return trials, table


def _note_duplicates(
    trials: Trials, table: Table, rows: NDArray[np.intp], problems: Problems
) -> None:
    again = repeated_rows(pair_codes(trials, trials))
    problems.add_all(
        table.lines(rows[again]),
        lambda i: f"duplicate trial: {', '.join(trials.pair(again[i]))}",
    )


def _numbered(
    table: Table,
    name: str,
    ids: Sequence[str],
    speakers: Mapping[str, str],
    problems: Problems,
) -> NDArray[np.int32]:
    """Give the cells the numbers of the speakers' ids, and note those of nobody."""
    numbers = {key: i for i, key in enumerate(speakers)} | {ALL: EVERY}
    code = table.arrays[name]
    of_ids = np.array([numbers.get(key, UNKNOWN) for key in ids], dtype=np.int32)
    number: NDArray[np.int32] = of_ids[code]
    unknown = np.flatnonzero(number == UNKNOWN)
    problems.add_all(table.lines(unknown), lambda i: f"unknown {name} {ids[code[unknown[i]]]!r}")
    return number


def _usable_rows(
    table: Table, model: NDArray[np.int32], test: NDArray[np.int32], problems: Problems
) -> NDArray[np.intp]:
    """Give the rows whose ids and label are right; note where a label is missing."""
    label = table.arrays["label"]
    bare = (label == NO_LABEL) & (model != EVERY) & (test != EVERY)
    problems.add_all(
        table.lines(np.flatnonzero(bare)), lambda _: f"label is ''; expected {EXPECTED_LABEL}"
    )
    known = (model != UNKNOWN) & (test != UNKNOWN)
    return np.flatnonzero(known & ~bare & (label != UNREADABLE_LABEL))


def _expanded(
    model: NDArray[np.int32], test: NDArray[np.int32], n_models: int, n_tests: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.intp]]:
    """Put all models or tests in the place of each star; the last is the row of each trial."""
    rows = np.arange(len(model))
    stars = np.flatnonzero((model == EVERY) | (test == EVERY))
    if not len(stars):
        return model, test, rows
    parts, begin = [], 0
    for star in stars.tolist():
        parts.append((model[begin:star], test[begin:star], rows[begin:star]))
        models = np.arange(n_models, dtype=np.int32) if model[star] == EVERY else model[[star]]
        tests = np.arange(n_tests, dtype=np.int32) if test[star] == EVERY else test[[star]]
        n = len(models) * len(tests)
        parts.append((np.repeat(models, len(tests)), np.tile(tests, len(models)), np.full(n, star)))
        begin = star + 1
    parts.append((model[begin:], test[begin:], rows[begin:]))
    model, test, rows = (np.concatenate(pieces) for pieces in zip(*parts, strict=True))
    return model, test, rows


def _note_contradictions(
    trials: Trials,
    table: Table,
    rows: NDArray[np.intp],
    speakers: tuple[Mapping[str, str], Mapping[str, str]],
    problems: Problems,
) -> None:
    """Note trials whose label is not what their speakers say, and pairs that stand there twice."""
    label = table.arrays["label"][rows]
    wrong = (label != NO_LABEL) & ((label == 1) != trials.is_target)
    found = np.flatnonzero(wrong)

    def text(i: int) -> str:
        pair = trials.pair(found[i])
        both = speakers[0][pair[0]], speakers[1][pair[1]]
        return contradiction(pair, both, is_target=bool(label[found[i]] == 1))

    problems.add_all(table.lines(rows[found]), text)
    right = np.flatnonzero(~wrong)
    _note_duplicates(_some(trials, right), table, rows[right], problems)


def _some(trials: Trials, rows: NDArray[np.intp]) -> Trials:
    return replace(
        trials,
        model_index=trials.model_index[rows],
        test_index=trials.test_index[rows],
        is_target=trials.is_target[rows],
        columns={name: column.take(rows) for name, column in trials.columns.items()},
    )


def _only_named(trials: Trials) -> Trials:
    """Leave out ids that no trial names; the others come in order of appearance."""
    model_ids, model = in_order_of_appearance(trials.model_ids, trials.model_index)
    test_ids, test = in_order_of_appearance(trials.test_ids, trials.test_index)
    return replace(
        trials, model_ids=model_ids, test_ids=test_ids, model_index=model, test_index=test
    )


def _with_columns(trials: Trials, table: Table, rows: NDArray[np.intp]) -> Trials:
    columns = {name: column.take(rows) for name, column in table.columns.items()}
    return replace(trials, columns=columns)


def _same_speaker(
    model: NDArray[np.int32],
    test: NDArray[np.int32],
    model_speakers: Mapping[str, str],
    test_speakers: Mapping[str, str],
) -> NDArray[np.bool_]:
    # Numbers: to compare millions of names takes long.
    number: dict[str, int] = {}
    of_model, of_test = (
        np.array([number.setdefault(s, len(number)) for s in speakers.values()], dtype=np.int32)
        for speakers in (model_speakers, test_speakers)
    )
    same: NDArray[np.bool_] = of_model[model] == of_test[test]
    return same


def all_against_all(model_speakers: Mapping[str, str], test_speakers: Mapping[str, str]) -> Trials:
    """Make every model meet every test; a trial is a target where the speakers are the same."""
    models, tests = tuple(model_speakers), tuple(test_speakers)
    model_index, test_index = np.indices((len(models), len(tests)), dtype=np.int32).reshape(2, -1)
    is_target = _same_speaker(model_index, test_index, model_speakers, test_speakers)
    return Trials(models, tests, model_index, test_index, is_target)


def trial_speakers(trials: Trials) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Tell the speakers of models (M,) and tests (K,) apart, by numbers from 0.

    Where the list does not number them, by what the target trials say: that their model and their
    test are one speaker. What no target trial joins is then taken for different speakers.

    Returns
    -------
    model_speaker, test_speaker, n_speakers
        A model of `NOBODY` has the number that follows the last.
    """
    if trials.model_speaker is not None and trials.test_speaker is not None:
        both = np.concatenate([trials.model_speaker, trials.test_speaker])
        numbers = np.unique(both[both != NOBODY])
        speaker = np.where(both == NOBODY, len(numbers), np.searchsorted(numbers, both))
        n_models = len(trials.model_speaker)
        return speaker[:n_models], speaker[n_models:], len(numbers)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_models, n_tests = len(trials.model_ids), len(trials.test_ids)
    rows = trials.model_index[trials.is_target]
    columns = n_models + trials.test_index[trials.is_target]
    size = n_models + n_tests
    links = coo_array((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    n_speakers, speaker = connected_components(links, directed=False)
    speaker = speaker.astype(np.intp)
    return speaker[:n_models], speaker[n_models:], int(n_speakers)
