"""The header of a WAV stream, read as it arrives, without seeking.

Neither libsndfile nor the standard library will do. Both wait for as many samples as they are asked
for. libsndfile takes a pipe by its descriptor only, an open size of 0 for no samples, and a stream
that was cut for a whole one; ``wave`` knows neither float nor, before Python 3.12, extensible
headers, nor sizes that were left open.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from speakergmm.audio.headers import MAX_CHUNKS, UNKNOWN_LARGE_SIZE, UNKNOWN_SIZE
from speakergmm.audio.sources import MAX_RATE, MIN_RATE
from speakergmm.errors import AudioError

if TYPE_CHECKING:
    from speakergmm.audio.arriving import Arriving

Coding: TypeAlias = Literal["u8", "s16le", "s24le", "s32le", "f32le", "f64le"]

# What stands before the samples: real headers have some kilobytes, or a picture.
MAX_HEADER_BYTES = 1 << 26
# As libsndfile's.
MAX_CHANNELS = 1024

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
CODINGS: dict[tuple[int, int], Coding] = {
    (PCM, 8): "u8",
    (PCM, 16): "s16le",
    (PCM, 24): "s24le",
    (PCM, 32): "s32le",
    (FLOAT, 32): "f32le",
    (FLOAT, 64): "f64le",
}
OTHER_CODINGS = {2: "ADPCM", 6: "A-law", 7: "µ-law", 0x11: "ADPCM", 0x31: "GSM", 0x55: "MP3"}
# The end of a subformat whose first two bytes are a coding (KSDATAFORMAT_SUBTYPE_PCM and others).
SUBFORMAT_END = bytes.fromhex("000000001000800000aa00389b71")
FORMAT_BYTES, EXTENSIBLE_BYTES, DS64_BYTES = 16, 40, 16
OPEN_SIZE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """How the samples of a stream are written; ``n_bytes`` of them, None: all that comes."""

    sample_rate: int
    n_channels: int
    coding: Coding
    n_bytes: int | None = None


def read_wav_header(stream: Arriving) -> StreamFormat:
    """Read up to the first sample of a stream that begins with RIFF or RF64.

    Raises
    ------
    AudioError
        When the stream ends before the samples, or its header says nothing that can be decoded.
    """
    if stream.exactly(12)[8:] != b"WAVE":
        raise _bad(stream, "RIFF, but not WAVE")
    found: StreamFormat | None = None
    large_size, n_left = 0, MAX_HEADER_BYTES
    for _ in range(MAX_CHUNKS):
        name, length = struct.unpack("<4sI", stream.exactly(8))
        if name == b"data":
            if found is None:
                raise _bad(stream, "its samples come before their format")
            return replace(found, n_bytes=_data_bytes(length, large_size))
        n_left -= length
        if n_left < 0:
            break
        content = b""
        if name == b"fmt ":
            content = stream.exactly(min(length, EXTENSIBLE_BYTES))
            found = _format(content, stream)
        elif name == b"ds64":
            # RF64 (EBU Tech 3306): the sizes of file and data, where 32 bits are too few.
            content = stream.exactly(min(length, DS64_BYTES))
            large_size = int.from_bytes(content[8:], "little")
        # An odd length is followed by one byte of padding.
        stream.skip(length - len(content) + length % 2)
    raise _bad(
        stream, f"no samples within {MAX_CHUNKS:,} chunks and {MAX_HEADER_BYTES >> 20} MB of header"
    )


def _data_bytes(length: int, large_size: int) -> int | None:
    """Give the bytes of the samples, or None where a program that streams left them open."""
    if large_size and length == OPEN_SIZE:
        return large_size if large_size < UNKNOWN_LARGE_SIZE else None
    return length if 0 < length < UNKNOWN_SIZE else None


def _format(content: bytes, stream: Arriving) -> StreamFormat:
    if len(content) < FORMAT_BYTES:
        raise _bad(stream, f"its format has {len(content)} bytes; expected {FORMAT_BYTES} or more")
    tag, n_channels, rate, _, align, bits = struct.unpack("<HHIIHH", content[:FORMAT_BYTES])
    if tag == EXTENSIBLE and content[26:EXTENSIBLE_BYTES] == SUBFORMAT_END:
        tag = int.from_bytes(content[24:26], "little")
    coding = CODINGS.get((tag, bits))
    if coding is None:
        written = OTHER_CODINGS.get(tag, f"coding {tag:#06x} of {bits} bits")
        raise AudioError(
            f"{stream.name}: its samples are {written}; expected PCM of 8, 16, 24 or 32 bits, or "
            "float of 32 or 64; decode it first: ffmpeg -i FILE -f wav -"
        )
    if not 1 <= n_channels <= MAX_CHANNELS:
        raise _bad(stream, f"{n_channels:,} channels; expected 1 to {MAX_CHANNELS:,}")
    if align != n_channels * bits // 8:
        raise _bad(
            stream,
            f"{align} bytes for a sample of all channels; expected {n_channels * bits // 8}",
        )
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(
            f"{stream.name}: its header says {rate:,} Hz; expected {MIN_RATE:,} to {MAX_RATE:,} "
            "Hz; correct the header, or record again"
        )
    return StreamFormat(rate, n_channels, coding)


def _bad(stream: Arriving, what: str) -> AudioError:
    return AudioError(f"{stream.name}: damaged WAV header: {what}; send it again")
