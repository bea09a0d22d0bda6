"""Whether a file that has come can be what its name says, where no digest tells."""

from __future__ import annotations

import gzip
import shutil
import zlib
from typing import TYPE_CHECKING

from speakergmm.corpora.text_files import GZIP_MAGIC

if TYPE_CHECKING:
    from pathlib import Path

TEXT_SUFFIXES = (".txt", ".csv", ".tsv", ".lst")

# No list begins so; a page that asks to log in, or says that nothing is there, does.
HTML_BEGINNINGS = (b"<!doctype", b"<html", b"<head", b"<body", b"<script", b"<?xml", b"<!--")
BEGINNING = 1024


def content_problem(file: Path, name: str) -> str | None:
    """Say why a file is none of that name; None where nothing tells.

    Every file has to hold something, and a list (`TEXT_SUFFIXES`) must not begin as a web page
    does, or as what is packed by gzip.
    """
    beginning = _beginning(file)
    if not beginning:
        return "is empty"
    if not is_text(name):
        return None
    if beginning.startswith(GZIP_MAGIC):
        return "is packed by gzip, expected a text"
    is_page = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(HTML_BEGINNINGS)
    return "is a web page, expected a list" if is_page else None


def is_text(name: str) -> bool:
    """Tell by its name whether a file is a text."""
    return name.lower().endswith(TEXT_SUFFIXES)


def unpack_text(file: Path, place: Path, name: str) -> bool:
    """Unpack a text that a server has packed for the way, though it was not asked to.

    Returns
    -------
    bool
        Whether it was packed and is whole; else nothing of it is at ``place``.
    """
    if not is_text(name) or not _beginning(file).startswith(GZIP_MAGIC):
        return False
    try:
        with gzip.open(file) as packed, place.open("wb") as text:
            shutil.copyfileobj(packed, text)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        place.unlink()
        return False
    return True


def _beginning(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(BEGINNING)
