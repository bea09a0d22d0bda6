"""Lists of trials and scores of other toolkits, read by what stands in them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.corpora.fields import Column, Names, Numbers
from speakergmm.corpora.formats.plain_lists import (
    note_if_comment,
    parted,
    read_plain,
)
from speakergmm.corpora.formats.sides import LETTERS as SIDE_LETTERS
from speakergmm.corpora.formats.sides import (
    Side,
    Sides,
    are_files_and_sides,
    by_recordings,
    called_as_known,
    renamed,
    sides_apart,
    with_sides,
)
from speakergmm.corpora.formats.trial_forms import (
    LABEL,
    MODEL,
    SCORE,
    SIDE,
    TEST,
    TrialForm,
    WordLabels,
    detect_form,
)
from speakergmm.corpora.pairs import pair_codes, repeated_rows
from speakergmm.corpora.tables import Problems
from speakergmm.corpora.text_files import reading_text
from speakergmm.corpora.trials import Trials

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.corpora.fields import Field

# How tests that are a side of a recording are called.
SIDE_ENDS = tuple(f"_{letter}" for letter in SIDE_LETTERS + SIDE_LETTERS.upper())

HEADER_ADVICE = (
    "if line 1 is a header, its words are none that are known, such as modelid, segmentid, side, "
    "targettype, LLR: change them to these, or remove the line"
)

# So many times fewer than the others, names that repeat are models.
FEWER = 2


@dataclass(frozen=True, eq=False)
class ForeignTrials:
    """Trials as another toolkit lists them, with their scores (N,) where they have some.

    Where they are not labelled, ``trials.is_target`` means nothing. ``sides`` are those of tests
    that are one of a recording's. ``notes`` say what was taken for granted.
    """

    trials: Trials
    is_labelled: bool
    score: NDArray[np.float64] | None = None
    llr: NDArray[np.float64] | None = None
    form: TrialForm | None = None
    notes: tuple[str, ...] = ()
    sides: Mapping[str, Side] = field(default_factory=dict)

    def called_as(self, tests: Collection[str], models: Collection[str] = ()) -> ForeignTrials:
        """Call tests and models as they are known, where that is told by known ids."""
        of_tests = called_as_known(self.trials.test_ids, self.sides, frozenset(tests))
        of_models = called_as_known(self.trials.model_ids, {}, frozenset(models))
        return self._called(of_tests, of_models) if of_tests or of_models else self

    def by_recordings(self) -> ForeignTrials:
        """Call sides by their recordings, in NIST's lists since 2016 where all are of one channel.

        Before, the same list might have named the other side in another line.
        """
        is_recent = self.form is not None and self.form.has_header
        names = by_recordings(self.trials.test_ids, self.sides) if is_recent else {}
        return self._called(names, {}) if names else self

    def _called(self, tests: Mapping[str, str], models: Mapping[str, str]) -> ForeignTrials:
        trials = replace(
            self.trials,
            test_ids=renamed(self.trials.test_ids, tests),
            model_ids=renamed(self.trials.model_ids, models),
        )
        sides = {tests.get(name, name): side for name, side in self.sides.items()}
        return replace(self, trials=trials, sides=sides)


def read_trial_list(
    path: Path,
    *,
    models: Collection[str] = (),
    utterances: Collection[str] = (),
    form: TrialForm | None = None,
) -> ForeignTrials:
    """Read trials, or scores, in any form that `detect_form` knows.

    Parameters
    ----------
    path : path
        The list, plain or ``.gz``.
    models, utterances : collection of str
        Ids of models, and of what tests may be, where they are known: what tells one from another.
    form : TrialForm, optional
        The columns; default: told by the content.

    Returns
    -------
    ForeignTrials
        A test that is a side of a recording is called ``RECORDING_a`` or ``RECORDING_b``, unless
        another of its names is known (see `called_as_known`).

    Raises
    ------
    ManifestError
        With every problem: lines of another length, labels, sides and scores that are none, a pair
        twice with another label or score.
    """
    form = form or detect_form(path)
    problems = Problems(path)
    names = {MODEL: Names(), TEST: Names()}
    further: Mapping[str, Column] = {}
    if form.is_index:
        arrays, lines = _read_index(path, names, problems, commas=form.commas)
    else:
        arrays, lines, further = _read_columns(path, form, names, problems)
        if not form.has_header and {line for line, _ in problems.first} == {1}:
            problems.advice = HEADER_ADVICE
    problems.raise_if_any()
    ids = {role: field.names for role, field in names.items()}
    turn, notes = _order(form, ids, frozenset(models), frozenset(utterances))
    if turn:
        form = form.turned()
        ids = {MODEL: ids[TEST], TEST: ids[MODEL]}
        arrays[MODEL], arrays[TEST] = arrays[TEST], arrays[MODEL]
    is_labelled = LABEL in arrays
    is_target = arrays[LABEL] == 1 if is_labelled else np.zeros(len(arrays[MODEL]), dtype=bool)
    trials = Trials(ids[MODEL], ids[TEST], arrays[MODEL], arrays[TEST], is_target, columns=further)
    found = ForeignTrials(trials, is_labelled, arrays.get(SCORE), form=form)
    told = (trials, arrays[SIDE]) if form.has_sides else sides_apart(trials)
    if told is not None:
        trials, sides = with_sides(path, *told)
        found = replace(found, trials=trials, sides=sides)
        if not form.has_sides:
            notes.append("the ends of the tests' names, such as ':a', were taken for their sides")
    found = found.called_as(utterances, () if models else utterances)
    found, again = _without_repeats(found, lines, problems)
    return replace(found, notes=(*notes, *again))


def _read_columns(
    path: Path, form: TrialForm, names: dict[str, Names], problems: Problems
) -> tuple[dict[str, NDArray[Any]], NDArray[np.intp], Mapping[str, Column]]:
    fields: dict[str, Field] = {**names, LABEL: WordLabels(), SCORE: Numbers(), SIDE: Sides()}
    wanted = {role: field for role, field in fields.items() if role in form.columns}
    further = form.further or ("",) * len(form.columns)
    columns = [role or name for role, name in zip(form.columns, further, strict=True)]
    table = read_plain(
        path, columns, wanted, problems, further=tuple(filter(None, further)),
        called=str(form), commas=form.commas, header_lines=form.has_header,
    )  # fmt: skip
    blocks = [np.asarray(block) for block in table.line_blocks]
    lines = np.concatenate(blocks) if blocks else np.empty(0, dtype=np.intp)
    return table.arrays, lines, table.columns


def _read_index(
    path: Path, names: dict[str, Names], problems: Problems, *, commas: bool
) -> tuple[dict[str, NDArray[Any]], NDArray[np.intp]]:
    """Read ALIZE's index: a test and the models that it meets in each line."""
    models, tests, lines = [], [], []
    with reading_text(path) as text:
        for number, line in enumerate(text, 1):
            cells = parted(line, commas=commas)
            if note_if_comment(line, number, problems):
                continue
            if not "".join(cells):
                continue
            if not all(cells):
                problems.add(
                    number,
                    "a name is empty (two commas, or one at the end); expected TEST MODEL ...",
                )
            elif len(cells) == 1:
                problems.add(number, f"test {cells[0]!r} meets no model; expected TEST MODEL ...")
            else:
                models.append(names[MODEL].read(cells[1:]))
                tests.append(np.repeat(names[TEST].read(cells[:1]), len(cells) - 1))
                lines.append(np.full(len(cells) - 1, number))
    if not lines and not problems.n:
        problems.add(1, "the list is empty; expected TEST MODEL ... in each line")
    problems.raise_if_any()
    return (
        {MODEL: np.concatenate(models), TEST: np.concatenate(tests)},
        np.concatenate(lines),
    )


