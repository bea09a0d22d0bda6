"""Empty recordings and tables: what the lists of a corpus are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def touch(folder: Path, names: Iterable[str]) -> Path:
    """Make empty files, with their folders: the lists are made of names alone."""
    for name in names:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    return folder


def write(folder: Path, name: str, text: str) -> None:
    """Write a table of a corpus."""
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
