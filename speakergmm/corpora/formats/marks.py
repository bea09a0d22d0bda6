"""What says which files of a folder were converted, and may be replaced: a mark beside them."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from speakergmm.errors import OutputError
from speakergmm.files import remove, write_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

# Hidden, so that no toolkit takes it for one of its files.
MARK_FILE, MARK = ".speakergmm-converted.json", "speakergmm-converted"


@contextmanager
def replacing(folder: Path, files: Collection[str]) -> Iterator[None]:
    """Take away what was converted before, and mark what the block writes in its place.

    Parameters
    ----------
    files : collection of str
        All that may be written, or would be taken for part of it; first what makes a folder look
        whole.

    Raises
    ------
    OutputError
        When one of the files is there and was not converted, or the mark cannot be written.
    """
    own = _converted_before(folder)
    for name in files:
        if name not in own and os.path.lexists(folder / name):
            raise OutputError(
                f"{folder / name}: exists, and was not made by `corpus convert`; choose another "
                "folder for the output"
            )
    for name in files:
        remove(folder / name)
    every = dict.fromkeys((*own, *files))
    _write_mark(folder, every)
    yield
    _write_mark(folder, (name for name in every if (folder / name).exists()))


def _converted_before(folder: Path) -> list[str]:
    try:
        mark = json.loads((folder / MARK_FILE).read_text(encoding="utf-8"))
        files = mark["files"] if mark["format"] == MARK else []
        return [name for name in files if isinstance(name, str)]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _write_mark(folder: Path, files: Iterable[str]) -> None:
    write_json(folder / MARK_FILE, {"format": MARK, "files": list(files)})
