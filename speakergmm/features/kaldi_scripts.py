"""Kaldi's script files, such as ``feats.scp``: which utterance stands where in which archive."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.errors import FrameError, MissingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Span = tuple[int, int]

# file:offset[rows] or file:offset[rows,columns], of which all but the file may be missing.
PLACE = re.compile(r"(?P<path>.+?)(?::(?P<offset>\d+))?(?:\[(?P<ranges>[^][]*)\])?")
RANGE = re.compile(r"(?P<first>\d+):(?P<last>\d+)|:")
# By so many rows a range may go beyond the end: times are rounded to frames.
ROWS_BEYOND = 3


@dataclass(frozen=True, slots=True)
class ScpEntry:
    """Where an utterance's matrix stands: a file, the byte where it begins.

    ``rows`` and ``columns`` are the first and the last that are wanted; None: all.
    """

    utterance_id: str
    path: Path
    offset: int
    rows: Span | None = None
    columns: Span | None = None

    def part(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cut out of the whole matrix what is wanted.

        Raises
        ------
        FrameError
            When the matrix has not got it.
        """
        n_rows, n_columns = matrix.shape
        first, last = self.rows or (0, n_rows - 1)
        left, right = self.columns or (0, n_columns - 1)
        if not (first <= last < n_rows + ROWS_BEYOND and first < n_rows):
            raise FrameError(f"{self}: has {n_rows:,} rows; not those from {first} to {last}")
        if not left <= right < n_columns:
            raise FrameError(f"{self}: has {n_columns:,} columns; not those from {left} to {right}")
        return matrix[first : last + 1, left : right + 1]

    def __str__(self) -> str:
        return f"{self.path}, utterance {self.utterance_id!r}"


def scp_entries(path: Path | str) -> list[ScpEntry]:
    """Read a script file, without what it points to.

    Relative paths begin in the folder where the program runs, as Kaldi's do, or where there is no
    such file, in that of the script file.

    Raises
    ------
    MissingError
        When there is no such file.
    FrameError
        When it is not one utterance and place a line, names an utterance twice, or would run a
        command.
    """
    path = Path(path)
    entries: dict[str, ScpEntry] = {}
    places: dict[str, Path] = {}
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        name, match = _split(where, line)
        if name in entries:
            raise FrameError(f"{where}: utterance {name!r} again; expected each once")
        file = match["path"]
        if file not in places:
            beside = path.parent / file
            places[file] = beside if not Path(file).exists() and beside.exists() else Path(file)
        spans = _spans(where, match["ranges"])
        entries[name] = ScpEntry(name, places[file], int(match["offset"] or 0), *spans)
    if not entries:
        raise FrameError(
            f"{path}: empty; expected a line 'utterance file:offset' for each utterance"
        )
    return list(entries.values())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MissingError(f"{path}: no such file; expected a Kaldi script file (.scp)") from None
    except UnicodeDecodeError:
        raise FrameError(f"{path}: not UTF-8 text; expected a Kaldi script file (.scp)") from None
    except OSError as error:
        raise FrameError(f"{path}: cannot be read ({error.strerror})") from None


def _split(where: str, line: str) -> tuple[str, re.Match[str]]:
    """Part a line into the utterance and the place, which must be one in a file."""
    name, *rest = line.split(maxsplit=1)
    place = rest[0].strip() if rest else ""
    if place.startswith("|") or place.endswith("|") or place == "-":
        raise FrameError(
            f"{where}: utterance {name!r} is read from a command or a pipe ({place!r}), which is "
            "not run here; run it, and give the archive that it writes (copy-feats scp:... "
            "ark,scp:feats.ark,feats.scp)"
        )
    match = PLACE.fullmatch(place)
    if match is None:
        raise FrameError(f"{where}: {line.strip()!r}; expected 'utterance file:offset'")
    return name, match


def _spans(where: str, ranges: str | None) -> list[Span | None]:
    """Give the rows and the columns that a range names."""
    if ranges is None:
        return []
    spans: list[Span | None] = []
    for part in ranges.split(","):
        match = RANGE.fullmatch(part)
        if match is None or len(spans) == 2:
            raise FrameError(
                f"{where}: range [{ranges}]; expected [first:last] for rows, or "
                "[first:last,first:last] for rows and columns, counted from 0"
            )
        spans.append((int(match["first"]), int(match["last"])) if match["first"] else None)
    return spans
