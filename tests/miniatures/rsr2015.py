"""RSR2015, part 1: some speakers of each of its three parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniatures.files import touch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Two men and two women of each part, and one man more of the evaluation.
SPEAKERS = {
    "background": ["m001", "m050", "f001", "f047"],
    "development": ["m051", "m100", "f048", "f094"],
    "evaluation": ["m101", "m102", "m157", "f095", "f143"],
}
SENTENCES = (1, 30)


def names(suffix: str = ".sph", sentences: Iterable[int] = SENTENCES) -> list[str]:
    """Name nine sessions of some sentences."""
    return [
        f"{'male' if speaker[0] == 'm' else 'female'}/{speaker}/"
        f"{speaker}_{session:02d}_{sentence:03d}{suffix}"
        for members in SPEAKERS.values()
        for speaker in members
        for session in range(1, 10)
        for sentence in sentences
    ]


def build(above: Path, *, sentences: Iterable[int] = SENTENCES) -> Path:
    """Make a copy with some of the thirty sentences."""
    return touch(above / "RSR2015_V1", [f"sph/{name}" for name in names(sentences=sentences)])
