"""Lists for everyday use, one recording a line: whom to enroll with it, or who it is said to be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.corpora.tables import Problems, Row, number, read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

SEGMENT = ("start_s", "end_s")


@dataclass(frozen=True, slots=True)
class ListedRecording:
    """A recording in a list, or the segment [start_s, end_s) of one."""

    path: Path
    start_s: float | None = None
    end_s: float | None = None

    @property
    def is_segment(self) -> bool:
        """Whether it is a part of a recording."""
        return self.start_s is not None or self.end_s is not None

    def __str__(self) -> str:
        """Give the path, with the segment where there is one."""
        if not self.is_segment:
            return str(self.path)
        # Without a loss of digits: it is also what tells segments apart.
        end = "" if self.end_s is None else f"{self.end_s:.15g}"
        return f"{self.path}[{self.start_s or 0:.15g}:{end}]"


@dataclass(frozen=True, slots=True)
class Claim:
    """A test, the speaker whom it is said to be, and, where that is known, whether it is.

    ``test`` numbers the list's tests, in the order in which they appear.
    """

    speaker_id: str
    test: int
    label: str = ""


@dataclass(frozen=True)
class TestList:
    """Tests of one or more recordings each, by their ids, and the claims about them."""

    tests: dict[str, tuple[ListedRecording, ...]]
    claims: tuple[Claim, ...]


def read_enrollments(path: Path | str) -> dict[str, tuple[ListedRecording, ...]]:
    """Read whom to enroll with what: columns ``speaker_id``, ``path`` and, if wanted, a segment.

    Paths begin where the list is, unless they are absolute.

    Returns
    -------
    dict
        Speaker id → recordings, in the order of the list.

    Raises
    ------
    ManifestError
        When the list cannot be used, with each line that is wrong.
    """
    path = Path(path)
    problems = Problems(path)
    found: dict[str, dict[ListedRecording, None]] = {}
    for row in read_rows(path, ("speaker_id", "path"), SEGMENT, problems):
        recording = _recording(row, path.parent, problems)
        own = found.setdefault(row["speaker_id"], {})
        if recording in own:
            problems.add(row.line, f"{recording} stands there twice for {row['speaker_id']!r}")
        own[recording] = None
    problems.raise_if_any()
    return {speaker_id: tuple(own) for speaker_id, own in found.items()}


def read_claims(path: Path | str) -> TestList:
    """Read who is said to be whom: columns ``speaker_id``, ``path`` and, if wanted, others.

    These are a segment (``start_s``, ``end_s``), a ``label`` (``target`` or ``nontarget``), and a
    ``test_id``: lines of one speaker and test are one test of several recordings. Without it each
    recording is a test.

    Raises
    ------
    ManifestError
        When the list cannot be used, with each line that is wrong.
    """
    return _read_tests(Path(path), ("speaker_id", "path"), ("test_id", "label", *SEGMENT))


def read_unknowns(path: Path | str) -> TestList:
    """Read what to identify: columns ``path`` and, if wanted, ``test_id`` and a segment.

    Raises
    ------
    ManifestError
        When the list cannot be used, with each line that is wrong.
    """
    return _read_tests(Path(path), ("path",), ("test_id", *SEGMENT))


def _read_tests(path: Path, required: Sequence[str], optional: Sequence[str]) -> TestList:
    problems = Problems(path)
    # Test id → the recordings that each speaker's lines give it.
    tests: dict[str, dict[str, list[ListedRecording]]] = {}
    labels: dict[tuple[str, str], str] = {}
    lines: dict[tuple[str, str], int] = {}
    for row in read_rows(path, required, optional, problems, may_be_empty=("test_id", "label")):
        recording = _recording(row, path.parent, problems)
        test_id = row["test_id"] or str(recording)
        claim = row["speaker_id"], test_id
        label = row["label"]
        if label not in ("", "target", "nontarget"):
            problems.add(row.line, f"label is {label!r}; expected 'target' or 'nontarget'")
        if labels.setdefault(claim, label) != label:
            problems.add(row.line, f"{claim[0]!r} with {test_id!r} has two labels")
        lines.setdefault(claim, row.line)
        side = tests.setdefault(test_id, {}).setdefault(claim[0], [])
        if recording in side:
            problems.add(row.line, f"{recording} stands there twice for test {test_id!r}")
        side.append(recording)
    for test_id, sides in tests.items():
        first, *others = sides
        for speaker_id in others:
            if set(sides[speaker_id]) != set(sides[first]):
                problems.add(
                    lines[speaker_id, test_id],
                    f"test {test_id!r} is of other recordings for {speaker_id!r} than for "
                    f"{first!r}; give each test an id of its own",
                )
    problems.raise_if_any()
    numbers = {test_id: number for number, test_id in enumerate(tests)}
    return TestList(
        {test_id: tuple(next(iter(sides.values()))) for test_id, sides in tests.items()},
        tuple(
            Claim(speaker_id, numbers[test_id], label)
            for (speaker_id, test_id), label in labels.items()
        ),
    )


def _recording(row: Row, folder: Path, problems: Problems) -> ListedRecording:
    times = []
    for column in SEGMENT:
        value = number(row[column]) if row[column] else None
        if value is not None and not 0 <= value < float("inf"):
            problems.add(row.line, f"{column} is {row[column]!r}; expected seconds, 0 or more")
            value = None
        times.append(value)
    start_s, end_s = times
    if end_s is not None and end_s <= (start_s or 0.0):
        problems.add(row.line, f"the segment ends at {end_s:g} s, where it begins or before")
    return ListedRecording(folder / row["path"], start_s, end_s)
