"""AISHELL-1: six, four and three speakers of its train, dev and test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniatures.files import touch, write

if TYPE_CHECKING:
    from pathlib import Path

SPEAKERS = {"train": range(2, 8), "dev": range(724, 728), "test": range(764, 767)}
TABLE = "".join(
    f"{number:04d} {'MF'[number % 2]}\n" for numbers in SPEAKERS.values() for number in numbers
)


def build(folder: Path, *, n_takes: int = 10) -> Path:
    """Make a copy with so many utterances of each speaker."""
    write(folder, "resource_aishell/speaker.info", TABLE)
    names = [
        f"data_aishell/wav/{part}/S{number:04d}/BAC009S{number:04d}W{122 + take:04d}.wav"
        for part, numbers in SPEAKERS.items()
        for number in numbers
        for take in range(n_takes)
    ]
    return touch(folder, names)
