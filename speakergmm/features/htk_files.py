"""HTK parameter files: a header of 12 bytes, then frame after frame, big-endian.

The HTK Book, version 3.4, section 5.10.1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from speakergmm.config import check_range
from speakergmm.errors import ConfigError, FrameError, MissingError
from speakergmm.features.named_frames import as_frames
from speakergmm.files import writing
from speakergmm.names import first_repeated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

SUFFIX = ".htk"
EVERY_FILE = f"*{SUFFIX}"

# What the six low bits of parmKind say; octal, as in The HTK Book.
BASE_MASK = 0o77
BASE_KINDS = (
    "WAVEFORM", "LPC", "LPREFC", "LPCEPSTRA", "LPDELCEP", "IREFC", "MFCC", "FBANK", "MELSPEC",
    "USER", "DISCRETE", "PLP", "ANON",
)  # fmt: skip
# What holds no frames of floats, and why.
NO_FRAMES = {
    "WAVEFORM": "samples of a waveform; give the recording to `features extract`",
    "IREFC": "reflection coefficients as 16-bit integers; write them as LPREFC with HCopy",
    "DISCRETE": "numbers of code words",
}

# The bits above, in the order in which HTK writes their letters.
QUALIFIERS = {
    "E": 0o100, "D": 0o400, "N": 0o200, "A": 0o1000, "T": 0o100000, "C": 0o2000, "K": 0o10000,
    "Z": 0o4000, "0": 0o20000, "V": 0o40000,
}  # fmt: skip
# Of these, how a file keeps its frames; not what they are.
STORAGE = ("C", "K")

HEADER = "iihH"
HEADER_BYTES, CHECKSUM_BYTES = 12, 2
# A compressed file counts its two vectors of scales, of twice as wide numbers, as four frames.
SCALE_FRAMES = 4

HOPS_PER_S = 10_000_000
MAX_BYTES_A_FRAME, MAX_NUMBER = 2**15 - 1, 2**31 - 1


@dataclass(frozen=True, eq=False)
class HtkFrames:
    """What an HTK parameter file holds.

    Parameters
    ----------
    frames : (T, D) float32
    hop_s : float
        From one frame to the next, in seconds.
    kind : str
        What they are, such as ``"MFCC_E_D_A"``: HTK's name, without the letters C and K, which
        say how the file keeps them.
    byte_order : {"big", "little"}
        Little-endian files are against the rules, but met.
    """

    frames: NDArray[np.float32]
    hop_s: float
    kind: str
    byte_order: Literal["big", "little"] = "big"


@dataclass(frozen=True, slots=True)
class _Header:
    n_samples: int
    period: int
    n_bytes: int
    parm_kind: int

    @classmethod
    def of(cls, content: bytes, order: str) -> _Header:
        return cls(*struct.unpack(order + HEADER, content))

    def has(self, qualifier: str) -> bool:
        return bool(self.parm_kind & QUALIFIERS[qualifier])

    @property
    def base(self) -> str:
        return BASE_KINDS[self.parm_kind & BASE_MASK]

    @property
    def letters(self) -> str:
        return "".join(f"_{q}" for q in QUALIFIERS if self.has(q) and q not in STORAGE)

    @property
    def file_bytes(self) -> int:
        """How long the file must be."""
        checksum = CHECKSUM_BYTES if self.has("K") else 0
        return HEADER_BYTES + self.n_samples * self.n_bytes + checksum

    def is_of_size(self, n_bytes: int) -> bool:
        """Tell whether a file of so many bytes holds what is said here."""
        return self.n_samples >= 0 and self.n_bytes > 0 and self.file_bytes == n_bytes

    def problem(self, n_bytes: int) -> str | None:
        """Say why this is not the header of a file of so many bytes; None where it may be."""
        kind = self.parm_kind & BASE_MASK
        if not self.is_of_size(n_bytes):
            return (
                f"by its header it has {self.n_samples:,} frames of {self.n_bytes:,} bytes and "
                f"kind {kind}, so {self.file_bytes:,} bytes; it has {n_bytes:,}"
            )
        if kind >= len(BASE_KINDS):
            return (
                f"by its header its frames are of kind {kind}; expected 0 to {len(BASE_KINDS) - 1}"
            )
        if self.period <= 0:
            return (
                f"by its header frames follow one another after {self.period:,} times 100 ns; "
                "expected 1 or more: write it again with the hop of its frames"
            )
        return None


def read_htk(path: Path | str) -> HtkFrames:
    """Read an HTK parameter file.

    Compressed files (``_C``) are expanded; a checksum (``_K``) is passed over.

    Raises
    ------
    MissingError
        When there is no such file.
    FrameError
        When it is none of HTK's, cut off, or holds no frames of finite floats.
    """
    path = Path(path)
    content = _content(path)
    if len(content) < HEADER_BYTES:
        raise FrameError(
            f"{path}: {len(content)} bytes; expected an HTK parameter file, whose header alone has "
            f"{HEADER_BYTES}"
        )
    head = content[:HEADER_BYTES]
    big, little = _Header.of(head, ">"), _Header.of(head, "<")
    size = len(content)
    headers = ((big, ">"), (little, "<"))
    # Of two that do not fit, the one that is of the right size says more.
    fitting = [found for found in headers if found[0].problem(size) is None]
    sized = [found for found in headers if found[0].is_of_size(size)]
    header, order = (*fitting, *sized, *headers)[0]
    problem = header.problem(size)
    if problem is not None:
        raise FrameError(f"{path}: not an HTK parameter file, or a damaged one: {problem}")
    if header.base in NO_FRAMES:
        raise FrameError(f"{path}: kind {header.base}: {NO_FRAMES[header.base]}; expected frames")
    if header.has("V"):
        raise FrameError(
            f"{path}: kind {header.base}{header.letters} has numbers of code words (_V) among the "
            "features; write the file without them with HCopy"
        )
    frames = as_frames(str(path), _values(path, content, header, order))
    kind, hop_s = header.base + header.letters, header.period / HOPS_PER_S
    return HtkFrames(frames, hop_s, kind, "little" if order == "<" else "big")


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise FrameError(f"{path}: not a file; expected an HTK parameter file")
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingError(f"{path}: no such file; expected an HTK parameter file") from None
    except OSError as error:
        raise FrameError(f"{path}: cannot be read ({error.strerror})") from None


def _values(path: Path, content: bytes, header: _Header, order: str) -> NDArray[np.floating]:
    """Give the numbers (T, D) that follow a header."""
    is_compressed = header.has("C")
    width = 2 if is_compressed else 4
    n_features, rest = divmod(header.n_bytes, width)
    if rest or (is_compressed and header.n_samples < SCALE_FRAMES):
        raise FrameError(
            f"{path}: {header.n_samples:,} frames of {header.n_bytes:,} bytes; expected "
            + (f"{SCALE_FRAMES} or more of 2-byte integers" if is_compressed else "4-byte floats")
        )
    if not is_compressed:
        n_values = header.n_samples * n_features
        values = np.frombuffer(content, f"{order}f4", n_values, HEADER_BYTES)
        return values.reshape(-1, n_features)
    scales = np.frombuffer(content, f"{order}f4", 2 * n_features, HEADER_BYTES).astype(np.float64)
    n_values = (header.n_samples - SCALE_FRAMES) * n_features
    shorts = np.frombuffer(content, f"{order}i2", n_values, HEADER_BYTES + 8 * n_features)
    with np.errstate(divide="ignore", invalid="ignore"):
        # x = (short + B) / A, The HTK Book, 5.10.1.
        return (shorts.reshape(-1, n_features) + scales[n_features:]) / scales[:n_features]


def write_htk(path: Path | str, frames: ArrayLike, hop_s: float, kind: str = "USER") -> None:
    """Write an HTK parameter file, as big-endian floats, atomically.

    Parameters
    ----------
    frames : (T, D)
    hop_s : float
        From one frame to the next, in seconds; kept in steps of 100 ns.
    kind : str
        HTK's name of what they are: ``"USER"``, or one such as ``"MFCC_0_D"``, whose order of
        features HTK then expects: cepstra, energy, c0, then their slopes.

    Raises
    ------
    ConfigError
        When there is no such kind, or it does not fit the number of features.
    FrameError
        When the frames are not finite (T, D), or more than the format can count.
    OutputError
        When the file cannot be written.
    """
    array = as_frames(str(path), frames)
    n_frames, n_features = array.shape
    if 4 * n_features > MAX_BYTES_A_FRAME or n_frames > MAX_NUMBER:
        raise FrameError(
            f"{path}: frames have shape {array.shape}; HTK's format has room for "
            f"{MAX_BYTES_A_FRAME // 4:,} features and {MAX_NUMBER:,} frames"
        )
    check_range("hop_s", hop_s, 1 / HOPS_PER_S, MAX_NUMBER / HOPS_PER_S, unit="seconds")
    parm_kind, period = _parm_kind(kind, n_features), round(hop_s * HOPS_PER_S)
    with writing(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack(">" + HEADER, n_frames, period, 4 * n_features, parm_kind))
        file.write(array.astype(">f4").tobytes())


def _parm_kind(kind: str, n_features: int) -> int:
    """Give the number of a kind of frames."""
    base, *letters = kind.split("_")
    allowed = [letter for letter in QUALIFIERS if letter not in (*STORAGE, "V")]
    if base not in BASE_KINDS or base in NO_FRAMES or not set(letters) <= set(allowed):
        bases = ", ".join(name for name in BASE_KINDS if name not in NO_FRAMES)
        raise ConfigError(
            f"kind is {kind!r}; expected one of {bases}, and any of _{', _'.join(allowed)} behind "
            "it, such as 'MFCC_0_D'"
        )
    # Statics and their slopes are of one number; _N leaves out one, the static energy.
    n_parts = 1 + sum(letter in letters for letter in "DAT")
    if (n_features + ("N" in letters)) % n_parts:
        raise ConfigError(
            f"kind is {kind!r}, of {n_parts} parts of one size; the frames have {n_features} "
            "features: choose another kind, such as 'USER'"
        )
    return BASE_KINDS.index(base) | sum(QUALIFIERS[letter] for letter in set(letters))


def read_htk_folder(
    folder: Path | str, pattern: str = EVERY_FILE
) -> Iterator[tuple[str, HtkFrames]]:
    """Read the HTK parameter files of a folder one by one, in the order of their names.

    Parameters
    ----------
    pattern : str
        Of the files' names. What stands before the last dot is the utterance. Hidden files are
        passed over.

    Yields
    ------
    utterance_id : str
    found : HtkFrames

    Raises
    ------
    MissingError
        When there is no such file there; at once, like all that can be known before reading.
    FrameError
        When two files are of one utterance; later, when one cannot be read, or they are not all of
        the same number of features, kind and hop.
    """
    folder = Path(folder)
    found = (path for path in folder.glob(pattern) if not path.name.startswith("."))
    paths = sorted(path for path in found if path.is_file())
    if not paths:
        raise MissingError(
            f"{folder}: no file {pattern!r} there; expected HTK parameter files: name the folder, "
            "and how they are called"
        )
    twice = first_repeated(path.stem for path in paths)
    if twice is not None:
        raise FrameError(f"{folder}: several files of utterance {twice!r}; expected one of each")
    return _read_alike(paths)


def _read_alike(paths: list[Path]) -> Iterator[tuple[str, HtkFrames]]:
    first: HtkFrames | None = None
    for path in paths:
        found = read_htk(path)
        first = first or found
        if _describe(found) != _describe(first):
            raise FrameError(
                f"{path}: {_describe(found)}; {paths[0].name} has {_describe(first)}; expected "
                "files of one kind"
            )
        yield path.stem, found


def _describe(found: HtkFrames) -> str:
    return f"{found.frames.shape[1]} features {found.kind} every {found.hop_s:g} s"
