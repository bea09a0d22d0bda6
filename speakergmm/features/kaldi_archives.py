"""Kaldi's archives of matrices: ``feats.ark``, and ``feats.scp`` which says what is where in it.

Binary matrices, compressed ones too, are read through kaldiio, the extra ``kaldi``. It is given
open files that stand where a matrix begins, never a name, and nothing but matrices: of a name such
as ``gunzip -c x.gz |`` it would run the command, and Python objects it would load, which may run
anything.
"""

from __future__ import annotations

import itertools
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from speakergmm.errors import FrameError, MissingError
from speakergmm.features.exported_files import check_exported, mark_exported
from speakergmm.features.kaldi_scripts import ScpEntry, scp_entries
from speakergmm.features.named_frames import as_frames, checked, of_one_size
from speakergmm.files import remove, writing
from speakergmm.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from speakergmm.features.named_frames import NamedFrames

BINARY = b"\0B"


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a kind of matrix is kept: bytes of a number and, before all of them, of a column.

    The sizes (rows, columns) stand ``skipped`` bytes after the beginning, in the layout ``sizes``.
    """

    number_bytes: int
    column_bytes: int
    skipped: int
    sizes: str

    def total_bytes(self, n_rows: int, n_columns: int) -> int:
        begins = self.skipped + struct.calcsize(self.sizes)
        return begins + n_columns * (self.column_bytes + n_rows * self.number_bytes)


LAYOUTS = {
    b"FM": _Layout(4, 0, 5, "<xixi"),
    b"DM": _Layout(8, 0, 5, "<xixi"),
    # Compressed: in one byte after percentiles of each column, in two, in one.
    b"CM": _Layout(1, 8, 13, "<ii"),
    b"CM2": _Layout(2, 0, 14, "<ii"),
    b"CM3": _Layout(1, 0, 14, "<ii"),
}
# What is written: the archive, and what says what is where in it.
WRITTEN_FILES = ARCHIVE_FILE, SCRIPT_FILE = "feats.ark", "feats.scp"

# An utterance's id in an archive is no longer than this.
MAX_KEY_BYTES = 4096


def read_scp(path: Path | str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Read the utterances of a script file one by one.

    Yields
    ------
    utterance_id : str
    frames : (T, D) float32
        What is double or compressed is converted.

    Raises
    ------
    MissingError
        When kaldiio is not installed, or a file does not exist.
    FrameError
        When the script file is refused (at once, see `scp_entries`); when a matrix is damaged, or
        not of finite numbers, or not as wide as the others (when its turn comes).
    """
    entries = scp_entries(path)
    _kaldiio()
    return of_one_size(_read_entries(entries), path)


