"""Audio that arrives: WAV or raw samples from a pipe, as soon as they are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from speakergmm.audio.arriving import READ_BYTES, Arriving
from speakergmm.audio.samples import check_finite
from speakergmm.audio.sources import MAX_RATE, MIN_RATE
from speakergmm.audio.wav_header import MAX_CHANNELS, StreamFormat, read_wav_header
from speakergmm.config import check_choice, check_whole
from speakergmm.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import BinaryIO

    from numpy.typing import NDArray

    from speakergmm.audio.wav_header import Coding

Encoding: TypeAlias = Literal["s16le", "s32le", "f32le"]

# How samples are written, and their full scale; 24 bits are read as the upper ones of 32.
KINDS = {
    "u8": ("u1", 2.0**7),
    "s16le": ("<i2", 2.0**15),
    "s24le": ("<i4", 2.0**31),
    "s32le": ("<i4", 2.0**31),
    "f32le": ("<f4", 1.0),
    "f64le": ("<f8", 1.0),
}
WIDTHS = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4, "f64le": 8}

WAV_MAGICS = (b"RIFF", b"RF64")
# Formats that need a decoder or are not for streams, by their first bytes.
OTHER_MAGICS = {
    b"fLaC": "FLAC",
    b"OggS": "Ogg (Vorbis or Opus)",
    b"NIST": "NIST SPHERE",
    b"FORM": "AIFF",
    b".snd": "AU",
    b"caff": "CAF",
    b"riff": "W64",
    b"RIFX": "WAV with the high byte first (RIFX)",
    b"\x1aE\xdf\xa3": "Matroska or WebM",
}


@dataclass(frozen=True, slots=True)
class RawFormat:
    """How samples without a header are written.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    encoding : {"s16le", "s32le", "f32le"}
        Integers of 16 or 32 bits, or floats with full scale ±1; the low byte first.
    n_channels : int
        Interleaved.
    """

    sample_rate: int
    encoding: Encoding = "s16le"
    n_channels: int = 1

    def __post_init__(self) -> None:
        check_whole("sample_rate", self.sample_rate, MIN_RATE, MAX_RATE, unit="Hz")
        check_choice("encoding", self.encoding, get_args(Encoding))
        check_whole("n_channels", self.n_channels, 1, MAX_CHANNELS)


@dataclass(frozen=True, slots=True)
class AudioStream:
    """Samples that arrive. Make one with `open_stream`.

    Parameters
    ----------
    name : str
        What messages call it.
    sample_rate : int
        In Hz.
    n_channels : int
    blocks : generator of (n, n_channels) float32
        To be taken once; full scale is ±1. What is wrong with the samples, or that they end before
        the header says, is raised where they are read.
    """

    name: str
    sample_rate: int
    n_channels: int
    blocks: Generator[NDArray[np.float32]]


def open_stream(file: BinaryIO, *, raw: RawFormat | None = None) -> AudioStream:
    """Read the header of a stream of audio, to take its samples as they arrive.

    A WAV stream (RIFF or RF64; PCM or float) may leave its size open, as recorders and decoders do
    that write into a pipe: then it goes on until it ends. A part of a sample at the end is dropped.

    Parameters
    ----------
    file : binary file
        Opened for reading; it need not be seekable: ``sys.stdin.buffer``, a pipe, a socket's file.
        Blocks come as fast as its ``read1``, or else ``read``, gives bytes.
    raw : RawFormat, optional
        For samples without a header.

    Raises
    ------
    AudioError
        When nothing comes, or something else than WAV or raw samples; when the header ends too
        early, is damaged or says what cannot be decoded.
    """
    stream = Arriving(file)
    start = stream.peek(4)
    if not start:
        raise AudioError(f"{stream.name}: empty (0 bytes); expected audio")
    _check_start(start, stream.name, raw)
    if raw is None:
        form = read_wav_header(stream)
    else:
        form = StreamFormat(raw.sample_rate, raw.n_channels, raw.encoding)
    return AudioStream(stream.name, form.sample_rate, form.n_channels, _blocks(stream, form))


def _check_start(start: bytes, name: str, raw: RawFormat | None) -> None:
    is_wav, looks = start in WAV_MAGICS, OTHER_MAGICS.get(start)
    # Raw samples may begin as an MP3 file does, but hardly with four letters.
    if raw is None and (start[:3] == b"ID3" or _is_mpeg_frame(start)):
        looks = "MP3"
    if looks is not None:
        raise AudioError(
            f"{name}: looks like {looks}; expected WAV or raw samples; decode it first: "
            "ffmpeg -i FILE -f wav - | speakergmm verify ..."
        )
    if raw is not None and is_wav:
        raise AudioError(f"{name}: looks like WAV; expected raw samples; leave out --raw-rate")
    if raw is None and not is_wav:
        raise AudioError(
            f"{name}: begins with {start!r}; expected WAV; of samples without a header, give the "
            "rate: --raw-rate"
        )


def _is_mpeg_frame(start: bytes) -> bool:
    """Tell whether eleven bits are set, as at the start of a frame, and then layer III."""
    return len(start) > 1 and start[0] == 0xFF and start[1] & 0xE6 == 0xE2


def _blocks(stream: Arriving, form: StreamFormat) -> Generator[NDArray[np.float32]]:
    n_samples = 0
    for content in _whole_samples(stream, form):
        block = _decoded(content, form.coding).reshape(-1, form.n_channels)
        try:
            check_finite(block, n_samples)
        except AudioError as error:
            raise AudioError(f"{stream.name}: {error}") from None
        n_samples += len(block)
        yield block
    if n_samples == 0:
        raise AudioError(f"{stream.name}: holds no samples; expected a recording")


def _whole_samples(stream: Arriving, form: StreamFormat) -> Generator[bytes]:
    """Yield what arrives, cut between samples of all channels."""
    width = WIDTHS[form.coding] * form.n_channels
    n_left, carried = form.n_bytes, b""
    while n_left is None or n_left > 0:
        arrived = stream.some(READ_BYTES if n_left is None else n_left)
        if not arrived:
            break
        if n_left is not None:
            n_left -= len(arrived)
        arrived = carried + arrived
        end = len(arrived) // width * width
        carried = arrived[end:]
        if end:
            yield arrived[:end]
    if n_left:
        raise AudioError(
            f"{stream.name}: truncated: {n_left:,} bytes fewer than its header says; send all of it"
        )


def _decoded(content: bytes, coding: Coding) -> NDArray[np.float32]:
    """Give samples (n,) of full scale ±1, as libsndfile does."""
    if coding == "s24le":
        words = np.zeros((len(content) // 3, 4), dtype=np.uint8)
        words[:, 1:] = np.frombuffer(content, dtype=np.uint8).reshape(-1, 3)
        content = words.tobytes()
    kind, full_scale = KINDS[coding]
    # What is too large for 32 bits becomes infinite, and is refused as such.
    with np.errstate(over="ignore"):
        samples = np.frombuffer(content, dtype=kind).astype(np.float32)
    if coding == "u8":
        samples -= np.float32(full_scale)
    return samples / np.float32(full_scale)
