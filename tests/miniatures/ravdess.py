"""RAVDESS: the archive of speech, or some actors and emotions of it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from miniatures.files import touch

if TYPE_CHECKING:
    from pathlib import Path


def names_of(actor: int, channel: str = "01", n_emotions: int = 8) -> list[str]:
    """Name an actor's recordings, sixty of all emotions: the neutral one is never strong."""
    marks = itertools.product(range(1, n_emotions + 1), (1, 2), (1, 2), (1, 2))
    return [
        f"Actor_{actor:02d}/03-{channel}-{e:02d}-{i:02d}-{s:02d}-{r:02d}-{actor:02d}.wav"
        for e, i, s, r in marks
        if (e, i) != (1, 2)
    ]


def build(above: Path, *, n_actors: int = 24, n_emotions: int = 8) -> Path:
    """Make a copy with so many actors and emotions."""
    actors = range(1, n_actors + 1)
    names = [name for actor in actors for name in names_of(actor, n_emotions=n_emotions)]
    return touch(above / "Audio_Speech_Actors_01-24", names)
