"""What a list of trials tells beside ids and labels: who speaks, by name, and further columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import numpy as np

from speakergmm.corpora.fields import NONTARGET, TARGET, UNREADABLE_LABEL, Names

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora.columns import Form, Table
    from speakergmm.corpora.tables import Problems
    from speakergmm.corpora.trials import Trials

    Contradictions: TypeAlias = tuple[NDArray[np.intp], Callable[[int], str]]

# Instead of the number of a model's speaker: it is of a class, such as all women.
NOBODY = -1

# Who speaks in model and test, where a list says it; nobody, where the cell of a model is empty.
SPEAKER_COLUMNS = ("model_speaker", "test_speaker")


def speaker_fields() -> dict[str, Names]:
    """Say how `SPEAKER_COLUMNS` are read."""
    # Empty cells are judged when all is read: `Names` does not say what it refuses.
    return {name: Names(may_be_empty=True) for name in SPEAKER_COLUMNS}


def with_told_speakers(trials: Trials, table: Table, form: Form, problems: Problems) -> Trials:
    """Give a list the speakers that its columns tell, numbered, and note contradictions."""
    of_model, of_test = (cast("Names", form.joint[name]).names for name in SPEAKER_COLUMNS)
    # As they come in the tests, of whom all models may be.
    names = tuple(name for name in dict.fromkeys((*of_test, *of_model)) if name)
    number = {name: i for i, name in enumerate(names)} | {"": NOBODY}
    sides, is_clear = [], np.ones(len(trials), dtype=bool)
    for column, cells, ids, index in (
        (SPEAKER_COLUMNS[0], of_model, trials.model_ids, trials.model_index),
        (SPEAKER_COLUMNS[1], of_test, trials.test_ids, trials.test_index),
    ):
        told = np.array([number[cell] for cell in cells], dtype=np.intp)[table.arrays[column]]
        speaker = np.full(len(ids), NOBODY, dtype=np.intp)
        # Backwards, so that what stands first counts.
        speaker[index[::-1]] = told[::-1]
        twofold = np.flatnonzero(told != speaker[index])
        _note_two_speakers(
            column, [ids[i] for i in index[twofold]], told[twofold],
            speaker[index[twofold]], names, table.lines(twofold), problems,
        )  # fmt: skip
        is_clear[twofold] = False
        sides.append(speaker)
    unsaid = np.flatnonzero(sides[1][trials.test_index] == NOBODY)
    text = f"{SPEAKER_COLUMNS[1]} is ''; expected who speaks in the test"
    problems.add_all(table.lines(unsaid), lambda _: text)
    trials = replace(trials, model_speaker=sides[0], test_speaker=sides[1], speaker_names=names)
    if "label" in table.arrays:
        wrong, what = contradictions(trials, is_clear & (table.arrays["label"] != UNREADABLE_LABEL))
        problems.add_all(table.lines(wrong), what)
    return trials


def _note_two_speakers(
    column: str,
    ids: Sequence[str],
    told: NDArray[np.intp],
    above: NDArray[np.intp],
    names: Sequence[str],
    lines: Sequence[int],
    problems: Problems,
) -> None:
    """Note rows that name another speaker of a model or a test than rows above."""

    def text(i: int) -> str:
        own, other = ("" if n[i] == NOBODY else names[n[i]] for n in (told, above))
        return f"{column} of {ids[i]!r} is {own!r}, and {other!r} above; expected one"

    problems.add_all(lines, text)


def contradictions(trials: Trials, chosen: NDArray[np.bool_] | None = None) -> Contradictions:
    """Find the trials whose label is not what their speakers say, among all or some.

    Returns
    -------
    rows : (n,) int
    text : callable
        What is wrong with one of them, by its place in ``rows``. A class may have any test.
    """
    model, test = (
        np.full(len(index), NOBODY) if speaker is None else speaker[index]
        for speaker, index in (
            (trials.model_speaker, trials.model_index),
            (trials.test_speaker, trials.test_index),
        )
    )
    wrong = (model != NOBODY) & (test != NOBODY) & ((model == test) != trials.is_target)
    rows = np.flatnonzero(wrong if chosen is None else wrong & chosen)

    def text(i: int) -> str:
        row, names = rows[i], trials.speaker_names
        both = names[model[row]], names[test[row]]
        return contradiction(trials.pair(row), both, is_target=bool(trials.is_target[row]))

    return rows, text


def contradiction(pair: tuple[str, str], speakers: tuple[str, str], *, is_target: bool) -> str:
    """Say that the label of a model and a test is not what their speakers are."""
    return (
        f"label is {TARGET if is_target else NONTARGET!r}, but model {pair[0]!r} is speaker "
        f"{speakers[0]!r} and test {pair[1]!r} is speaker {speakers[1]!r}"
    )


def with_speakers_of(trials: Trials, other: Trials) -> Trials:
    """Tell the speakers as another list of the same trials does, where this one does not."""
    if (
        trials.model_speaker is not None
        or other.model_speaker is None
        or other.test_speaker is None
    ):
        return trials

    def told(
        ids: Sequence[str], their_ids: Sequence[str], theirs: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        speaker = dict(zip(their_ids, theirs.tolist(), strict=True))
        # An id that no trial names may be missing there.
        return np.array([speaker.get(i, NOBODY) for i in ids], dtype=np.intp)

    return replace(
        trials,
        model_speaker=told(trials.model_ids, other.model_ids, other.model_speaker),
        test_speaker=told(trials.test_ids, other.test_ids, other.test_speaker),
        speaker_names=other.speaker_names,
    )


class FurtherColumn(NamedTuple):
    """A column of a list that is written: its distinct cells, and which is in each trial (N,)."""

    name: str
    cells: Sequence[str]
    place: NDArray[np.int32]


def further_columns(trials: Trials, written: Collection[str]) -> list[FurtherColumn]:
    """Give what else is known of trials, for a list that has the columns ``written`` already.

    `SPEAKER_COLUMNS` come first, where speakers are known by name.
    """
    columns = []
    if trials.speaker_names:
        sides = (
            (trials.model_speaker, trials.model_index),
            (trials.test_speaker, trials.test_index),
        )
        for name, (speaker, index) in zip(SPEAKER_COLUMNS, sides, strict=True):
            if speaker is not None:
                told = ["" if n == NOBODY else trials.speaker_names[n] for n in speaker.tolist()]
                columns.append(FurtherColumn(name, told, index))
    taken = {*written, *(column.name for column in columns)}
    rest = {name: column for name, column in trials.columns.items() if name not in taken}
    return columns + [FurtherColumn(name, c.values, c.index) for name, c in rest.items()]
