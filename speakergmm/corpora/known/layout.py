"""Finding one's way in a copy of a corpus: its parts by name, and what is missing or misnamed."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from speakergmm.corpora.folders import CONVERT, UNREAD_SUFFIXES, recordings_below
from speakergmm.corpora.manifests import AUDIO_SUFFIXES
from speakergmm.corpora.tables import read_text
from speakergmm.errors import ManifestError
from speakergmm.names import counted

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from speakergmm.corpora.manifests import Utterances

# Names that are shown of many.
SHOWN = 5

# How a note begins on what is passed over, behind the number.
LEFT_OUT = " left out: "

# How alike two names are, from 0 to 1, for one to be a slip of the other.
SLIP_LIKENESS = 0.6

# Where a corpus is looked for that is not in the folder given: so far up, so far down, and in so
# many folders.
LEVELS_UP, LEVELS_DOWN, MAX_FOLDERS = 2, 3, 500


def home_of(folder: Path, names: Sequence[str], parts: Sequence[str], layout: str) -> Path:
    """Find the folder that holds a part of a corpus, in what the user calls the corpus.

    It may be that folder itself, or hold it under one of the names that it is unpacked to.

    Parameters
    ----------
    folder : path
        What was given.
    names : sequence of str
        Folders, relative to it, that may hold the parts.
    parts : sequence of str
        Any one of these (files or folders) tells it.
    layout : str
        How the corpus should look, for the message.

    Raises
    ------
    ManifestError
        When there is no such folder, or none of the parts; names the folder that holds them, or
        what is there instead.
    """
    if not folder.is_dir():
        raise ManifestError(f"{folder}: no such folder; expected the corpus:\n{layout}")
    for place in (folder, *(folder / name for name in names)):
        if any((place / part).exists() for part in parts):
            return place
    # What is misnamed lies in the corpus's own folder, if that is there.
    own = [folder / name for name in names if (folder / name).is_dir()]
    place = max(own, key=lambda place: len(place.parts), default=folder)
    found = names_in(place)
    expected = " or ".join(repr(part) for part in parts)
    there = slip_of(parts, found) or _elsewhere(folder, parts) or instead_of(parts, found)
    raise ManifestError(f"{place}: no {expected} in it{there}; expected the corpus:\n{layout}")


def _elsewhere(folder: Path, parts: Sequence[str]) -> str:
    """Say which folder above or below has the parts; "" if none has."""
    n_enough = min(2, len(parts))
    above = folder.absolute().parents[:LEVELS_UP]
    for place in (*(p for p in above if _n_there(p, parts) >= n_enough), *_below(folder, parts)):
        return f", but in {place}: give that folder instead"
    return ""


def _n_there(place: Path, parts: Sequence[str]) -> int:
    return len({*parts} & {*names_in(place)})


def _below(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Yield the folder below that has most of the parts, the nearest of equals."""
    level = [folder]
    looked_into: list[Path] = []
    for _ in range(LEVELS_DOWN):
        inside = (place / name for place in level for name in names_in(place))
        level = list(islice(filter(os.path.isdir, inside), MAX_FOLDERS - len(looked_into)))
        looked_into += level
    best = max(looked_into, key=lambda place: _n_there(place, parts), default=folder)
    if _n_there(best, parts):
        yield best


def need(folder: Path, part: str, what: str, others: Iterable[str] = ()) -> Path:
    """Give a file or folder that a corpus must have.

    ``others`` are names that the corpus has too, so that none of them is taken for a slip.

    Raises
    ------
    ManifestError
        When it, or a folder on the way to it, is missing; names what looks like it.
    """
    place = folder
    for name in PurePosixPath(part).parts:
        if not (place / name).exists():
            found = names_in(place)
            slip = slip_of([name], [other for other in found if other not in {*others}])
            there = slip or instead_of([], found)
            raise ManifestError(f"{place / name}: missing{there}; expected {what}")
        place /= name
    return place


def optional_table(
    folder: Path, part: str, what: str, *others: Path
) -> tuple[Path | None, tuple[str, ...]]:
    """Give a table that a corpus can do without, in whatever case; else a note that it is missing.

    ``what`` says what is not known then; ``others`` are more folders that it may lie in.
    """
    slips = []
    for place in (folder, *others):
        found = names_in(place)
        for name in found:
            if name.lower() == part.lower():
                return place / name, ()
        slips += [slip] if (slip := slip_of([part], found)) else []
    there = slips[0] if slips else instead_of([part], names_in(folder))
    return None, (f"{what}: no {part}{there}",)