def _read_entries(entries: list[ScpEntry]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    # Neighbors mostly stand in one archive.
    for path, group in itertools.groupby(entries, key=lambda entry: entry.path):
        with _open(path) as file:
            for entry in group:
                file.seek(entry.offset)
                yield entry.utterance_id, entry.part(_matrix(str(entry), file))


def read_ark(path: Path | str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Read the utterances of an archive one by one, in its order.

    Yields and raises what `read_scp` does.
    """
    _kaldiio()
    # What is not there is said at once.
    _open(Path(path)).close()
    return of_one_size(_read_archive(Path(path)), path)


def _read_archive(path: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    seen: set[str] = set()
    with _open(path) as file:
        while (name := _key(path, file)) is not None:
            if name in seen:
                raise FrameError(f"{path}: utterance {name!r} again; expected each once")
            seen.add(name)
            where = f"{path}, utterance {name!r}"
            yield name, _matrix(where, file)
    if not seen:
        raise FrameError(f"{path}: empty; expected an archive of matrices")


def _open(path: Path) -> IO[bytes]:
    try:
        if path.exists() and not path.is_file():
            raise FrameError(f"{path}: not a file; expected a Kaldi archive (.ark)")
        return path.open("rb")
    except FileNotFoundError:
        raise MissingError(
            f"{path}: no such file; expected a Kaldi archive (.ark); run where its script file's "
            "paths begin"
        ) from None
    except OSError as error:
        raise FrameError(f"{path}: cannot be read ({error.strerror})") from None


def _key(path: Path, file: IO[bytes]) -> str | None:
    """Read the name before the next matrix; None at the end of the archive."""
    key = bytearray()
    while (byte := file.read(1)) not in (b"", b" "):
        key += byte
        if len(key) > MAX_KEY_BYTES:
            break
    if not key.strip():
        return None
    try:
        name = key.decode("utf-8").lstrip("\n")
    except UnicodeDecodeError:
        name = ""
    if byte != b" " or not name or visible(name) != name:
        raise FrameError(
            f"{path}: not a Kaldi archive, or a damaged one: {bytes(key[:20])!r} stands where an "
            "utterance should begin; an archive of a single matrix needs a script file (.scp)"
        )
    return name


def _matrix(where: str, file: IO[bytes]) -> NDArray[np.float32]:
    """Read the matrix that begins where a file stands."""
    start = file.tell()
    beginning = file.read(len(BINARY) + 4)
    file.seek(start)
    if beginning.startswith(BINARY):
        return as_frames(where, _binary(where, file, start, beginning[len(BINARY) :]))
    if beginning.lstrip().startswith(b"["):
        return as_frames(where, _from_text(where, file))
    if not beginning:
        raise FrameError(
            f"{where}: is to begin at byte {start:,}, where the file has ended; copy the archive "
            "again, or write its script file again"
        )
    raise FrameError(
        f"{where}: no matrix of Kaldi's, but something that begins with {beginning!r}; expected "
        "frames: vectors, recordings and Python objects are not read"
    )


def _binary(where: str, file: IO[bytes], start: int, beginning: bytes) -> NDArray[Any]:
    layout = LAYOUTS.get(beginning.partition(b" ")[0])
    if layout is None:
        raise FrameError(
            f"{where}: holds no matrix, but something that begins with {beginning!r}; expected "
            "frames, one of FM, DM, CM, CM2, CM3: vectors are not read"
        )
    _check_length(where, file, start, layout)
    try:
        # What overflows is no finite number, and refused as such.
        with np.errstate(all="ignore"):
            found: NDArray[Any] = _kaldiio().read_matrix_or_vector(file)
    except (ValueError, AssertionError, IndexError, struct.error) as error:
        # kaldiio's assertions are mute.
        reason = str(error) or "not as Kaldi writes a matrix"
        raise FrameError(f"{where}: damaged ({reason}); copy or extract it again") from None
    return found


def _check_length(where: str, file: IO[bytes], start: int, layout: _Layout) -> None:
    """Refuse a matrix that cannot be in the file, before memory is asked for it."""
    n_left = file.seek(0, os.SEEK_END) - start
    file.seek(start + layout.skipped)
    sizes = file.read(struct.calcsize(layout.sizes))
    file.seek(start)
    shape = struct.unpack(layout.sizes, sizes) if n_left >= layout.total_bytes(0, 0) else (-1, -1)
    if min(shape) < 0 or layout.total_bytes(*shape) > n_left:
        raise FrameError(
            f"{where}: cut off or damaged: no matrix of shape {shape} is in the {n_left:,} bytes "
            "that are left; copy or extract it again"
        )


def _from_text(where: str, file: IO[bytes]) -> NDArray[np.float64]:
    """Read a matrix in Kaldi's text form; kaldiio takes some for whole numbers, and rounds them."""
    text = bytearray()
    while b"]" not in text:
        line = file.readline()
        if not line:
            raise FrameError(f"{where}: cut off: no ] at its end; copy or extract it again")
        text += line
    lines = text[text.index(b"[") + 1 : text.index(b"]")].decode("latin-1").split("\n")
    rows = [line.split() for line in lines if line.strip()]
    odd = next((i for i, row in enumerate(rows) if len(row) != len(rows[0])), None)
    if odd is not None:
        raise FrameError(
            f"{where}: row {odd} is of length {len(rows[odd])}, row 0 of length {len(rows[0])}; "
            "expected rows of one length: copy or extract it again"
        )
    try:
        return np.array(rows, dtype=np.float64)
    except ValueError as error:
        raise FrameError(f"{where}: damaged ({error}); copy or extract it again") from None


def _kaldiio() -> Any:
    try:
        from kaldiio import matio
    except ImportError:
        raise MissingError(
            'reading Kaldi archives needs kaldiio; install it with: pip install "speakergmm[kaldi]"'
        ) from None
    return matio


def write_kaldi(folder: Path | str, named: NamedFrames) -> tuple[int, int]:
    """Write an archive of float matrices and its script file: ``feats.ark`` and ``feats.scp``.

    Both are there in the end, or neither is new; those of an earlier export are replaced, as a mark
    beside them says, and other files of the folder stay. The script file names the archive by its
    full path, as Kaldi wants it; a moved folder needs paths relative to it, which `read_scp` also
    takes.

    Parameters
    ----------
    named : iterable of (utterance_id, frames (T, D))
        Taken one by one. Kaldi's programs want them in the order of their ids (``LC_ALL=C sort``).

    Returns
    -------
    n_utterances, n_frames : int

    Raises
    ------
    FrameError
        When an id has white space in it or comes twice, or frames are not as `as_frames` wants
        them, of one size.
    OutputError
        When the files cannot be written, or are there and were not exported.
    """
    folder = Path(folder)
    check_exported(folder, WRITTEN_FILES)
    ark, scp = folder / ARCHIVE_FILE, folder / SCRIPT_FILE
    target = _place_of(ark)
    places: dict[str, int] = {}
    n_frames = 0
    with writing(scp) as new_scp, writing(ark) as new_ark:
        with new_ark.open("wb") as file:
            for name, matrix in of_one_size(checked(named), "output"):
                _check_key(name, places)
                file.write(f"{name} ".encode())
                places[name] = file.tell()
                file.write(
                    BINARY + b"FM " + struct.pack("<bibi", 4, len(matrix), 4, matrix.shape[1])
                )
                file.write(matrix.astype("<f4").tobytes())
                n_frames += len(matrix)
        if not places:
            raise FrameError("there are no utterances to write; expected one or more")
        lines = (f"{name} {target}:{offset}\n" for name, offset in places.items())
        new_scp.write_text("".join(lines), encoding="utf-8", newline="\n")
        # Before they get their names, so that a killed run leaves none that the next would refuse.
        mark_exported(folder, WRITTEN_FILES)
        # A killed run must not leave an old script file beside a new archive.
        remove(scp.resolve())
    return len(places), n_frames


def _place_of(ark: Path) -> str:
    """Give the path by which a script file names an archive."""
    target = str(ark.resolve())
    if visible(target) != target or re.search(r"[][|]", target):
        raise FrameError(
            f"{visible(target)}: a script file cannot name such a path; choose one without "
            "brackets, bars and line ends"
        )
    return target


def _check_key(name: str, others: dict[str, int]) -> None:
    if not name or re.search(r"\s", name) or visible(name) != name:
        raise FrameError(
            f"utterance {name!r} cannot be the key of a Kaldi archive; expected an id without "
            "blanks: rename it in the list"
        )
    if name in others:
        raise FrameError(f"utterance {name!r} comes twice; expected each once")
