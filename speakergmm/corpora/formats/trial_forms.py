"""What stands where in a list of trials or scores, told by its content."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora.fields import DECIMAL_COMMA
from speakergmm.corpora.formats.plain_lists import first_lines, parted, parted_by_commas
from speakergmm.corpora.formats.sides import are_files_and_sides, side_column
from speakergmm.corpora.tables import number
from speakergmm.errors import ConfigError, ManifestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MODEL, TEST, LABEL, SCORE, SIDE, UNUSED = "model_id", "test_id", "label", "score", "side", ""

# ALIZE's index of tests: a test, then all the models that it meets.
MODELS = "model_id..."

TARGET_WORDS = ("target", "tgt", "tar", "true", "1")
NONTARGET_WORDS = ("nontarget", "non-target", "nontgt", "non", "imposter", "impostor", "imp",
                   "false", "0")  # fmt: skip
EXPECTED_WORD = f"one of {', '.join((*TARGET_WORDS, *NONTARGET_WORDS))}"

# Names of columns, in lists that have a header: NIST's since 2016, and others'.
HEADER_WORDS = {
    "model_id": MODEL, "modelid": MODEL, "model": MODEL, "enroll": MODEL, "enrollment": MODEL,
    "test_id": TEST, "testid": TEST, "test": TEST, "segmentid": TEST, "segment": TEST,
    "segment_id": TEST,
    "label": LABEL, "targettype": LABEL, "target_type": LABEL, "key": LABEL,
    "score": SCORE, "llr": SCORE,
}  # fmt: skip

# What a person calls the columns.
COLUMN_WORDS = {"model": MODEL, "test": TEST, "label": LABEL, "score": SCORE, "side": SIDE,
                "-": UNUSED}  # fmt: skip

# One-letter columns: the side of the test (NIST), and the sex, which is passed over.
LETTERS = {SIDE: frozenset("abxABX"), UNUSED: frozenset("mfMF")}

# Result lines of ALIZE: sex, model, decision, test, score.
ALIZE_RESULT = (UNUSED, MODEL, UNUSED, TEST, SCORE)

# The share of lines that have to be of a form, so that the others are mistakes in it.
MOST = 0.5

LINE_SHOWN = 60


class WordLabels:
    """The words that lists have for target (1) and nontarget (0), in capitals or not."""

    may_be_empty = False
    filler = "0"

    def __init__(self) -> None:
        self._codes = _WordCodes(dict.fromkeys(TARGET_WORDS, 1) | dict.fromkeys(NONTARGET_WORDS, 0))

    def read(self, cells: Sequence[str]) -> NDArray[np.int8]:
        """Turn words into numbers."""
        return np.fromiter(map(self._codes.__getitem__, cells), np.int8, len(cells))

    def expected(self, cell: str) -> str | None:
        """Name the words where it is none of them."""
        return None if is_label(cell) else EXPECTED_WORD


class _WordCodes(dict[str, int]):
    def __missing__(self, cell: str) -> int:
        code = self.get(cell.strip().lower())
        if code is None:
            raise ValueError("no label")
        self[cell] = code
        return code


def is_label(cell: str) -> bool:
    """Tell whether it is one of the words."""
    return cell.lower() in TARGET_WORDS or cell.lower() in NONTARGET_WORDS


@dataclass(frozen=True, slots=True)
class TrialForm:
    """What the columns of a list are, in their order.

    ``is_ordered`` tells whether the list itself says which of two names is the model. Where
    ``columns`` ends with `MODELS`, each line is a test with any number of models. ``further`` are
    the columns that have but a name, by a header; empty for the others.
    """

    columns: tuple[str, ...]
    commas: bool = False
    has_header: bool = False
    is_ordered: bool = False
    further: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Name the columns as a person would."""
        words = {column: word for word, column in COLUMN_WORDS.items()} | {MODELS: "model ..."}
        further = self.further or ("",) * len(self.columns)
        named = zip(self.columns, further, strict=True)
        return " ".join(name or words[column] for column, name in named)

    @property
    def is_index(self) -> bool:
        """Whether it is ALIZE's: a test and its models in each line."""
        return self.columns[-1] == MODELS

    @property
    def has_sides(self) -> bool:
        """Whether it says which side of a recording a test is."""
        return SIDE in self.columns

    def turned(self) -> TrialForm:
        """Take the models for the tests, and the other way round."""
        other = {MODEL: TEST, TEST: MODEL}
        return replace(self, columns=tuple(other.get(name, name) for name in self.columns))