def _order(
    form: TrialForm,
    ids: dict[str, tuple[str, ...]],
    models: frozenset[str],
    utterances: frozenset[str],
) -> tuple[bool, list[str]]:
    """Tell whether models and tests have to change places, and how that is known."""
    first, second = ids[MODEL], ids[TEST]
    first_has, second_has = map(are_files_and_sides, (first, second))
    if form.is_ordered or first_has != second_has:
        return first_has and not form.is_ordered, []
    if models:
        n_first, n_second = (len(models.intersection(names)) for names in (first, second))
        if n_first != n_second:
            turn = n_second > n_first
            which = "second" if turn else "first"
            return turn, [f"the {which} of the two names is the model, as known ids say"]
    elif utterances:
        if form.has_sides:
            utterances |= {name[:-2] for name in utterances if name.endswith(SIDE_ENDS)}
        is_test = [utterances.issuperset(names) for names in (first, second)]
        if is_test[0] != is_test[1]:
            return is_test[0], []
        if all(is_test):
            return False, []
    if FEWER * len(second) <= len(first):
        text = (
            f"the second of the two names was taken for the model: there are {len(second):,} of "
            f"these and {len(first):,} of the first"
        )
        return True, [f"{text}; --enroll or --columns say it otherwise"]
    text = "the first of the two names was taken for the model"
    return False, [f"{text}; if it is the test, say so: --columns '{form.turned()}'"]


def _without_repeats(
    found: ForeignTrials, lines: NDArray[np.intp], problems: Problems
) -> tuple[ForeignTrials, list[str]]:
    """Leave out trials that stand there twice; refuse them where they differ."""
    trials = found.trials
    codes = pair_codes(trials, trials)
    again = repeated_rows(codes)
    if not len(again):
        return found, []
    first_row = _first_rows(codes)
    differs = trials.is_target[again] != trials.is_target[first_row[again]]
    if found.score is not None:
        differs |= found.score[again] != found.score[first_row[again]]
    wrong = again[differs]
    what = "label" if found.score is None else "label or score"
    problems.add_all(
        lines[wrong].tolist(),
        lambda i: (
            f"trial {' '.join(trials.pair(wrong[i]))} has another {what} than in line "
            f"{lines[first_row[wrong[i]]]}"
        ),
    )
    problems.raise_if_any()
    keep = np.ones(len(trials), dtype=bool)
    keep[again] = False
    some = some_trials(found, keep)
    return some, [f"trials that stand there twice, and were taken once: {len(again):,}"]


def _first_rows(codes: NDArray[np.int64]) -> NDArray[np.intp]:
    """Give for each row the first that has its number."""
    _, first, which = np.unique(codes, return_index=True, return_inverse=True)
    rows: NDArray[np.intp] = first[which]
    return rows


def some_trials(found: ForeignTrials, chosen: NDArray[np.bool_]) -> ForeignTrials:
    """Give some of the trials (N,), with the ids of all."""
    trials = replace(
        found.trials,
        model_index=found.trials.model_index[chosen],
        test_index=found.trials.test_index[chosen],
        is_target=found.trials.is_target[chosen],
        columns={name: c.take(np.flatnonzero(chosen)) for name, c in found.trials.columns.items()},
    )
    score = None if found.score is None else found.score[chosen]
    return replace(found, trials=trials, score=score)
