"""Files that are whole or not there: atomic writing, content digests, canonical JSON."""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import os
import re
import stat
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from speakergmm.errors import OutputError

try:
    import fcntl
except ImportError:
    # Not on Windows, where two runs into one folder are not kept apart.
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

# What NumPy says, without a number of the system, when the disk takes a part of an array.
SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")

# What keeps others out of a folder, and how often it is tried while others remove theirs.
LOCK = ".lock"
LOCK_ATTEMPTS = 10


@contextmanager
def writing(path: Path | str) -> Iterator[Path]:
    """Give a temporary name beside ``path``, and rename it to ``path`` when the block succeeds.

    Whatever happens inside (an error, a full disk, Ctrl-C), ``path`` holds its old content or the
    whole new one, and the temporary file is gone. Of a link it is the file that the link names.

    Raises
    ------
    OutputError
        When the folder cannot be made, the file cannot be written, or what is there is no file but
        a device, say, which would be replaced by one.
    """
    path = _final(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise _cannot_write(path, error) from error
    finally:
        # Best effort: where even the folder cannot be searched there is nothing to remove.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder while the block runs, and sweep up after killed ones.

    Where the block fails, the lock goes if it was not there before, and so do the folders that
    were made for it, unless something is in them.

    Raises
    ------
    OutputError
        When another process works there, or the folder cannot be made.
    """
    try:
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        is_new = not (folder / LOCK).exists()
        handle = _lock(folder)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise _cannot_write(folder, error) from error
    with handle:
        try:
            for left_over in folder.rglob(".*.tmp"):
                with suppress(OSError):
                    left_over.unlink()
            yield
        except BaseException:
            if is_new and fcntl is not None:
                _remove_lock(folder, made)
            raise


def _lock(folder: Path) -> TextIO:
    """Open the lock of a folder, which is made where it is not there, and take it.

    Another run that fails may remove lock and folder at any moment before they are ours. So a lock
    that was taken counts only if it still is the file of that name; else it is done again.
    """
    for _ in range(LOCK_ATTEMPTS):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = (folder / LOCK).open("a")
        except FileNotFoundError:
            continue
        if fcntl is None:
            return handle
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            raise _busy(folder) from None
        except OSError:
            # Not all file systems have locks: Lustre only where it is mounted with them. As on
            # Windows, two runs are not kept apart then.
            return handle
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle.fileno()), (folder / LOCK).stat()):
                return handle
        handle.close()
    raise _busy(folder)


def _busy(folder: Path) -> OutputError:
    return OutputError(f"{folder}: another run works here; wait for it, or choose another folder")


def _remove_lock(folder: Path, made: Iterable[Path]) -> None:
    """Remove a lock that is held, and the folders around it that are empty, innermost first.

    Whoever opened the lock before sees in `_lock` that it is none any more. Whoever makes a new one
    from now on has something in the folder, which then stays.
    """
    with suppress(OSError):
        (folder / LOCK).unlink()
        for place in made:
            place.rmdir()


def _final(path: Path | str) -> Path:
    """Follow links to what is to be written, and refuse what is there and no file."""
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OutputError(f"{path}: not a file, but a device or a pipe; choose another place")
    return path


def _cannot_write(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    is_full = error.errno in NO_SPACE
    if error.errno is None and SHORT_WRITE.fullmatch(reason):
        reason, is_full = os.strerror(errno.ENOSPC), True
    advice = "free some space, or choose" if is_full else "choose"
    return OutputError(f"{path}: cannot be written ({reason}); {advice} another place")


def check_apart(output: Path | str, inputs: Iterable[Path | str | None]) -> None:
    """Refuse an output that would take the place of something that is read.

    Raises
    ------
    OutputError
        Naming it.
    """
    for read in inputs:
        if read is not None and os.path.realpath(read) == os.path.realpath(output):
            raise OutputError(
                f"{output}: is read here, and would be written over; choose another place for the "
                "output"
            )


def check_writable(path: Path | str) -> None:
    """Refuse a file that could not be written, before the work whose result it is to hold.

    Raises
    ------
    OutputError
        When it is a folder, or its folder cannot be made or written to.
    """
    path = _final(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a file that is about to be made anew; nothing happens where there is none.

    Raises
    ------
    OutputError
        When it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from error


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text with Unix line ends, atomically."""
    with writing(path) as temporary:
        # A file name need not be text; such a one is written with its bytes escaped.
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))


def write_json(path: Path | str, value: Any) -> None:
    """Write a value as indented JSON, atomically. NaN and infinity are refused by the format."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def file_digest(path: Path | str) -> str:
    """SHA-256 of a file's content, in hexadecimal.

    Raises
    ------
    OSError
        When it cannot be read, or is a pipe or a device, which may have no end.
    """
    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise OSError(errno.EINVAL, "not a file", str(path))
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests_once() -> Callable[[Path], str]:
    """Give a `file_digest` that reads each file once, however many segments are cut out of it."""
    return functools.cache(file_digest)


def readable_size(n_bytes: int) -> str:
    """Say a number of bytes in the unit that a person would take: 3 bytes, 12 kB, 1.0 GB."""
    if n_bytes < 1000:
        return f"{n_bytes} bytes"
    value, unit = n_bytes / 1e3, "kB"
    for larger in ("MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1e3, larger
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:,.0f} {unit}"


def value_digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON: sorted keys, no blanks, so equal values agree."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