def named_form(path: Path, names: str) -> TrialForm:
    """Take the columns as a person names them: ``"test model label"``; ``-`` is passed over.

    Raises
    ------
    ConfigError
        When a name is not known, or model and test are not both there once.
    ManifestError
        When the list has another number of columns.
    """
    words = names.replace(",", " ").split()
    columns = tuple(COLUMN_WORDS.get(word, word) for word in words)
    unknown = [column for column in columns if column not in COLUMN_WORDS.values()]
    roles = [column for column in columns if column]
    if unknown or len(set(roles)) < len(roles) or not {MODEL, TEST}.issubset(roles):
        raise ConfigError(
            f"columns are {names!r}; expected model and test, and label, score, side or - (passed "
            "over) where they are, in the list's order, such as 'test model label'"
        )
    lines = first_lines(path)
    commas = parted_by_commas(lines)
    cells = parted(lines[0], commas=commas) if lines else []
    if len(cells) != len(columns):
        raise ManifestError(f"{path}: {len(cells)} columns; expected {len(columns)}: {names}")
    has_header = _by_header(cells, ()) is not None
    return TrialForm(columns, commas, has_header, is_ordered=True)


def detect_form(path: Path, *, is_index: bool = False) -> TrialForm:
    """Tell how a list of trials or scores is made, by its first lines, or by most of them.

    ``is_index``: it is ALIZE's, which is also told by the suffix ``.ndx``.

    Raises
    ------
    ManifestError
        When it fits no form that is known: with its first line; when two columns are of one role.
    """
    lines = first_lines(path)
    is_index = is_index or path.name.removesuffix(".gz").endswith(".ndx")
    form = form_of(lines, is_index=is_index)
    if form is None:
        shown = repr(lines[0][:LINE_SHOWN]) if lines else "nothing"
        raise ManifestError(
            f"{path}: neither trials nor scores in any form that is known; the first line is "
            f"{shown}; expected such as 'MODEL TEST target', 'MODEL TEST 1.5' or '1 FILE FILE': "
            "name the columns (--columns), or give --from alize where it is ALIZE's index"
        )
    if form.has_header:
        _refuse_two_of_one(path, parted(lines[0], commas=form.commas), form)
    return form


def _refuse_two_of_one(path: Path, header: Sequence[str], form: TrialForm) -> None:
    """Refuse two columns of scores or labels, of which one would be lost without a word."""
    for word, role in COLUMN_WORDS.items():
        names = [name for name, column in zip(header, form.columns, strict=True) if column == role]
        if role and len(names) > 1:
            chosen = " ".join(
                word if name == names[0] else "-" if column in {role, UNUSED} else _word(column)
                for name, column in zip(header, form.columns, strict=True)
            )
            raise ManifestError(
                f"{path}: columns {' and '.join(map(repr, names))} are each a {word}; expected "
                f"one: name the columns, and pass the others over, such as --columns '{chosen}'"
            )


def _word(column: str) -> str:
    return next(word for word, role in COLUMN_WORDS.items() if role == column)


def form_of(lines: Sequence[str], *, is_index: bool = False) -> TrialForm | None:
    """Tell the form of some lines; ``is_index``: two names alone are ALIZE's test and model.

    Where not all lines are of one form, it is that of most of them, and readers name the others.
    """
    if not lines:
        return None
    commas = parted_by_commas(lines)
    rows = [parted(line, commas=commas) for line in lines]
    with_header = _by_header(rows[0], rows[1:])
    if with_header is not None:
        further = _further(rows[0], with_header)
        return TrialForm(with_header, commas, has_header=True, is_ordered=True, further=further)
    index = TrialForm((TEST, MODELS), commas, is_ordered=True) if is_index else None
    lengths = Counter(map(len, rows))
    # Of two lengths of which there are as many, the first line's.
    length, n_rows = lengths.most_common(1)[0]
    if index is not None and (len(lengths) > 1 or length == 1):
        return index if length > 1 else None
    columns = None
    if n_rows >= MOST * len(rows):
        cells = list(zip(*(row for row in rows if len(row) == length), strict=True))
        columns = _columns_of(cells, is_ragged=n_rows < len(rows))
    # NIST's lists of trials are called .ndx as well.
    if columns is None or (
        is_index and columns == (MODEL, TEST) and not are_files_and_sides(row[1] for row in rows)
    ):
        return index
    is_ordered = columns == ALIZE_RESULT or columns[0] == LABEL
    return TrialForm(columns, commas, is_ordered=is_ordered)


