"""Frames that were exported: what may be replaced of them, and what is of others.

A mark beside them says which files of a folder an earlier export wrote; no others are replaced.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.errors import OutputError, SpeakerGMMError
from speakergmm.files import check_writable, remove, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Hidden, so that no toolkit takes it for frames.
MARK_FILE, MARK = ".speakergmm-exported.json", "speakergmm-exported"


@contextmanager
def exporting(folder: Path, suffix: str) -> Iterator[Path]:
    """Give a place for files, which are moved into ``folder`` when the block succeeds.

    They take the place of those of their ``suffix`` that were moved there before, as a mark beside
    them says. Where the block fails, the folder is left as it was. Hidden files are passed over.

    Raises
    ------
    OutputError
        When the folder holds other files, or cannot be written to.
    """
    own = [name for name in _exported_before(folder) if name.endswith(suffix)]
    _check_replaceable(folder, own)
    is_new = not folder.exists()
    # Within it, as what lies beside it may be another disk.
    final = Path(os.path.realpath(folder))
    temporary = final / f".{os.getpid()}-{threading.get_ident()}.tmp"
    try:
        check_writable(temporary / MARK_FILE)
        yield temporary
        _move(temporary, final, own)
    except SpeakerGMMError as error:
        raise type(error)(str(error).replace(str(temporary), str(folder))) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_new:
            # What is not empty stays.
            with suppress(OSError):
                folder.rmdir()


def check_exported(folder: Path, names: Iterable[str]) -> None:
    """Refuse to write over files of some names that an export did not make.

    Raises
    ------
    OutputError
        Naming the first of them.
    """
    own = _exported_before(folder)
    for name in names:
        if name not in own and os.path.lexists(folder / name):
            raise OutputError(
                f"{folder / name}: exists, and was not made by `features export` or `features "
                "convert`; choose another folder for the output"
            )


def mark_exported(folder: Path, names: Iterable[str]) -> None:
    """Note that files of some names are an export's, which the next may replace.

    Raises
    ------
    OutputError
        When the mark cannot be written.
    """
    _write_mark(folder, (*_exported_before(folder), *names))


def _move(temporary: Path, folder: Path, own: Iterable[str]) -> None:
    new = sorted(path.name for path in temporary.iterdir())
    _write_mark(folder, (*own, *new))
    for name in own:
        remove(folder / name)
    try:
        for name in new:
            (temporary / name).replace(folder / name)
    except OSError as error:
        raise OutputError(
            f"{folder / name}: cannot be written ({error.strerror}); choose another place"
        ) from error
    _write_mark(folder, new)


def _check_replaceable(folder: Path, own: Iterable[str]) -> None:
    """Refuse a folder of files that were not exported."""
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    others = sorted(name for name in there.difference(own) if not name.startswith("."))
    if others:
        raise OutputError(
            f"{folder / others[0]}: exists, and is no file of an earlier export of this kind; "
            "choose an empty folder, or a new one"
        )


def _exported_before(folder: Path) -> list[str]:
    try:
        mark = json.loads((folder / MARK_FILE).read_text(encoding="utf-8"))
        names = mark["files"] if mark["format"] == MARK else []
        # A mark may have been changed; none but files of this folder are taken away.
        return [name for name in names if name == Path(name).name and not name.startswith(".")]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _write_mark(folder: Path, files: Iterable[str]) -> None:
    write_json(folder / MARK_FILE, {"format": MARK, "files": list(dict.fromkeys(files))})
