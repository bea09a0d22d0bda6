"""ASVspoof 2019, logical access: three speakers a part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniatures.files import touch, write
from speakergmm.corpora.known.asvspoof2019_la import PARTS, PROTOCOLS

if TYPE_CHECKING:
    from pathlib import Path

# Part: letter of its files, first speaker.
PLACES = {"train": ("T", 79), "dev": ("D", 69), "eval": ("E", 1)}


def build(above: Path) -> Path:
    """Make a copy with two genuine utterances of each, and two of each of two attacks."""
    folder = above / "LA"
    for part, (letter, first) in PLACES.items():
        lines, names = [], []
        for speaker in range(first, first + 3):
            for number, attack in enumerate(["-", "-", "A01", "A01", "A07", "A07"]):
                name = f"LA_{letter}_{1000000 + 10 * speaker + number}"
                label = "bonafide" if attack == "-" else "spoof"
                lines.append(f"LA_{speaker:04d} {name} - {attack} {label}\n")
                names.append(f"ASVspoof2019_LA_{part}/flac/{name}.flac")
        write(folder, f"{PROTOCOLS}/{PARTS[part][1]}", "".join(lines))
        touch(folder, names)
    return folder
