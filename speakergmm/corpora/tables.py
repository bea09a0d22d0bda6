"""CSV with a header: read strictly, and report all problems of a file together."""

from __future__ import annotations

import csv
import difflib
import io
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from speakergmm.errors import ManifestError, problem_report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path


@dataclass
class Problems:
    """Collects what is wrong with one file, to be raised as one error."""

    path: Path
    lines: list[str] = field(default_factory=list)

    def add(self, line: int, text: str) -> None:
        """Note a problem at a line of the file (1 is the header)."""
        self.lines.append(f"{self.path}:{line}: {text}")

    def raise_if_any(self) -> None:
        """Raise all problems noted so far as one error.

        Raises
        ------
        ManifestError
            With the first 20 problems, each with its file and line, then a count.
        """
        if self.lines:
            raise ManifestError(problem_report(f"{self.path.name} cannot be used", self.lines))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: where it stands, and its cells by column name."""

    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def read_text(path: Path) -> str:
    """Read a UTF-8 file with or without a byte order mark, its line ends as they are.

    Raises
    ------
    ManifestError
        When there is no such file, it cannot be read, or it is not UTF-8 text.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ManifestError(f"{path}: no such file; expected a list in CSV") from None
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{path}: not UTF-8 text (byte {error.start}); save the list as CSV in UTF-8"
        ) from None
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror})") from None
    if "\0" in text:
        raise ManifestError(f"{path}: looks like UTF-16; save the list as CSV in UTF-8")
    return text


def number(text: str) -> float:
    """Read a number, NaN for what is none. Python's ``1_5`` (15) is a slip in a list."""
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan


def _is_blank(cells: Sequence[str]) -> bool:
    return len(cells) < 2 and not "".join(cells).strip()


def _check_header(
    header: Sequence[str], required: Sequence[str], optional: Sequence[str], problems: Problems
) -> None:
    known = [*required, *optional]
    separator = next((s for s in (";", "\t") if len(header) == 1 and s in header[0]), None)
    if separator is not None:
        problems.add(1, f"columns are separated by {separator!r}; save the list with commas")
        return
    for column in header:
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
            problems.add(1, f"unknown column {column!r}{hint}")
    for column in required:
        if column not in header:
            problems.add(1, f"missing column {column!r}; the header is {','.join(header)!r}")
    for column in dict.fromkeys(header):
        if list(header).count(column) > 1:
            problems.add(1, f"column {column!r} stands there twice")


def read_header(path: Path) -> list[str]:
    """Read the names of a list's columns; empty where it has none.

    Raises
    ------
    ManifestError
        When the file cannot be read as text.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    try:
        cells = next((cells for cells in reader if not _is_blank(cells)), [])
    except csv.Error:
        return []
    return [cell.strip() for cell in cells]


def read_rows(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str],
    problems: Problems,
    *,
    may_be_empty: Sequence[str] = (),
) -> Iterator[Row]:
    """Yield the rows of a table whose header is right; note in ``problems`` what is wrong.

    Blank lines are passed over. Required columns must be there, and their cells must not be empty
    unless ``may_be_empty`` names the column.

    Raises
    ------
    ManifestError
        At once, when the file cannot be read as CSV or its header is wrong: nothing after it would
        make sense.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        first = next((cells for cells in reader if not _is_blank(cells)), [])
        header = [cell.strip() for cell in first]
        if not header:
            problems.add(1, f"the file is empty; expected the header {','.join(required)!r}")
        else:
            _check_header(header, required, optional, problems)
        problems.raise_if_any()
        n_rows = 0
        for cells in reader:
            if _is_blank(cells):
                continue
            n_rows += 1
            line = reader.line_num
            if len(cells) != len(header):
                problems.add(line, f"{len(cells)} cells; the header has {len(header)} columns")
                continue
            row = Row(line, dict(zip(header, (cell.strip() for cell in cells), strict=True)))
            empty = [c for c in required if not row[c] and c not in may_be_empty]
            if empty:
                problems.add(line, f"no value for {' and '.join(empty)}")
                continue
            yield row
        if n_rows == 0:
            problems.add(1, "the list is empty; expected at least one row below the header")
    except csv.Error as error:
        problems.add(reader.line_num, f"not CSV ({error})")
        problems.raise_if_any()


def format_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table as CSV text with Unix line ends; None becomes an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
