"""The rows of a CSV file of any length, some at a time, with their lines."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from itertools import accumulate, chain, islice
from typing import TYPE_CHECKING, TextIO

from speakergmm.corpora.tables import next_header, raise_not_csv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from speakergmm.corpora.tables import Problems

# Characters that are parted at once.
BLOCK_LENGTH = 1 << 16

# Fewer than the 700 new objects that make Python's collector of garbage walk over the rows: chunks
# of 50,000 take twice the time.
CHUNK_ROWS = 512

LINE_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class PlainChunk:
    """Rows that all have the same number of cells, kept as columns."""

    lines: Sequence[int]
    cells: Sequence[Sequence[str]]

    def columns(self) -> Sequence[Sequence[str]]:
        """Give the columns."""
        return self.cells

    def rows(self) -> Iterable[Sequence[str]]:
        """Give the rows."""
        return zip(*self.cells, strict=True)


@dataclass(frozen=True, slots=True)
class RowChunk:
    """Rows of any number of cells."""

    lines: Sequence[int]
    cells: Sequence[Sequence[str]]
    n_columns: int

    def columns(self) -> Sequence[Sequence[str]]:
        """Give the columns; a ValueError says that there is a row with too many or too few."""
        columns = list(zip(*self.cells, strict=True))
        if len(columns) != self.n_columns:
            raise ValueError("rows of another length than the header")
        return columns

    def rows(self) -> Iterable[Sequence[str]]:
        """Give the rows."""
        return self.cells


Chunk = PlainChunk | RowChunk


def read_chunks(text: TextIO, problems: Problems) -> tuple[list[str], Iterator[Chunk]]:
    """Give the names of the columns, none where the text is empty, and the rows below.

    Raises
    ------
    ManifestError
        When it is not CSV: with the problems noted until then, also while rows are taken.
    """
    reader = csv.reader(text, strict=True)
    try:
        header = next_header(reader)
    except csv.Error as error:
        raise_not_csv(error, 1, reader.line_num, problems)
    return header, _chunks(text, len(header), reader.line_num, problems)


def _chunks(text: TextIO, n_columns: int, line: int, problems: Problems) -> Iterator[Chunk]:
    """Part plain text at its commas, in half the time of a CSV reader; read the rest with one.

    What is not plain may concern all that follows: a quote that is opened.
    """
    while block := text.read(BLOCK_LENGTH):
        block += text.readline()
        columns = _plain_columns(block, n_columns)
        if columns is None:
            lines = chain(io.StringIO(block, newline=""), text)
            yield from _csv_chunks(lines, n_columns, line, problems)
            return
        after = line + len(columns[0])
        yield PlainChunk(range(line + 1, after + 1), columns)
        line = after


def _plain_columns(block: str, n_columns: int) -> list[list[str]] | None:
    """Part whole lines at their commas; None unless each is just so many cells without quotes."""
    n_rows = block.count("\n")
    is_plain = (
        '"' not in block
        and block.count(",") == n_rows * (n_columns - 1)
        and block.endswith("\n")
        and block.count("\r") == block.count("\r\n")
        # Longer cells are refused by the CSV reader.
        and len(block) <= csv.field_size_limit()
    )
    if not is_plain:
        return None
    # The line break stays with the last cell, where it does not matter more than a blank.
    cells = block.replace("\n", "\n,").split(",")
    columns = [cells[place:-1:n_columns] for place in range(n_columns)]
    # Only where all rows are of the same length do the last cells have all the line breaks.
    return columns if "".join(columns[-1]).count("\n") == n_rows else None


def _csv_chunks(
    lines: Iterable[str], n_columns: int, line: int, problems: Problems
) -> Iterator[RowChunk]:
    reader = csv.reader(lines, strict=True)
    error, last = None, line
    while error is None:
        before = reader.line_num
        rows: list[list[str]] = []
        try:
            # Keeps what came before an error.
            rows.extend(islice(reader, CHUNK_ROWS))
        except csv.Error as found:
            error = found
        if rows:
            theirs = _lines(rows, line + before, line + reader.line_num)
            last = theirs[-1]
            yield RowChunk(theirs, rows, n_columns)
        elif error is None:
            return
    raise_not_csv(error, last + 1, line + reader.line_num, problems)


def _lines(rows: list[list[str]], before: int, after: int) -> Sequence[int]:
    """Tell the last line of each row, of rows between two lines."""
    if after - before == len(rows):
        return range(before + 1, after + 1)
    sizes = (1 + sum(len(LINE_BREAK.findall(cell)) for cell in row) for row in rows)
    return list(accumulate(sizes, initial=before))[1:]
