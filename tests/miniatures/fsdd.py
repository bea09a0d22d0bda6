"""Free Spoken Digit Dataset: the repository as GitHub packs it, with some of fifty takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniatures.files import touch, write

if TYPE_CHECKING:
    from pathlib import Path

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
TABLE = (
    '"""A python dictionary to store meta-data about the speakers."""\n\nmetadata = {\n'
    + "".join(f"    {name!r}: {{\n    \t'gender': 'male'\n    }},\n" for name in SPEAKERS)
    + "}\n"
)


def recordings(n_takes: int) -> list[str]:
    """Name so many takes of each digit and speaker."""
    return [
        f"recordings/{digit}_{speaker}_{take}.wav"
        for digit in range(10)
        for speaker in SPEAKERS
        for take in range(n_takes)
    ]


def build(above: Path, *, n_takes: int = 20) -> Path:
    """Make a copy with so many takes of each digit."""
    folder = above / "free-spoken-digit-dataset-master"
    write(folder, "metadata.py", TABLE)
    return touch(folder, ["README.md", *recordings(n_takes)])
