"""Sides of calls in lists of trials: a or b for one of two channels, x for all that is there."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from speakergmm.corpora.manifests import AUDIO_SUFFIXES
from speakergmm.corpora.pairs import in_order_of_appearance
from speakergmm.errors import ManifestError, problem_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.corpora.trials import Trials

LETTERS = "ab"

# The number of what is of no side: a recording of one channel, or all channels of it.
NO_SIDE = -1

CHANNELS = {"a": 0, "b": 1, "1": 0, "2": 1, "x": NO_SIDE}
EXPECTED_SIDE = "a, b or x"

# A side behind its file, as NIST's lists of 2008 and 2010 have it (Kaldi's egs/sre08, egs/sre10).
FILE_AND_SIDE = re.compile(r"(.+):([abx])", re.IGNORECASE)

# Of recordings in lists: of audio, and of the videos that it was taken from.
FILE_SUFFIXES = frozenset({*AUDIO_SUFFIXES, ".m4a", ".mp4"})

# A recording may be there with either side and with none.
N_KINDS = len(LETTERS) + 1


class Side(NamedTuple):
    """One side of a recording; its channel is counted from 0."""

    file: str
    channel: int

    @property
    def name(self) -> str:
        """What it is called, as in the lists that `corpus prepare` makes: ``FILE_a``."""
        return f"{self.file}_{self.letter}"

    @property
    def letter(self) -> str:
        """``a`` or ``b``."""
        return LETTERS[self.channel]


class Sides:
    """The letters of sides, or their numbers from 1, as channels from 0; `NO_SIDE` for x."""

    may_be_empty = False
    filler = "x"

    def read(self, cells: Sequence[str]) -> NDArray[np.int8]:
        """Turn letters into channels."""
        try:
            return np.fromiter((CHANNELS[c.strip().lower()] for c in cells), np.int8, len(cells))
        except KeyError:
            raise ValueError("no side") from None

    def expected(self, cell: str) -> str | None:
        """Name the letters where it is none of them."""
        return None if cell.strip().lower() in CHANNELS else EXPECTED_SIDE


def side_column(header: Sequence[str], rows: Iterable[Sequence[str]]) -> int | None:
    """Find the sides in a list with a header: ``side``, or ``channel`` where sides stand in it."""
    words = [cell.lower() for cell in header]
    if "side" in words:
        return words.index("side")
    if "channel" not in words:
        return None
    place = words.index("channel")
    told = {row[place].lower() for row in rows if len(row) > place}
    return place if told and told <= CHANNELS.keys() else None


def are_files_and_sides(names: Iterable[str]) -> bool:
    """Tell whether all names are ``FILE:SIDE``."""
    return all(map(FILE_AND_SIDE.fullmatch, names))


def file_and_channel(name: str) -> tuple[str, int] | None:
    """Part ``FILE:SIDE``; None where it is another name."""
    match = FILE_AND_SIDE.fullmatch(name)
    return (match[1], CHANNELS[match[2].lower()]) if match else None


def sides_apart(trials: Trials) -> tuple[Trials, NDArray[np.int8]] | None:
    """Part tests that are all called ``FILE:SIDE``; None where one is not.

    Returns
    -------
    trials
        Their tests are the files.
    channel : (N,)
        The side of each trial.
    """
    parted = [file_and_channel(name) for name in trials.test_ids]
    told = [pair for pair in parted if pair is not None]
    if not told or len(told) < len(parted):
        return None
    place: dict[str, int] = {}
    file = np.array([place.setdefault(name, len(place)) for name, _ in told], dtype=np.int32)
    channel = np.array([number for _, number in told], dtype=np.int8)
    index = trials.test_index
    return replace(trials, test_ids=tuple(place), test_index=file[index]), channel[index]


def with_sides(
    path: Path, trials: Trials, channel: NDArray[np.int8]
) -> tuple[Trials, dict[str, Side]]:
    """Tell tests apart by the side (N,) of each trial, too.

    Returns
    -------
    trials
        Their tests are called by recording and side.
    sides : dict
        The side of each test that has one.

    Raises
    ------
    ManifestError
        When two tests would have one name.
    """
    both = trials.test_index.astype(np.int64) * N_KINDS + channel - NO_SIDE
    codes, index = np.unique(both, return_inverse=True)
    found = [
        Side(trials.test_ids[code // N_KINDS], code % N_KINDS + NO_SIDE) for code in codes.tolist()
    ]
    sides = {side.name: side for side in found if side.channel != NO_SIDE}
    refuse_alike(path, (side.file for side in found if side.channel == NO_SIDE), sides)
    names = [side.file if side.channel == NO_SIDE else side.name for side in found]
    ids, test_index = in_order_of_appearance(names, index.astype(np.int32))
    return replace(trials, test_ids=ids, test_index=test_index), sides


def refuse_alike(path: Path, names: Iterable[str], sides: Mapping[str, Side]) -> None:
    """Refuse names that are those of sides of other recordings.

    Raises
    ------
    ManifestError
        With each of them.
    """
    alike = [
        f"{name!r}, which side {sides[name].letter} of {sides[name].file!r} is called as well"
        for name in dict.fromkeys(names)
        if name in sides
    ]
    if alike:
        heading = f"{path}: sides are called by recording and letter; rename the recording"
        raise ManifestError(problem_report(heading, alike))


def called_as_known(
    names: Iterable[str], sides: Mapping[str, Side], known: frozenset[str]
) -> dict[str, str]:
    """Tell which names to change so that they are known.

    A file may be known without its suffix, or its folders too, as to Kaldi's recipes for NIST's
    evaluations, or with ``-`` for the ``/`` of its folders, as to Kaldi's and Lhotse's for
    VoxCeleb; a side by its recording, or with its letter behind it, which may be a capital. None
    are changed where as many are known as they are, or where two would become one.
    """
    names = list(names)
    best: dict[str, str] = {}
    n_best = len(known.intersection(names))
    if n_best == len(names) or not known:
        return best
    readings: tuple[Callable[[str], str], ...] = (str, _stem, _last, _dashed)
    endings: tuple[Callable[[str], str], ...] = (lambda _: "", "_{}".format, _capital)
    for reading, ends in product(readings, endings):
        called = [_called(name, sides.get(name), reading, ends) for name in names]
        n = len(known.intersection(called))
        if n > n_best and len(set(called)) == len(called):
            n_best = n
            best = {old: new for old, new in zip(names, called, strict=True) if old != new}
    return best


def _called(
    name: str, side: Side | None, reading: Callable[[str], str], ends: Callable[[str], str]
) -> str:
    return reading(name) if side is None else reading(side.file) + ends(side.letter)


def _stem(name: str) -> str:
    """Leave a suffix of audio away."""
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and f"{dot}{suffix}".lower() in FILE_SUFFIXES else name


def _capital(letter: str) -> str:
    return f"_{letter.upper()}"


def _last(name: str) -> str:
    return _stem(name).rpartition("/")[2]


def _dashed(name: str) -> str:
    return _stem(name).replace("/", "-")


def are_of_one_channel(sides: Mapping[str, Side]) -> bool:
    """Tell whether all sides are ``a``, as in NIST's lists since 2016."""
    return all(side.channel == 0 for side in sides.values())


def by_recordings(names: Iterable[str], sides: Mapping[str, Side]) -> dict[str, str]:
    """Call sides by their recordings, where these are of one channel; none where names clash."""
    files = {name: side.file for name, side in sides.items() if name == side.name}
    is_clear = are_of_one_channel(sides) and set(files.values()).isdisjoint(names)
    return files if is_clear else {}


def renamed(names: Iterable[str], new: Mapping[str, str]) -> tuple[str, ...]:
    """Give names as they are called now."""
    return tuple(new.get(name, name) for name in names)
