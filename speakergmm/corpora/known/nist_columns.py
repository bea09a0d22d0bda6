"""Tables of NIST's evaluations, read column by column and many rows at a time.

A key has a row for each of up to millions of trials, of which a few columns are wanted.
"""

from __future__ import annotations

import difflib
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from speakergmm.corpora.text_files import reading_text
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

# Characters whose rows are held at once.
BLOCK_LENGTH = 1 << 20


class Block(NamedTuple):
    """Some columns of some rows; empty is the one of a place that was None.

    ``lines`` (N,) are those of the file.
    """

    lines: NDArray[np.int32]
    columns: list[list[str]]


class Table:
    """A table with or without a header, its cells parted by tabs, commas or blanks.

    Parameters
    ----------
    path : path
        UTF-8 text. The first row tells what parts the cells.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading_text(path) as text:
            top = list(islice(filter(str.strip, text), 2))
        self.separator = next((s for s in ("\t", ",") if top and s in top[0]), None)
        self.top = [[cell.strip().lower() for cell in line.split(self.separator)] for line in top]
        self.has_header = False

    @property
    def first(self) -> list[str]:
        """The first row, in lower case; empty where there is none."""
        rows = self.top[self.has_header :]
        return rows[0] if rows else []

    def take_header(self) -> list[str]:
        """Take the first row as the names of the columns."""
        header, self.has_header = self.first, True
        return header

    def place(self, header: Sequence[str], names: Sequence[str]) -> int:
        """Find a column that must be there.

        Raises
        ------
        ManifestError
            When it is not; names what looks like it.
        """
        place = column_of(header, names)
        if place is not None:
            return place
        near = difflib.get_close_matches(names[0], header, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ManifestError(
            f"{self.path}:1: no column {names[0]!r}; the header is {','.join(header)!r}{hint}"
        )

    def columns(self, *places: int | None) -> list[list[str]]:
        """Give whole columns, of a table that is short.

        Raises
        ------
        ManifestError
            For a row that has not so many cells.
        """
        blocks = [block.columns for block in self.blocks(*places)]
        return [list(chain.from_iterable(c[i] for c in blocks)) for i in range(len(places))]

    def blocks(self, *places: int | None) -> Iterator[Block]:
        """Yield columns, so many rows at a time.

        Raises
        ------
        ManifestError
            For a row that has not so many cells.
        """
        n_lines, skipped = 0, int(self.has_header)
        with reading_text(self.path) as text:
            while lines := text.readlines(BLOCK_LENGTH):
                kept = [i for i, line in enumerate(lines) if not line.isspace()]
                rows = [lines[i].split(self.separator) for i in kept[skipped:]]
                numbers = np.array(kept[skipped:], dtype=np.int32) + (n_lines + 1)
                skipped = max(0, skipped - len(kept))
                n_lines += len(lines)
                yield Block(numbers, [self._column(place, rows, numbers) for place in places])

    def _column(
        self, place: int | None, rows: Sequence[Sequence[str]], numbers: NDArray[np.int32]
    ) -> list[str]:
        if place is None:
            return []
        try:
            return list(map(str.strip, map(itemgetter(place), rows)))
        except IndexError:
            bad = next(i for i, row in enumerate(rows) if len(row) <= place)
            raise ManifestError(
                f"{self.path}:{numbers[bad]}: {len(rows[bad])} cells; expected {place + 1} or more"
            ) from None


def column_of(header: Sequence[str], names: Sequence[str]) -> int | None:
    """Find a column by any of its names."""
    return next((header.index(name) for name in names if name in header), None)
