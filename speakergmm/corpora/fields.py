"""How the cells of a column are read: names, labels, numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from speakergmm.corpora.tables import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TARGET, NONTARGET = "target", "nontarget"
EXPECTED_LABEL = f"{TARGET!r} or {NONTARGET!r}"

# What a label is read as, besides 0 and 1.
NO_LABEL, UNREADABLE_LABEL = 2, 3

# Stands for a label that was found wrong; no text that is read has a zero byte.
UNREADABLE = "\0"

DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")


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


def _is_beyond(cell: str) -> bool:
    """Tell a number that only its size makes infinite from infinity."""
    return bool(np.isinf(number(cell))) and "inf" not in cell.lower()


class Numbers:
    """Numbers, which may be infinite where they say so."""

    may_be_empty = False
    filler = "0"

    def read(self, cells: Sequence[str]) -> NDArray[np.float64]:
        """Turn cells into numbers."""
        values = np.fromiter(map(float, cells), np.float64, len(cells))
        # Python's 1_5 is 15, which in a list is a slip.
        if np.isnan(values).any() or "_" in "".join(cells):
            raise ValueError("no number")
        if np.isinf(values).any() and any(map(_is_beyond, cells)):
            raise ValueError("beyond float64")
        return values

    def expected(self, cell: str) -> str | None:
        """Say that it is no number, and how it would be one where it has a decimal comma."""
        if _is_beyond(cell):
            return "a number within 1.7e308, or inf"
        if not np.isnan(number(cell)):
            return None
        if DECIMAL_COMMA.fullmatch(cell):
            return f"a number with a decimal point, such as {cell.replace(',', '.')}"
        return "a number"
