"""Names that a format without quotes can say, what it cannot say at all, what it asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from speakergmm.errors import ManifestError, problem_report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speakergmm.corpora.manifests import Utterance, Utterances

# Of formats that name recordings and utterances apart.
IDS_NOT_KEPT = "ids of recordings are not kept: recordings are known by their paths"

SEX_LETTERS = {"m": "m", "f": "f", "male": "m", "female": "f"}


Lengths: TypeAlias = Callable[[Path], tuple[int, int, int]]
"""Path of a recording → its sample rate, its number of samples, its number of channels."""


class Remarks(NamedTuple):
    """What is to be said of what was written: what the format has no place for, and the rest.

    ``counts`` are those of what was written, where the content that was read does not give them.
    """

    lost: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] | None = None


def check_names(kind: str, names: Iterable[str], where: str) -> None:
    """Refuse names with blanks in them, which would be taken for two.

    Raises
    ------
    ManifestError
        With each of them.
    """
    bad = [f"{kind} {name!r}" for name in dict.fromkeys(names) if len(name.split()) != 1]
    if bad:
        heading = f"{where} parts names at blanks, so none may have any or be empty; rename"
        raise ManifestError(problem_report(heading, bad))


def recording_ids(paths: Iterable[Path]) -> dict[Path, str]:
    """Name recordings after their files, with as many folders as it takes to tell them apart."""
    parts = {
        path: [re.sub(r"\s+", "_", part.strip("/")) for part in (*path.parent.parts, path.stem)]
        for path in dict.fromkeys(paths)
    }
    ids: dict[Path, str] = {}
    for n_parts in range(1, max(map(len, parts.values()), default=0) + 1):
        ids = {path: "-".join(names[-n_parts:]) for path, names in parts.items()}
        if len(set(ids.values())) == len(ids):
            return ids
    # Only suffixes or blanks differ.
    return {path: f"{name}-{i}" for i, (path, name) in enumerate(ids.items(), 1)}


def names_of_recordings(paths: Mapping[str, Path]) -> dict[Path, str]:
    """Name recordings after their utterances where each has one, else after their files."""
    if len(set(paths.values())) == len(paths):
        return {path: name for name, path in paths.items()}
    return recording_ids(paths.values())


def count_of(n: int, thing: str) -> str:
    """Say how many of a thing there are."""
    return f"1 {thing}" if n == 1 else f"{n:,} {thing}s"


def sex_letter(sex: str) -> str:
    """Give ``m`` or ``f`` for what means it, and anything else as it is."""
    return SEX_LETTERS.get(sex.strip().lower(), sex)


def unsaid(utterances: Utterances, what: Mapping[str, str], where: str) -> tuple[str, ...]:
    """Say of which utterances something is lost; ``what`` maps fields to what to call them.

    A name of several fields, parted by blanks, stands for any of them.
    """
    notes = []
    for fields, words in what.items():
        names = fields.split()
        n = sum(1 for u in utterances.values() if any(_has(u, name) for name in names))
        if n:
            notes.append(f"{words} of {count_of(n, 'utterance')}: {where}")
    return tuple(notes)


def _has(utterance: Utterance, field: str) -> bool:
    return getattr(utterance, field) not in ("", None)
