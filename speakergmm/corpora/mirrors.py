"""Mirrors: other places where the files of a corpus lie, by an address or in a folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from speakergmm.errors import DownloadError

EXPECTED = "expected an address (https://..., http://... or file://...), or a folder"


def mirror_place(mirror: str) -> str | Path:
    """Give the folder that a mirror names, or its address, without a slash at the end.

    Raises
    ------
    DownloadError
        When it is neither, or no server can have such an address.
    """
    # Of an empty name, the folder would be the one that the program runs in.
    if mirror and _is_folder(mirror):
        return Path(mirror)
    try:
        parts = urlsplit(mirror)
        host, _ = parts.hostname or "", parts.port
        # As the system's resolver takes it: parts of 1 to 63 letters.
        host.encode("idna")
    except ValueError as error:
        raise DownloadError(
            f"mirror is {mirror!r}, which is no address ({error}); {EXPECTED}"
        ) from None
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    if parts.scheme not in ("http", "https"):
        raise DownloadError(f"mirror is {mirror!r}; {EXPECTED}")
    if not host:
        raise DownloadError(f"mirror is {mirror!r}, which names no server; {EXPECTED}")
    return mirror.rstrip("/")


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        # Too long, or with a zero byte.
        return False
