"""Lists without quotes: names parted by blanks, tabs or commas, the same number in each line."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TextIO

from speakergmm.corpora.chunks import BLOCK_LENGTH, PlainChunk
from speakergmm.corpora.columns import Form, table_of
from speakergmm.corpora.formats.names import count_of
from speakergmm.corpora.text_files import reading_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from speakergmm.corpora.columns import Table
    from speakergmm.corpora.fields import Field
    from speakergmm.corpora.tables import Problems

# Lines that are looked at to tell how a list is made.
LINES_LOOKED_AT = 2_000

# Stands for the end of a line; no text that is read has a zero byte.
LINE_END = "\0"

# A name may begin with #, so a comment is what has a blank behind it.
COMMENT = re.compile(r"^[ \t]*(?:#(?:[# \t]|$)|;)", re.MULTILINE)
COMMENT_SHOWN = 40


def note_if_comment(line: str, number: int, problems: Problems) -> bool:
    """Note that a line is a comment, which would else be read as names; tell whether it is."""
    is_comment = COMMENT.match(line) is not None
    if is_comment:
        shown = line.strip()[:COMMENT_SHOWN]
        problems.add(number, f"{shown!r} is a comment; expected none in such a list: remove it")
    return is_comment


def first_lines(path: Path) -> list[str]:
    """Read the first lines of a list that are neither blank nor comments.

    Raises
    ------
    ManifestError
        When it cannot be read as text.
    """
    with reading_text(path) as text:
        lines = (line.strip() for line in text)
        told = (line for line in lines if line and not COMMENT.match(line))
        return list(islice(told, LINES_LOOKED_AT))


def parted_by_commas(lines: Sequence[str]) -> bool:
    """Tell whether commas, and not blanks, part the names of a list, in most of its lines."""
    n = sum("," in line and len(line.replace(", ", ",").split()) == 1 for line in lines)
    return 2 * n > len(lines)


def parted(line: str, *, commas: bool) -> list[str]:
    """Part a line at its blanks, or at its commas."""
    return [cell.strip() for cell in line.split(",")] if commas else line.split()


def read_plain(
    path: Path,
    columns: Sequence[str],
    fields: Mapping[str, Field],
    problems: Problems,
    *,
    called: str,
    further: Sequence[str] = (),
    commas: bool = False,
    header_lines: int = 0,
) -> Table:
    """Read the columns of a list that are in ``fields``; note in ``problems`` what is wrong.

    Parameters
    ----------
    columns : sequence of str
        What stands in the columns; those that are not in ``fields`` are passed over, but for
        the ``further`` ones, which are kept as they are.
    called : str
        What a person calls the columns.
    header_lines : int
        How many lines that are not blank stand before the list.

    Raises
    ------
    ManifestError
        When the file cannot be read as text.
    """
    with reading_text(path) as text:
        told = _Told(len(columns), called, commas, problems)
        chunks = _chunks(text, header_lines, told)
        return table_of(columns, chunks, Form(fields, wanted=further), problems)


class _Told(NamedTuple):
    """What is known of all lines of a list, and where to note what is wrong with one."""

    n_columns: int
    called: str
    commas: bool
    problems: Problems


def _chunks(text: TextIO, header_lines: int, told: _Told) -> Iterator[PlainChunk]:
    line = 0
    while header_lines and (header := text.readline()):
        line += 1
        if not note_if_comment(header, line, told.problems):
            header_lines -= bool(header.strip())
    while block := text.read(BLOCK_LENGTH):
        block += text.readline()
        if not block.endswith("\n"):
            block += "\n"
        n_lines = block.count("\n")
        columns = _columns(block, n_lines, told)
        if columns is not None:
            yield PlainChunk(range(line + 1, line + n_lines + 1), columns)
        else:
            yield from _sound_lines(block, line, told)
        line += n_lines


def _columns(block: str, n_lines: int, told: _Told) -> list[list[str]] | None:
    """Part whole lines at once; None unless each is just so many names, and none a comment."""
    n_columns = told.n_columns
    if ("#" in block or ";" in block) and COMMENT.search(block):
        return None
    if told.commas:
        if block.count(",") != n_lines * (n_columns - 1):
            return None
        block = block.replace(",", " ")
    cells = block.replace("\n", f" {LINE_END} ").split()
    ends = cells[n_columns :: n_columns + 1]
    if len(cells) != n_lines * (n_columns + 1) or ends.count(LINE_END) != n_lines:
        return None
    return [cells[place :: n_columns + 1] for place in range(n_columns)]


def _sound_lines(block: str, before: int, told: _Told) -> Iterator[PlainChunk]:
    """Give the lines that can be read; blank ones are passed over, and others are noted."""
    lines, rows = [], []
    for number, line in enumerate(block.split("\n")[:-1], before + 1):
        cells = parted(line, commas=told.commas)
        if not "".join(cells) or note_if_comment(line, number, told.problems):
            continue
        if len(cells) == told.n_columns and all(cells):
            lines.append(number)
            rows.append(cells)
        else:
            found = count_of(sum(map(bool, cells)), "name")
            expected = f"{told.n_columns}: {told.called}"
            told.problems.add(number, f"{found} in the line; expected {expected}")
    if rows:
        yield PlainChunk(lines, list(zip(*rows, strict=True)))
