"""Recordings of one's own: ten people with three recordings each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniatures.files import touch

if TYPE_CHECKING:
    from pathlib import Path


def build(above: Path) -> Path:
    """Make a folder for each of them."""
    names = [f"person{i:02d}/take{take}.wav" for i in range(10) for take in range(3)]
    return touch(above / "recordings", names)
