"""Where audio comes from: a file by its path, an open file, or samples that are there already."""

from __future__ import annotations

import hashlib
import io
import numbers
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.claims import ListedRecording
from speakergmm.errors import AudioError
from speakergmm.files import file_digest

if TYPE_CHECKING:
    from collections.abc import Callable

# What messages call a recording that has no name.
NAMELESS, STANDARD_INPUT = "audio", "standard input"

# Rates in Hz at which there can be speech; others are those of a damaged header.
MIN_RATE, MAX_RATE = 1_000, 768_000


class _Content(io.BytesIO):
    """Sent before its beginning by a damaged header, it stays where it is, as a file does.

    In libsndfile an exception would be lost, but for a trace on standard error.
    """

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        here = self.tell()
        start = super().seek(0, whence)
        place = min(start + offset, sys.maxsize)
        return super().seek(here if place < 0 else place)


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """The content of a file that was read as a whole; ``name`` is what messages call it."""

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name

    def open(self) -> BinaryIO:
        """Open it anew, at its beginning."""
        return _Content(self.content)


@dataclass(frozen=True, slots=True, eq=False)
class GivenSamples:
    """Samples (n, n_channels) that were checked for shape and kind; ``sample_rate`` in Hz."""

    samples: NDArray[np.floating[Any]]
    sample_rate: int

    def __str__(self) -> str:
        return NAMELESS


# What a recording becomes before it is decoded; ``str`` of each names it in messages.
Source: TypeAlias = Path | MemoryFile | GivenSamples | ListedRecording

# What may be given: a path; a file opened for reading in binary mode, which need not be seekable;
# samples (n,) or (n, n_channels), full scale ±1, with their sample rate in Hz; or one of the above.
Recording: TypeAlias = Source | str | BinaryIO | tuple[NDArray[np.floating[Any]], int]


def source_of(recording: Recording) -> Source:
    """Take up a recording, unless it is; of an open file, all that is left is read into memory.

    Raises
    ------
    AudioError
        When an open file cannot be read, or samples are integers, or have another shape or rate
        than any recording.
    """
    if isinstance(recording, (MemoryFile, GivenSamples)):
        return recording
    if isinstance(recording, ListedRecording):
        return recording if recording.is_segment else recording.path
    if isinstance(recording, (str, Path)):
        return Path(recording)
    if isinstance(recording, tuple) and len(recording) == 2:
        return _given(*recording)
    read = getattr(recording, "read", None)
    if read is None:
        raise AudioError(
            f"{NAMELESS}: given as {type(recording).__name__}; expected a path, a file opened in "
            "binary mode, or (samples, sample_rate)"
        )
    name = name_of(recording)
    return MemoryFile(name, take(read, name))


def name_of(file: BinaryIO) -> str:
    """Name an open file in messages."""
    name = getattr(file, "name", None)
    if name == "<stdin>":
        return STANDARD_INPUT
    return name if isinstance(name, str) and name else NAMELESS


def take(read: Callable[..., Any], name: str, *size: int) -> bytes:
    """Call an open file's method of reading, and check what it gives.

    Raises
    ------
    AudioError
        When it cannot be read, or does not give bytes.
    """
    try:
        content = read(*size)
    except io.UnsupportedOperation:
        raise AudioError(f"{name}: not opened for reading; open it in mode 'rb'") from None
    except OSError as error:
        raise AudioError(f"{name}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:
        # It is closed, say, or text that cannot be decoded.
        raise AudioError(f"{name}: cannot be read ({error})") from None
    if content is None:
        raise AudioError(
            f"{name}: nothing has arrived, and the file does not wait; open it in blocking mode"
        )
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise AudioError(
            f"{name}: gives {type(content).__name__}; expected bytes: open it in binary mode"
        )
    return bytes(content)


def content_digest(source: Source) -> str:
    """SHA-256 of a file's content, in hexadecimal; "" for samples and segments, which are no file.

    Raises
    ------
    AudioError
        When the file can no longer be read.
    """
    if isinstance(source, (GivenSamples, ListedRecording)):
        return ""
    if isinstance(source, MemoryFile):
        return hashlib.sha256(source.content).hexdigest()
    try:
        return file_digest(source)
    except OSError as error:
        raise AudioError(f"{source}: cannot be read ({error.strerror})") from None


def _given(samples: NDArray[np.floating[Any]], sample_rate: float) -> GivenSamples:
    samples = np.asarray(samples)
    if samples.dtype.kind != "f":
        raise AudioError(
            f"{NAMELESS}: samples are {samples.dtype}; expected floats with full scale ±1: divide "
            "16-bit samples by 32768"
        )
    if samples.ndim not in (1, 2):
        raise AudioError(
            f"{NAMELESS}: samples have shape {samples.shape}; expected (n_samples,) or (n_samples, "
            "n_channels)"
        )
    if samples.ndim == 2 and samples.shape[1] > samples.shape[0] > 0:
        raise AudioError(
            f"{NAMELESS}: samples have shape {samples.shape}, {samples.shape[1]:,} channels; "
            "expected (n_samples, n_channels): transpose"
        )
    rate = whole_rate(sample_rate, f"{NAMELESS}: ")
    columns = samples[:, np.newaxis] if samples.ndim == 1 else samples
    return GivenSamples(columns, rate)


def whole_rate(sample_rate: float, of: str = "") -> int:
    """Give a sample rate in Hz as an int; 16000.0 is one as well. ``of`` begins the message.

    Raises
    ------
    AudioError
        When it is no whole number, or one at which there can be no speech.
    """
    is_number = isinstance(sample_rate, numbers.Real) and not isinstance(sample_rate, bool)
    if not is_number or not MIN_RATE <= sample_rate <= MAX_RATE or sample_rate % 1:
        raise AudioError(
            f"{of}sample rate is {sample_rate!r}; expected a whole number of {MIN_RATE:,} to "
            f"{MAX_RATE:,} Hz"
        )
    return int(sample_rate)
