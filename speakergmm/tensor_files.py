"""Files of arrays in safetensors, checked to the last byte before they are believed.

Model files, cohorts, system files and exported speakers are all such files: arrays, and one entry
of metadata that says what they are. Never pickle: reading such a file runs no code.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from speakergmm._version import __version__
from speakergmm.files import writing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from speakergmm.errors import SpeakerGMMError

# Stands in the place of the digest while it is computed over all bytes of the file.
BLANK = "0" * 64
DIGEST_KEY = "sha256"

# The length of the header, in the first bytes of a safetensors file; safetensors itself reads no
# longer header than this.
LENGTH_BYTES, MAX_HEADER = 8, 100_000_000

# No file of these is anywhere near as large; a device or a disk image is.
MAX_FILE = 1 << 34

# No format has as many versions, and of what a file says no more is shown than fits a line.
MAX_VERSION, SHOWN = 1_000_000, 200


@dataclass(frozen=True)
class TensorFileKind:
    """One kind of file.

    Parameters
    ----------
    key : str
        Names the kind in the file's metadata.
    version : int
        The newest that this program knows, and the one that it writes.
    checked_from : int
        The first version with a digest of the whole file.
    what : str
        What a person calls it, such as "cohort".
    made_by : str
        The commands that write it.
    error : exception class
        Raised for whatever is wrong with such a file.
    """

    key: str
    version: int
    checked_from: int
    what: str
    made_by: str
    error: type[SpeakerGMMError]


@dataclass(frozen=True, eq=False)
class TensorFile:
    """What a file holds: ``about``, a JSON object with its ``version``; arrays; its digest."""

    about: dict[str, Any]
    tensors: dict[str, NDArray[Any]]
    digest: str


def save_tensors(
    path: Path | str,
    kind: TensorFileKind,
    about: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any]],
    *,
    private: bool = False,
) -> None:
    """Write a file, atomically. The same content gives the same bytes.

    Parameters
    ----------
    private : bool
        Readable by its owner only.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    import numpy as np
    from safetensors.numpy import save

    said = {name: value for name, value in about.items() if name != DIGEST_KEY}
    text = json.dumps({**said, "version": kind.version}, sort_keys=True, allow_nan=False)
    # The digest stands first, where nothing that a user has named can be taken for it.
    entry = f'{{"{DIGEST_KEY}": "{BLANK}", {text[1:]}'
    arrays = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    # One metadata entry, since safetensors does not keep the order of several.
    content = save(arrays, metadata={kind.key: entry})
    digest = hashlib.sha256(content).hexdigest()
    at = _place_of_digest(kind, content)
    whole = content[:at] + digest.encode() + content[at + len(BLANK) :]
    with writing(path) as temporary:
        if private:
            # One that a killed process left would keep its mode.
            temporary.unlink(missing_ok=True)
            os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
        temporary.write_bytes(whole)


def _place_of_digest(kind: TensorFileKind, content: bytes) -> int:
    """Find where the digest stands in the header; -1 where there is none."""
    header_end = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    # The entry is JSON as a text in JSON. Within any text quotes have a backslash before them, so
    # those without one are the entry's own.
    before = f'"{kind.key}":"{{\\"{DIGEST_KEY}\\": \\"'.encode()
    at = content.find(before, LENGTH_BYTES, header_end)
    return -1 if at < 0 else at + len(before)


