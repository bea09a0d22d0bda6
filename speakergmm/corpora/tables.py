"""CSV with a header: read strictly, and report all problems of a file together."""

from __future__ import annotations

import csv
import difflib
import io
import math
from dataclasses import dataclass, field
from itertools import chain, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, NoReturn

from speakergmm.corpora.text_files import reading_text
from speakergmm.errors import MAX_PROBLEMS_SHOWN, ManifestError, problem_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

# Sorted and cut back to what is shown when there are more.
MAX_PROBLEMS_KEPT = 1000

# How alike two names of columns are, from 0 to 1, for one to be a slip of the other.
SLIP_LIKENESS = 0.7


@dataclass
class Problems:
    """Collects what is wrong with one file, to be raised as one error.

    Of millions of problems the first are kept, by their lines, and the rest counted. ``advice`` is
    said of all of them together.
    """

    path: Path
    n: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)
    advice: str = ""

    def add(self, line: int, text: str) -> None:
        """Note a problem at a line of the file (1 is the header)."""
        self.n += 1
        self.first.append((line, text))
        if len(self.first) > MAX_PROBLEMS_KEPT:
            self.first = self._shown()

    def add_all(self, lines: Sequence[int], text: Callable[[int], str]) -> None:
        """Note a problem at each of some lines, which rise; ``text`` gives the text of the i-th."""
        shown = range(min(len(lines), MAX_PROBLEMS_SHOWN))
        for i in shown:
            self.add(lines[i], text(i))
        self.n += len(lines) - len(shown)

    def _shown(self) -> list[tuple[int, str]]:
        return sorted(self.first, key=itemgetter(0))[:MAX_PROBLEMS_SHOWN]

    def raise_if_any(self) -> None:
        """Raise all problems noted so far as one error.

        Raises
        ------
        ManifestError
            With the first 20 problems, each with its file and line, then a count.
        """
        if self.n:
            shown = [f"{self.path}:{line}: {text}" for line, text in self._shown()]
            every = chain(shown, repeat("", self.n - len(shown)))
            report = problem_report(f"{self.path.name} cannot be used", every)
            raise ManifestError(f"{report}\n{self.advice}" if self.advice else report)


def raise_not_csv(error: csv.Error, first: int, last: int, problems: Problems) -> NoReturn:
    """Raise what the CSV reader says of a row, which begins at one line and fails at another.

    Raises
    ------
    ManifestError
        With the problems noted until then.
    """
    if first < last:
        text = f"not CSV ({error}, in line {last}); a quote is opened here and not closed in this"
        problems.add(first, f"{text} line: close it, or write it twice")
    else:
        problems.add(first, f"not CSV ({error})")
    problems.raise_if_any()
    raise error


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: where it stands, and its cells by column name."""

    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def read_text(path: Path) -> str:
    """Read a UTF-8 file whole, plain or gzip, its line ends as they are.

    Raises
    ------
    ManifestError
        When there is no such file, it cannot be read, or it is not UTF-8 text.
    """
    with reading_text(path) as text:
        return text.read()


def number(text: str) -> float:
    """Read a number, NaN for what is none. Python's ``1_5`` (15) is a slip in a list."""
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan


def is_blank(cells: Sequence[str]) -> bool:
    """Tell whether a row is a line with nothing but blanks."""
    return len(cells) < 2 and not "".join(cells).strip()


def check_header(
    header: Sequence[str], required: Sequence[str], optional: Sequence[str], problems: Problems
) -> None:
    """Note what is wrong with the names of a list's columns, none of which may be unknown."""
    known = [*required, *optional]
    if _is_parted_otherwise(header, problems):
        return
    for column in header:
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
            problems.add(1, f"unknown column {column!r}{hint}")
    _check_required(header, required, problems)
    _check_once(header, dict.fromkeys(header), problems)


def check_open_header(
    header: Sequence[str],
    required: Sequence[str],
    optional: Sequence[str],
    wanted: Sequence[str],
    problems: Problems,
    hints: Mapping[str, str],
) -> None:
    """Note what is wrong with a header which may have columns of any name besides the known ones.

    Refused is a name that looks like a slip of a known one that is not there. ``wanted`` columns
    have to be there; ``hints`` say what to do where a required one is missing.
    """
    if _is_parted_otherwise(header, problems):
        return
    missing = [column for column in (*required, *optional) if column not in header]
    for column in dict.fromkeys(header):
        near = difflib.get_close_matches(column.lower(), missing, n=1, cutoff=SLIP_LIKENESS)
        if near and column not in wanted:
            problems.add(1, f"unknown column {column!r}; did you mean {near[0]!r}?")
    _check_required(header, required, problems, hints)
    for column in wanted:
        if column not in header:
            near = difflib.get_close_matches(column, header, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            problems.add(1, f"no column {column!r}; the columns are {', '.join(header)}{hint}")
    _check_once(header, dict.fromkeys((*required, *optional, *wanted)), problems)


def _is_parted_otherwise(header: Sequence[str], problems: Problems) -> bool:
    separator = next((s for s in (";", "\t") if len(header) == 1 and s in header[0]), None)
    if separator is None:
        return False
    # Semicolons come from where the decimal separator is a comma.
    numbers = ", and its numbers with a decimal point, such as 0.53" if separator == ";" else ""
    text = f"columns are separated by {separator!r}; save the list with commas{numbers}"
    problems.add(1, text)
    return True


def _check_required(
    header: Sequence[str],
    required: Sequence[str],
    problems: Problems,
    hints: Mapping[str, str] | None = None,
) -> None:
    for column in required:
        if column not in header:
            text = f"missing column {column!r}; the header is {','.join(header)!r}"
            hint = (hints or {}).get(column)
            problems.add(1, f"{text}; {hint}" if hint else text)


def _check_once(header: Sequence[str], columns: Iterable[str], problems: Problems) -> None:
    for column in columns:
        if list(header).count(column) > 1:
            problems.add(1, f"column {column!r} stands there twice")


def next_header(reader: Iterable[Sequence[str]]) -> list[str]:
    """Take the names of the columns from a reader; empty where nothing is left."""
    cells = next((cells for cells in reader if not is_blank(cells)), [])
    return [cell.strip() for cell in cells]


def note_empty_file(required: Sequence[str], problems: Problems) -> None:
    """Note that not even a header is there."""
    problems.add(1, f"the file is empty; expected the header {','.join(required)!r}")


def note_empty_list(problems: Problems) -> None:
    """Note that there is but a header."""
    problems.add(1, "the list is empty; expected at least one row below the header")


def read_header(path: Path) -> list[str]:
    """Read the names of a list's columns; empty where it has none.

    Raises
    ------
    ManifestError
        When the file cannot be read as text.
    """
    with reading_text(path) as text:
        try:
            return next_header(csv.reader(text))
        except csv.Error:
            return []


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
    line = 0
    try:
        header = next_header(reader)
        if not header:
            note_empty_file(required, problems)
        else:
            check_header(header, required, optional, problems)
        problems.raise_if_any()
        n_rows, line = 0, reader.line_num
        for cells in reader:
            line = reader.line_num
            if is_blank(cells):
                continue
            n_rows += 1
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
            note_empty_list(problems)
    except csv.Error as error:
        raise_not_csv(error, line + 1, reader.line_num, problems)


def format_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table as CSV text with Unix line ends; None becomes an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