def without_sex(utterances: Utterances, table: Path | None) -> tuple[str, ...]:
    """Say of how many speakers a table does not tell the sex; without a table nothing."""
    if table is None:
        return ()
    untold = list(dict.fromkeys(u.speaker_id for u in utterances.values() if not u.sex))
    if not untold:
        return ()
    n_untold = counted(len(untold), "speaker")
    return (f"{table.name} does not tell the sex of {n_untold}, such as {untold[0]}",)


def names_in(folder: Path) -> list[str]:
    """List what is in a folder, if it is one that can be read."""
    try:
        return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return []


def instead_of(wanted: Sequence[str], found: Sequence[str]) -> str:
    """Say what is there instead: a slip of the name, or simply what there is."""
    return slip_of(wanted, found) or (f" ({shortlist(found)} there)" if found else " (it is empty)")


def slip_of(wanted: Sequence[str], found: Sequence[str]) -> str:
    """Say what is there under nearly the same name; "" if nothing is."""
    # Without what is behind the dot, by which any two tables are alike.
    stems = {_stem(name): name for name in found}
    for part in wanted:
        near = difflib.get_close_matches(
            _stem(part.split("/")[0]), stems, n=1, cutoff=SLIP_LIKENESS
        )
        if near:
            return f", but {stems[near[0]]!r}: is it misnamed?"
    return ""


def _stem(name: str) -> str:
    return name.lower().rsplit(".", 1)[0]


def shortlist(names: Iterable[str]) -> str:
    """Name the first of many."""
    listed = list(names)
    more = f" and {len(listed) - SHOWN:,} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def recordings(folder: Path, below: Path) -> list[Path]:
    """List the recordings below a folder, relative to ``folder``; see `recordings_below`."""
    return list(recordings_below(below, below.relative_to(folder)))


def unread(folder: Path) -> Passed:
    """Count what may hold recordings and cannot be read: .m4a, folders, links that lead nowhere."""
    passed = Passed()
    suffixes = (*AUDIO_SUFFIXES, *UNREAD_SUFFIXES)
    for path in recordings_below(folder, Path(), suffixes, even_unreadable=True):
        name = path.name.lower()
        if not name.endswith(suffixes):
            passed.add("folders that cannot be read", path)
        elif name.endswith(UNREAD_SUFFIXES):
            passed.add(f"not read as they are ({CONVERT})", path)
        elif not _is_file(folder / path):
            passed.add("links that lead nowhere", path)
    return passed


def _is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except OSError:
        return False


def instead_of_recordings(folder: Path, passed: Passed) -> str:
    """Say what there is, where there are no recordings of the corpus: the first that tells."""
    told = (*passed.notes(), *unread(folder).notes())
    return f"; {told[0]}" if told else ""


class Passed:
    """Counts what is passed over in a copy, by reason, and says it in notes."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def add(self, reason: str, example: object) -> None:
        """Pass something over; the reason is one of few, and never names the example."""
        self.reasons[reason] += 1
        self.examples.setdefault(reason, str(example))

    def notes(self) -> tuple[str, ...]:
        """Say how many, why, and which was the first."""
        return tuple(
            f"{n:,}{LEFT_OUT}{reason}, such as {self.examples[reason]}"
            for reason, n in self.reasons.items()
        )


def named_as(
    paths: Iterable[Path],
    name: re.Pattern[str],
    form: str,
    passed: Passed,
    why_not: Callable[[Path, re.Match[str]], str] | None = None,
) -> Iterator[tuple[Path, re.Match[str]]]:
    """Yield the recordings of which a corpus consists, each name once, with the parts of the names.

    Parameters
    ----------
    name : pattern
        What a name without its suffix must be.
    form : str
        The same for a person, to say what is passed over.
    why_not : callable, optional
        Path and parts of its name → what is wrong with it besides, "" if nothing is.
    """
    seen: set[str] = set()
    for path in paths:
        match = name.fullmatch(path.stem)
        if match is None:
            passed.add(f"not named {form}", path)
        elif why_not is not None and (reason := why_not(path, match)):
            passed.add(reason, path)
        elif path.stem in seen:
            passed.add("there twice", path)
        else:
            seen.add(path.stem)
            yield path, match


def lines_of(path: Path, *, loosely: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the lines of a table that are not blank, with their numbers from 1.

    ``loosely`` takes what is not UTF-8 for Latin-1: names of people and places in old tables, of
    which nothing is made.

    Raises
    ------
    ManifestError
        When it cannot be read, or as UTF-8 text.
    """
    text = read_loosely(path) if loosely else read_text(path)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line.strip()


def read_loosely(path: Path) -> str:
    """Read text as UTF-8, or else as Latin-1.

    Raises
    ------
    ManifestError
        When it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror or error})") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