def load_tensors(path: Path | str, kind: TensorFileKind) -> TensorFile:
    """Read a file, and check that it is whole and of this kind.

    Raises
    ------
    SpeakerGMMError
        Of the kind's class: when there is no such file, it is of another kind, damaged, or was
        written by a newer version of this program.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = Path(path)
    content = _content(path, kind)
    about = _about(path, kind, content)
    # One that has a digest is checked, whatever version a damaged one says it is.
    if about["version"] >= kind.checked_from or DIGEST_KEY in about:
        _check_digest(path, kind, content, about)
    try:
        tensors = load(content)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise damaged(path, kind, error) from None
    return TensorFile(about, tensors, hashlib.sha256(content).hexdigest())


def kind_of(path: Path | str) -> str:
    """Tell which kind a file says it is, by its key; empty where it is none or cannot be read."""
    try:
        # What is no file may be a pipe, which would be waited for.
        if not Path(path).is_file():
            return ""
        with Path(path).open("rb") as file:
            keys = list(_parsed(_header(file))["__metadata__"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    return keys[0] if len(keys) == 1 else ""


def damaged(path: Path, kind: TensorFileKind, reason: object) -> SpeakerGMMError:
    """Say that a file cannot be read as what it is called."""
    return kind.error(
        f"{path}: not a {kind.what} file, or a damaged one ({_shown(reason)}); copy it again, or "
        f"make it anew by {kind.made_by}"
    )


def _shown(reason: object) -> str:
    """Give what may come out of the file itself as a part of one line."""
    text = " ".join(str(reason).split())
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _content(path: Path, kind: TensorFileKind) -> bytes:
    try:
        if not path.is_file():
            found = "not a file" if path.exists() else "no such file"
            raise kind.error(f"{path}: {found}; expected a {kind.what} that {kind.made_by} wrote")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE:
                raise damaged(path, kind, f"{size:,} bytes")
            # What is no such file is not read to its end.
            _header(file)
            file.seek(0)
            return file.read()
    except (OSError, ValueError) as error:
        if isinstance(error, kind.error):
            raise
        if isinstance(error, _HeaderError):
            raise damaged(path, kind, error) from None
        raise kind.error(f"{path}: cannot be read ({getattr(error, 'strerror', error)})") from None


class _HeaderError(ValueError):
    """What stands where a header is expected is none."""


def _header(file: BinaryIO) -> bytes:
    """Read the header, no more of it than there is."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    if size < LENGTH_BYTES or length > min(size - LENGTH_BYTES, MAX_HEADER):
        raise _HeaderError(f"{size:,} bytes, too few or too many for its header")
    header = file.read(length)
    if len(header) < length:
        raise _HeaderError("it became shorter while it was read")
    return header


def _parsed(text: str | bytes) -> Any:
    """Read JSON of which no two readers can think differently."""
    return json.loads(text, object_pairs_hook=each_once, parse_constant=_no_number)


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON of its entries, none of which may be there twice.

    Raises
    ------
    ValueError
        When one is.
    """
    table: dict[str, Any] = {}
    for name, value in pairs:
        if name in table:
            raise ValueError(f"{name!r} stands there twice")
        table[name] = value
    return table


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _about(path: Path, kind: TensorFileKind, content: bytes) -> dict[str, Any]:
    """Read the entry that says what the file holds."""
    length = int.from_bytes(content[:LENGTH_BYTES], "little")
    try:
        metadata = _parsed(content[LENGTH_BYTES : LENGTH_BYTES + length]).get("__metadata__") or {}
        if kind.key not in metadata:
            found = ", ".join(map(repr, sorted(metadata)))
            raise kind.error(
                f"{path}: not a speakergmm {kind.what} (no {kind.key!r} in its metadata"
                f"{f', which says {_shown(found)}' if found else ''}); expected a file that "
                f"{kind.made_by} wrote"
            )
        about = _parsed(metadata[kind.key])
        version = about["version"]
        check_version(version)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, kind.error):
            raise
        raise damaged(path, kind, error) from None
    if version > kind.version:
        written = about.get("versions")
        by = written.get("speakergmm") if isinstance(written, dict) else None
        raise kind.error(
            f"{path}: {kind.what} file version {version}, this program ({__version__}) reads up to "
            f"{kind.version}; upgrade speakergmm"
            f"{f' (the file was written by {_shown(by)})' if by else ''}"
        )
    return dict(about)


def check_version(version: object) -> None:
    """Refuse what cannot be the number of a format's version.

    Raises
    ------
    ValueError
        Saying so.
    """
    is_number = isinstance(version, int) and not isinstance(version, bool)
    if not is_number or not 1 <= version <= MAX_VERSION:  # type: ignore[operator]
        raise ValueError(f"version {version!r}")


def _check_digest(
    path: Path, kind: TensorFileKind, content: bytes, about: Mapping[str, Any]
) -> None:
    """Refuse a file of which a single bit has changed."""
    at = _place_of_digest(kind, content)
    digest = content[at : at + len(BLANK)]
    if at < 0 or about.get(DIGEST_KEY) != digest.decode("ascii", "replace"):
        raise damaged(path, kind, "it has no digest")
    whole = hashlib.sha256(content[:at])
    whole.update(BLANK.encode())
    whole.update(memoryview(content)[at + len(BLANK) :])
    if whole.hexdigest().encode() != digest:
        raise damaged(path, kind, "its content does not agree with its digest")
