"""Lists of millions of rows: read in a stream, and judged a column at a time."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import numpy as np

from speakergmm.corpora.tables import (
    Problems,
    check_open_header,
    is_blank,
    next_header,
    note_empty_file,
    note_empty_list,
    number,
)
from speakergmm.corpora.text_files import reading_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


# Fewer than the 700 new objects that make Python's collector of garbage walk over the rows: chunks
# of 50,000 take twice the time.
CHUNK_ROWS = 512

TARGET, NONTARGET = "target", "nontarget"

# What a label is read as, besides 0 and 1.
NO_LABEL, UNREADABLE_LABEL = 2, 3

# Stands for a label that was found wrong; no text that is read has a zero byte.
UNREADABLE = "\0"

DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
LINE_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, eq=False)
class Column:
    """A further column of a list of trials, such as the duration or the language.

    ``values`` are the distinct cells in order of appearance; ``index`` (N,) points into them.
    """

    values: tuple[str, ...]
    index: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.index)

    def numbers(self) -> NDArray[np.float64] | None:
        """Give the cells as numbers (N,), or None where one of them is no number."""
        values = np.array([number(value) for value in self.values], dtype=np.float64)
        return None if np.isnan(values).any() else values[self.index]

    def take(self, rows: NDArray[np.intp]) -> Column:
        """Give the column of some of the rows, in their order."""
        return Column(self.values, self.index[rows])


class Field(Protocol):
    """How the cells of a column are read: all at once, or one by one to say what is wrong."""

    may_be_empty: bool
    filler: str

    def read(self, cells: Sequence[str]) -> NDArray[Any]:
        """Turn cells into an array; a ValueError says that one of them needs a look."""

    def expected(self, cell: str) -> str | None:
        """Say what was expected instead of a cell that cannot be read; None where it can."""


class _Codes(dict[str, int]):
    # A cell that stands there as it did before costs no more than a look into a dictionary.
    def __init__(self, *, may_be_empty: bool) -> None:
        super().__init__()
        self.may_be_empty = may_be_empty
        self.names: list[str] = []

    def __missing__(self, cell: str) -> int:
        name = cell.strip()
        if not name and not self.may_be_empty:
            raise ValueError("an empty cell")
        code = self.get(name)
        if code is None:
            code = self[name] = len(self.names)
            self.names.append(name)
        self[cell] = code
        return code


class Names:
    """Names, numbered in order of appearance."""

    filler = "?"

    def __init__(self, *, may_be_empty: bool = False) -> None:
        self.may_be_empty = may_be_empty
        self._codes = _Codes(may_be_empty=may_be_empty)

    @property
    def names(self) -> tuple[str, ...]:
        """Those met so far."""
        return tuple(self._codes.names)

    def read(self, cells: Sequence[str]) -> NDArray[np.int32]:
        """Give the number of each cell."""
        return np.fromiter(map(self._codes.__getitem__, cells), np.int32, len(cells))

    def expected(self, cell: str) -> str | None:
        """Say nothing: any text is a name."""


class _LabelCodes(dict[str, int]):
    def __missing__(self, cell: str) -> int:
        code = self.get(cell.strip())
        if code is None:
            raise ValueError("no label")
        self[cell] = code
        return code


class Labels:
    """The words ``target`` (1) and ``nontarget`` (0)."""

    filler = UNREADABLE

    def __init__(self, *, may_be_empty: bool = False) -> None:
        self.may_be_empty = may_be_empty
        self._codes = _LabelCodes({TARGET: 1, NONTARGET: 0, UNREADABLE: UNREADABLE_LABEL})
        if may_be_empty:
            self._codes[""] = NO_LABEL

    def read(self, cells: Sequence[str]) -> NDArray[np.int8]:
        """Turn labels into numbers."""
        return np.fromiter(map(self._codes.__getitem__, cells), np.int8, len(cells))

    def expected(self, cell: str) -> str | None:
        """Name the two words where it is neither."""
        known = cell in (TARGET, NONTARGET) or (self.may_be_empty and not cell)
        return None if known else EXPECTED_LABEL


EXPECTED_LABEL = f"{TARGET!r} or {NONTARGET!r}"


class Numbers:
    """Numbers, which may be infinite."""

    may_be_empty = False
    filler = "0"

    def read(self, cells: Sequence[str]) -> NDArray[np.float64]:
        """Turn cells into numbers."""
        values = np.fromiter(map(float, cells), np.float64, len(cells))
        # Python's 1_5 is 15, which in a list is a slip.
        if np.isnan(values).any() or "_" in "".join(cells):
            raise ValueError("no number")
        return values

    def expected(self, cell: str) -> str | None:
        """Say that it is no number, and how it would be one where it has a decimal comma."""
        if not np.isnan(number(cell)):
            return None
        if DECIMAL_COMMA.fullmatch(cell):
            return f"a number with a decimal point, such as {cell.replace(',', '.')}"
        return "a number"


@dataclass(frozen=True)
class Form:
    """Which columns a list has, and how their cells are read.

    ``wanted`` are further ones to be kept as they are; ``hints`` say what to do where a required
    one is missing.
    """

    required: Mapping[str, Field]
    optional: Mapping[str, Field] = field(default_factory=dict)
    wanted: Sequence[str] = ()
    hints: Mapping[str, str] = field(default_factory=dict)

    def check(self, header: Sequence[str], problems: Problems) -> None:
        """Note what is wrong with the header."""
        names = (tuple(self.required), tuple(self.optional), tuple(self.wanted))
        if header:
            check_open_header(header, *names, problems, self.hints)
        else:
            note_empty_file(names[0], problems)


@dataclass(frozen=True, eq=False)
class Table:
    """What was read: an array (N,) for each known column that is there, the wanted columns, lines.

    ``line_blocks`` are the lines of the rows in the file, as they were read.
    """

    arrays: dict[str, NDArray[Any]]
    columns: dict[str, Column]
    line_blocks: list[Sequence[int]]

    def lines(self, rows: NDArray[np.intp]) -> list[int]:
        """Tell in which lines of the file some rows stand."""
        ends = np.cumsum([len(block) for block in self.line_blocks])
        blocks = np.searchsorted(ends, rows, side="right")
        starts = ends - [len(block) for block in self.line_blocks]
        return [
            self.line_blocks[block][row - starts[block]]
            for row, block in zip(rows.tolist(), blocks.tolist(), strict=True)
        ]


def read_table(path: Path, form: Form, problems: Problems) -> Table:
    """Read the columns of a list; note in ``problems`` what is wrong with its rows.

    Blank lines and columns that are neither known nor wanted are passed over. A row that has the
    wrong number of cells, or none where there must be one, is left out.

    Raises
    ------
    ManifestError
        At once, when the file cannot be read as CSV or its header is wrong: nothing after it would
        make sense.
    """
    with reading_text(path) as text:
        return _read_table(text, form, problems)


def _read_table(text: TextIO, form: Form, problems: Problems) -> Table:
    reader = csv.reader(text, strict=True)
    try:
        header = next_header(reader)
        form.check(header, problems)
        problems.raise_if_any()
        rows = _Rows(header, form, problems)
        for chunk, lines in _chunks(reader):
            rows.add(chunk, lines)
    except csv.Error as error:
        problems.add(reader.line_num, f"not CSV ({error})")
        problems.raise_if_any()
    return rows.table()


def _chunks(reader: Any) -> Iterator[tuple[list[list[str]], Sequence[int]]]:
    """Yield rows with their lines, those before an error too."""
    error = None
    while error is None:
        before = reader.line_num
        rows: list[list[str]] = []
        try:
            # Keeps what came before an error.
            rows.extend(islice(reader, CHUNK_ROWS))
        except csv.Error as found:
            error = found
        if not rows:
            break
        yield rows, _lines(rows, before, reader.line_num)
    if error is not None:
        raise error


def _lines(rows: list[list[str]], before: int, after: int) -> Sequence[int]:
    """Tell the last line of each row, of rows between two lines."""
    if after - before == len(rows):
        return range(before + 1, after + 1)
    sizes = (1 + sum(len(LINE_BREAK.findall(cell)) for cell in row) for row in rows)
    return list(accumulate(sizes, initial=before))[1:]


class _Rows:
    """Turns chunks of rows into arrays."""

    def __init__(self, header: list[str], form: Form, problems: Problems) -> None:
        self.n_columns, self.problems = len(header), problems
        known = {**form.required, **form.optional}
        self.known = {name: known[name] for name in known if name in header}
        self.wanted = {name: Names(may_be_empty=True) for name in form.wanted}
        self.readers: list[tuple[int, Callable[[Sequence[str]], NDArray[Any]]]] = [
            (header.index(name), column.read)
            for name, column in (*self.known.items(), *self.wanted.items())
        ]
        self.needed = {
            name: header.index(name)
            for name, column in form.required.items()
            if not column.may_be_empty
        }
        self.places = {name: header.index(name) for name in self.known}
        self.parts: list[list[NDArray[Any]]] = [[] for _ in self.readers]
        self.line_blocks: list[Sequence[int]] = []
        self.n_rows = 0

    def add(self, rows: list[list[str]], lines: Sequence[int]) -> None:
        """Read a chunk: by columns, and row by row only where something is amiss."""
        self.n_rows += len(rows)
        try:
            arrays = self._read(rows)
        except ValueError:
            rows, lines = self._sound(rows, lines)
            if not rows:
                return
            arrays = self._read(rows)
        for part, array in zip(self.parts, arrays, strict=True):
            part.append(array)
        self.line_blocks.append(lines)

    def _read(self, rows: list[list[str]]) -> list[NDArray[Any]]:
        columns = list(zip(*rows, strict=True))
        if len(columns) != self.n_columns:
            raise ValueError("rows of another length than the header")
        return [read(columns[place]) for place, read in self.readers]

    def _sound(
        self, rows: list[list[str]], lines: Sequence[int]
    ) -> tuple[list[list[str]], Sequence[int]]:
        """Note all that is wrong with a chunk; give the rows that can be read, made readable."""
        sound, their_lines = [], []
        for row, line in zip(rows, lines, strict=True):
            if is_blank(row):
                self.n_rows -= 1
                continue
            if len(row) != self.n_columns:
                text = f"{len(row)} cells; the header has {self.n_columns} columns"
                self.problems.add(line, text)
                continue
            empty = [name for name, place in self.needed.items() if not row[place].strip()]
            if empty:
                self.problems.add(line, f"no value for {' and '.join(empty)}")
                continue
            sound.append(self._readable(row, line))
            their_lines.append(line)
        return sound, their_lines

    def _readable(self, row: list[str], line: int) -> list[str]:
        row = list(row)
        for name, column in self.known.items():
            cell = row[self.places[name]].strip()
            expected = column.expected(cell)
            if expected is not None:
                self.problems.add(line, f"{name} is {cell!r}; expected {expected}")
                row[self.places[name]] = column.filler
        return row

    def table(self) -> Table:
        """Join what was read, piece by piece so that no more than one column is held twice."""
        if self.n_rows == 0:
            note_empty_list(self.problems)
        arrays = [self._joined(place) for place in range(len(self.parts))]
        kept = zip(self.wanted.items(), arrays[len(self.known) :], strict=True)
        return Table(
            dict(zip(self.known, arrays, strict=False)),
            {name: Column(column.names, index) for (name, column), index in kept},
            self.line_blocks,
        )

    def _joined(self, place: int) -> NDArray[Any]:
        parts, self.parts[place] = self.parts[place], []
        return np.concatenate(parts) if parts else self.readers[place][1](())
