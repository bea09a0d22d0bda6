"""Text files of any length, plain or gzip, read and written in a stream."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, TextIO, cast

from speakergmm.errors import ManifestError
from speakergmm.files import writing

if TYPE_CHECKING:
    from collections.abc import Iterator

GZIP_SUFFIX = ".gz"
GZIP_MAGIC = b"\x1f\x8b"

# How files begin that are no text, but hold trials or scores of BOSARIS: HDF5's, and MATLAB's.
NO_TEXT = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"MATLAB 7.3 MAT-file": "a MATLAB file",
    b"MATLAB 5.0 MAT-file": "a MATLAB file",
}
FIRST_BYTES = max(map(len, NO_TEXT))

BUFFER_BYTES = 1 << 18

# Of 1 to 9: as small as matters, in half the time of 9.
COMPRESSION = 6


class _Source(io.BufferedReader):
    """Bytes of a text; counts them, and refuses the zero bytes of UTF-16."""

    n_read = 0

    def __init__(self, raw: io.RawIOBase, path: Path) -> None:
        super().__init__(raw, BUFFER_BYTES)
        self.path = path

    def read(self, size: int | None = -1, /) -> bytes:
        """Read for a text that is wanted whole."""
        return self._checked(super().read(size))

    def read1(self, size: int = -1, /) -> bytes:
        """Read for a text that is wanted line by line."""
        return self._checked(super().read1(size))

    def _checked(self, block: bytes) -> bytes:
        self.n_read += len(block)
        if b"\0" in block:
            # Says where it is no text at all.
            block.decode("utf-8")
            raise ManifestError(f"{self.path}: looks like UTF-16; save {_wanted(self.path)}")
        return block


def refuse_pipe(path: Path, *, is_named: bool = False) -> None:
    """Refuse a list that comes through a pipe, where that cannot be or might never end.

    Parameters
    ----------
    is_named : bool
        Refuse only one that has a name on disk, and for whose writer one would wait for ever; not
        what a shell makes of ``<(...)``.

    Raises
    ------
    ManifestError
        When it is one.
    """
    # What a shell makes is /dev/fd/63, a link to a name that is nowhere.
    if path.is_fifo() and (not is_named or Path(os.path.realpath(path)).exists()):
        raise ManifestError(f"{path}: is a pipe; expected a file: write the list to one first")


def _wanted(path: Path) -> str:
    """Say what a file is to be, in the words of whatever program saves it."""
    name = path.name.lower().removesuffix(GZIP_SUFFIX)
    return "the list as CSV in UTF-8" if name.endswith(".csv") else "it as text in UTF-8"


def _unpacked(file: io.BufferedReader, path: Path) -> io.BufferedIOBase:
    """Unpack what is compressed.

    Raises
    ------
    ManifestError
        When only its name says that it is, or it is known to be no text.
    """
    # Not by reading it and going back, which a pipe cannot.
    first = file.peek(FIRST_BYTES)[:FIRST_BYTES]
    if first.startswith(GZIP_MAGIC):
        return gzip.GzipFile(fileobj=file, mode="rb")
    if first and path.suffix.lower() == GZIP_SUFFIX:
        raise ManifestError(
            f"{path}: not a gzip file; expected one by its name: rename it, or compress the list"
        )
    for begin, what in NO_TEXT.items():
        if first.startswith(begin):
            raise ManifestError(
                f"{path}: is {what}, and lists are read as text alone; write them as text first "
                "(BOSARIS: save_txt)"
            )
    return file


@contextmanager
def reading_text(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 list with or without a byte order mark, its line ends as they are.

    What is compressed by gzip is told by its name or by its first bytes.

    Raises
    ------
    ManifestError
        When there is no such file, it cannot be read or unpacked, or it is not UTF-8 text; also
        where that is found while the block reads.
    """
    source = None
    try:
        with path.open("rb") as file:
            raw = _unpacked(file, path)
            source = _Source(cast("io.RawIOBase", raw), path)
            with io.TextIOWrapper(source, encoding="utf-8-sig", newline="") as text:
                yield text
    except FileNotFoundError:
        raise ManifestError(f"{path}: no such file; expected a list in CSV") from None
    except UnicodeDecodeError as error:
        # The decoder knows no more than the end of what was read so far.
        place = error.start + (source.n_read - len(error.object) if source else 0)
        raise ManifestError(
            f"{path}: not UTF-8 text (byte {place}); save {_wanted(path)}"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise ManifestError(
            f"{path}: the gzip file is cut off or damaged; copy it, or compress the list, again"
        ) from None
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror})") from None


@contextmanager
def writing_text(path: Path | str) -> Iterator[TextIO]:
    """Write UTF-8 text in a stream, whole or not at all; gzip where the name ends in ``.gz``.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    with writing(path) as temporary, temporary.open("wb") as file:
        packed = Path(path).suffix.lower() == GZIP_SUFFIX
        # No name and no time inside, so equal texts make equal files.
        binary: IO[bytes] = (
            cast("IO[bytes]", gzip.GzipFile("", "wb", COMPRESSION, file, mtime=0))
            if packed
            else file
        )
        # A file name need not be text; such an id is written with its bytes escaped.
        with (
            binary,
            io.TextIOWrapper(binary, "utf-8", "backslashreplace", newline="") as text,
        ):
            yield text
