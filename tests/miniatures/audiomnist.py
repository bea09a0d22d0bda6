"""AudioMNIST: all speakers or some, with a few takes of each digit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from miniatures.files import touch, write

if TYPE_CHECKING:
    from pathlib import Path

SPEAKERS = [f"{number:02d}" for number in range(1, 61)]
TABLE = json.dumps(
    {name: {"gender": "female" if int(name) % 5 == 0 else "male", "age": 30} for name in SPEAKERS}
)


def build(above: Path, *, n_speakers: int = 60, n_takes: int = 5) -> Path:
    """Make a copy with so many speakers, and so many takes of each digit."""
    folder = above / "AudioMNIST"
    write(folder, "data/audioMNIST_meta.txt", TABLE)
    names = [
        f"data/{speaker}/{digit}_{speaker}_{take}.wav"
        for speaker in SPEAKERS[:n_speakers]
        for digit in range(10)
        for take in range(n_takes)
    ]
    return touch(folder, names)
