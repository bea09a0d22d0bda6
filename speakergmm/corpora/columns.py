"""Lists of millions of rows: read in a stream, and judged a column at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.corpora.chunks import read_chunks
from speakergmm.corpora.fields import Column, Names
from speakergmm.corpora.tables import (
    check_open_header,
    is_blank,
    note_empty_file,
    note_empty_list,
)
from speakergmm.corpora.text_files import reading_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.corpora.chunks import Chunk
    from speakergmm.corpora.fields import Field
    from speakergmm.corpora.tables import Problems


@dataclass(frozen=True)
class Form:
    """Which columns a list has, and how their cells are read.

    ``wanted`` are further ones to be kept as they are; ``hints`` say what to do where a required
    one is missing. ``joint`` columns mean something where all of them are there; else they are
    columns as any other.
    """

    required: Mapping[str, Field]
    optional: Mapping[str, Field] = field(default_factory=dict)
    wanted: Sequence[str] = ()
    hints: Mapping[str, str] = field(default_factory=dict)
    joint: Mapping[str, Field] = field(default_factory=dict)

    def known(self, header: Sequence[str]) -> dict[str, Field]:
        """Give the columns of a list with such a header that are not only kept as they are."""
        known = {**self.required, **self.optional, **self._joint(header)}
        return {name: known[name] for name in known if name in header}

    def _joint(self, header: Sequence[str]) -> Mapping[str, Field]:
        return self.joint if all(name in header for name in self.joint) else {}

    def check(self, header: Sequence[str], problems: Problems) -> None:
        """Note what is wrong with the header."""
        names = (tuple(self.required), (*self.optional, *self._joint(header)), tuple(self.wanted))
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
        header, chunks = read_chunks(text, problems)
        form.check(header, problems)
        problems.raise_if_any()
        return table_of(header, chunks, form, problems)


def table_of(
    header: Sequence[str], chunks: Iterable[Chunk], form: Form, problems: Problems
) -> Table:
    """Read chunks of rows, whatever they were parted by, under the names of their columns."""
    rows = _Rows(header, form, problems)
    for chunk in chunks:
        rows.add(chunk)
    return rows.table()


class _Rows:
    """Turns chunks of rows into arrays."""

    def __init__(self, header: Sequence[str], form: Form, problems: Problems) -> None:
        self.n_columns, self.problems = len(header), problems
        self.known = form.known(header)
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

    def add(self, chunk: Chunk) -> None:
        """Read a chunk: by columns, and row by row only where something is amiss."""
        lines = chunk.lines
        self.n_rows += len(lines)
        try:
            arrays = self._read(chunk.columns())
        except ValueError:
            rows, lines = self._sound(chunk)
            if not rows:
                return
            arrays = self._read(list(zip(*rows, strict=True)))
        for part, array in zip(self.parts, arrays, strict=True):
            part.append(array)
        self.line_blocks.append(lines)

    def _read(self, columns: Sequence[Sequence[str]]) -> list[NDArray[Any]]:
        return [read(columns[place]) for place, read in self.readers]

    def _sound(self, chunk: Chunk) -> tuple[list[list[str]], Sequence[int]]:
        """Note all that is wrong with a chunk; give the rows that can be read, made readable."""
        sound, their_lines = [], []
        for row, line in zip(chunk.rows(), chunk.lines, strict=True):
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

    def _readable(self, cells: Sequence[str], line: int) -> list[str]:
        row = list(cells)
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
