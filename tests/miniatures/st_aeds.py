"""ST-AEDS: all speakers with some sentences each, flat as the archive is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniatures.files import touch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SPEAKERS = [f"{sex}{number:04d}" for sex in "fm" for number in range(1, 6)]


def names_of(speakers: Iterable[str], n: int = 60) -> list[str]:
    """Name so many sentences of each speaker."""
    return [f"{name}_us_{name}_{i:05d}.wav" for name in speakers for i in range(1, n + 1)]


def build(above: Path, *, n_sentences: int = 60) -> Path:
    """Make a copy with so many sentences of each speaker."""
    names = names_of(SPEAKERS, n_sentences)
    return touch(above / "ST-AEDS-20180100_1-OS", ["text.txt", *names])