def _columns_of(cells: Sequence[Sequence[str]], *, is_ragged: bool) -> tuple[str, ...] | None:
    """Tell the columns by all cells, or by most of them."""
    if (
        len(cells) == len(ALIZE_RESULT)
        and set(cells[0]) <= LETTERS[UNUSED]
        and set(cells[2]) <= {"0", "1"}
    ):
        return ALIZE_RESULT
    columns = _by_content(cells)
    if columns is not None and not is_ragged:
        return columns
    # Names alone are in most lines of anything.
    return _with_values(columns) or _with_values(_by_content(cells, MOST))


def _by_header(cells: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, ...] | None:
    side = side_column(cells, rows)
    columns = tuple(
        SIDE if place == side else HEADER_WORDS.get(cell.lower(), UNUSED)
        for place, cell in enumerate(cells)
    )
    is_header = columns.count(MODEL) == 1 and columns.count(TEST) == 1
    return columns if is_header else None


def _further(header: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """Name the columns of a list with a header that are nothing else, each once."""
    taken = {*COLUMN_WORDS.values(), *(name for name, n in Counter(header).items() if n > 1)}
    return tuple(
        name if column == UNUSED and name not in taken else ""
        for name, column in zip(header, columns, strict=True)
    )


def _with_values(columns: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return columns if {LABEL, SCORE}.intersection(columns or ()) else None


def _by_content(cells: Sequence[Sequence[str]], share: float = 1.0) -> tuple[str, ...] | None:
    """Tell the columns by a share of their cells: two of names, one of labels, scores, sides."""
    columns: list[str | None] = [None] * len(cells)
    label = _label_column(cells, share)
    if label is not None:
        columns[label] = LABEL
    left = [place for place in range(len(cells)) if columns[place] is None]
    score = _score_place(left, cells, share)
    if score is not None:
        columns[score] = SCORE
        left.remove(score)
    for place in reversed(left.copy()):
        letters = next((role for role in LETTERS if _is_letters(role, cells[place], share)), None)
        if len(left) > 2 and letters is not None:
            columns[place] = UNUSED if letters in columns else letters
            left.remove(place)
    if len(left) == 3 and score is None and _is_of(_is_number, cells[left[-1]], share):
        columns[left.pop()] = SCORE
    if len(left) != 2:
        return None
    columns[left[0]], columns[left[1]] = MODEL, TEST
    return tuple(column or UNUSED for column in columns)


def _label_column(cells: Sequence[Sequence[str]], share: float) -> int | None:
    """Find the labels: words rather than 0 and 1, which may be names, and these at an end."""
    if len(cells) < 3:
        return None
    places = [place for place, column in enumerate(cells) if _is_of(is_label, column, share)]
    words = [place for place in places if not set(cells[place]) <= {"0", "1"}]
    ends = [place for place in places if place in {0, len(cells) - 1}]
    return next(iter([*words, *ends, *places]), None)


def _is_of(kind: Callable[[str], bool], column: Sequence[str], share: float) -> bool:
    """Tell whether a share of a column's cells is of a kind."""
    return sum(map(kind, column)) >= share * len(column)


def _is_letters(role: str, column: Sequence[str], share: float) -> bool:
    # What is passed over no reader would look at.
    return _is_of(LETTERS[role].__contains__, column, share if role == SIDE else 1.0)


def _score_place(places: Sequence[int], cells: Sequence[Sequence[str]], share: float) -> int | None:
    """Find the scores by their fractions or signs, behind two names or before them."""
    for place in (places[-1], places[0]) if len(places) > 2 else ():
        column = cells[place]
        if _is_of(_is_number, column, share) and not _is_of(str.isdigit, column, share):
            return place
    return None


def _is_number(cell: str) -> bool:
    """Tell what is meant for a number; the reader says what is wrong with it."""
    is_slip = cell.lower().lstrip("+-") == "nan" or DECIMAL_COMMA.fullmatch(cell) is not None
    return is_slip or not math.isnan(number(cell))
