"""A file that a command writes, which must not be a recording."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click


class OutputFile(click.Path):
    """The name of a file to be written; one that is a recording there is refused.

    Lists and folders of recordings may be long, so what would be written over is told by its name.
    """

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check a name.

        Raises
        ------
        OutputError
            When a recording is there, maybe by way of a link.
        """
        from speakergmm.corpora.manifests import AUDIO_SUFFIXES
        from speakergmm.errors import OutputError

        path = Path(str(super().convert(value, param, ctx)))
        there = os.path.realpath(path)
        if there.lower().endswith(AUDIO_SUFFIXES) and Path(there).is_file():
            raise OutputError(
                f"{path}: is a recording, and would be written over; choose another place for the "
                "output"
            )
        return path
