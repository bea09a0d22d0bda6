"""Files that were cut off: headers that promise more than there is, streams without an end.

libsndfile shortens such a file in silence, so an interrupted copy would pass for a whole one.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

# The size fields of a RIFF header that a program writes when it streams and does not know yet.
# All are near the largest number of 31 or 32 bits; SoX writes 0x7FFFF000, less a part of a block,
# and in AIFF 0x7F000000 and a header. Where fields have 64 bits, the largest of these.
UNKNOWN_SIZE, UNKNOWN_AIFF_SIZE, UNKNOWN_LARGE_SIZE = 0x7FFFE000, 0x7F000000, 1 << 62

# What 32 bits can count, and what may be left at the end of a file without being a chunk.
LARGEST_RIFF, SLACK_BYTES = 1 << 32, 1 << 16

# The most that is looked at: real headers have some dozen chunks and 1,024 bytes of text, but a
# damaged one may go on in tiny steps for gigabytes.
MAX_CHUNKS, MAX_SPHERE_HEADER_BYTES = 1_000, 1 << 16
SPHERE_HEADER_BYTES = 1024

# An Ogg page (RFC 3533) is at most 65,307 bytes long, so the last one begins that near the end. Its
# header has 27 bytes: flags at 5, the number of segments at 26; the segments' lengths follow. After
# one of 255 bytes the packet goes on.
OGG_PAGE_BYTES, OGG_HEADER_BYTES = 65_307, 27
OGG_MAGIC, OGG_FLAGS_AT, OGG_SEGMENTS_AT, OGG_LAST_PAGE = b"OggS", 5, 26, 4
OGG_FULL_SEGMENT = 255

# MPEG audio, layer III (ISO 11172-3, 2.4.2.3; ISO 13818-3), by the two bits of the version: 2.5,
# reserved, 2, 1. Bit rates in kbit/s, rates in Hz, bytes of a frame per kbit/s and kHz.
MPEG_1_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
MPEG_2_KBITS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
MPEG_KBITS = (MPEG_2_KBITS, None, MPEG_2_KBITS, MPEG_1_KBITS)
MPEG_RATES = ((11_025, 12_000, 8_000), None, (22_050, 24_000, 16_000), (44_100, 48_000, 32_000))
MPEG_1 = 3

# Bytes from a frame's start to its Xing header: by MPEG 1 or not, by mono or not.
XING_AT = {(True, True): 21, (True, False): 36, (False, True): 13, (False, False): 21}
XING_MAGICS, XING_HAS_FRAMES, XING_HAS_BYTES = (b"Xing", b"Info"), 1, 2

# What may stand behind the last frame, by its first bytes counted from the end of the file. Some
# encoders count the smallest of them, of 128 bytes, among the bytes of the stream.
MP3_TAGS = ((128, b"TAG"), (32, b"APETAGEX"), (160, b"APETAGEX"), (9, b"LYRICS200"))
ID3V1_BYTES, ID3V2_VERSIONS = 128, (2, 3, 4)

# No frame is longer than 1,441 bytes. So many in a row are no accident.
MP3_TAIL_BYTES, MP3_FRAMES_IN_ROW = 16_384, 3


def is_cut_ogg(file: BinaryIO) -> bool:
    """Tell whether an Ogg file (Vorbis, Opus) ends within a page, or within a packet.

    A last page that is whole need not have the flag of the last one: Android's writer, and what
    records a live stream, never set it (BCR, pull request 922 on GitHub).
    """
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(4) != OGG_MAGIC:
        return False
    file.seek(max(0, size - OGG_PAGE_BYTES))
    end = file.read(OGG_PAGE_BYTES)
    page = end[max(0, end.rfind(OGG_MAGIC)) :]
    if len(page) < OGG_HEADER_BYTES:
        return True
    body = OGG_HEADER_BYTES + page[OGG_SEGMENTS_AT]
    segments = page[OGG_HEADER_BYTES:body]
    if len(page) < body + sum(segments):
        return True
    is_last = page[OGG_FLAGS_AT] & OGG_LAST_PAGE
    return not is_last and segments.endswith(bytes([OGG_FULL_SEGMENT]))


def missing_bytes(file: BinaryIO) -> int:
    """Count the bytes that a header promises and the file lacks.

    WAV, RF64, W64, AIFF, AU, CAF, SPHERE and MP3 are looked into. 0 for whole files, for streams of
    unknown length, and for other formats. Of an MP3 file only a part of the last frame may be known
    to be missing.
    """
    size = file.seek(0, 2)
    file.seek(0)
    start = file.read(4)
    for magic, look in FORMATS.items():
        if start.startswith(magic):
            return max(0, look(file, size))
    return 0


def _missing_in_wav(file: BinaryIO, size: int, chunk: str = "<4sI") -> int:
    large_size = 0
    for name, position, length in _chunks(file, size, 12, chunk, align=2):
        if name == b"ds64":
            # RF64 (EBU Tech 3306): the sizes of file and data, where 32 bits are too few.
            file.seek(position + 8)
            large_size = int.from_bytes(file.read(8), "little")
        elif name == b"data":
            if large_size and length == 0xFFFFFFFF:
                return position + large_size - size if large_size < UNKNOWN_LARGE_SIZE else 0
            return position + length - size if 0 < length < UNKNOWN_SIZE else 0
    return 0


def unsized_bytes(file: BinaryIO) -> int:
    """Count the bytes that follow where a WAV header says that there are no samples.

    Programs write 0 there, and the size when they end; one that was broken off never did. 0 where
    only other chunks follow.
    """
    length, behind = _behind_wav_samples(file)
    return behind if length == 0 else 0


def uncounted_bytes(file: BinaryIO) -> int:
    """Count the bytes that follow the samples of a WAV file whose header cannot say how many.

    Beyond 4 GB some programs write the lower 32 bits of the size, and what some write who leave it
    open is at most so much; libsndfile reads no more than is said there. 0 where only other chunks
    follow.
    """
    length, behind = _behind_wav_samples(file)
    most = SLACK_BYTES if length >= UNKNOWN_SIZE else LARGEST_RIFF
    return behind if length and behind >= most else 0


def _behind_wav_samples(file: BinaryIO) -> tuple[int, int]:
    """Give the length of the samples by the header, and the bytes behind that are no chunks."""
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(4) != b"RIFF":
        return 0, 0
    end_of_samples = end = samples = None
    for name, position, length in _chunks(file, size, 12, "<4sI", align=2):
        end = position + length + length % 2
        if name == b"data" and samples is None:
            samples, end_of_samples = length, position + length
    if samples is None or end_of_samples is None or end in {size, size + 1}:
        return samples or 0, 0
    return samples, max(0, size - end_of_samples)


def _missing_in_w64(file: BinaryIO, size: int) -> int:
    for name, position, length in _chunks(file, size, 40, "<16sQ", align=8, counts_itself=True):
        if name.startswith(b"data"):
            return position + length - size if length < UNKNOWN_LARGE_SIZE else 0
    return 0


def _missing_in_caf(file: BinaryIO, size: int) -> int:
    for name, position, length in _chunks(file, size, 8, ">4sQ", align=1):
        if name == b"data":
            # -1, of a signed number, says that the data go on to the end.
            return position + length - size if length < UNKNOWN_LARGE_SIZE else 0
    return 0


def _chunks(
    file: BinaryIO,
    size: int,
    position: int,
    header: str,
    *,
    align: int,
    counts_itself: bool = False,
) -> Iterator[tuple[bytes, int, int]]:
    """Yield chunks from a position on: name, where the content begins, and its length."""
    header_size = struct.calcsize(header)
    for _ in range(MAX_CHUNKS):
        if position + header_size > size:
            return
        file.seek(position)
        name, length = struct.unpack(header, file.read(header_size))
        position += header_size
        if counts_itself:
            length = max(0, length - header_size)
        yield name, position, length
        position += length + -length % align


def _missing_in_aiff(file: BinaryIO, size: int) -> int:
    length = int.from_bytes(file.read(4), "big")
    return 8 + length - size if length < UNKNOWN_AIFF_SIZE else 0


def _missing_in_au(file: BinaryIO, size: int, fields: str = ">II") -> int:
    start = file.read(8)
    if len(start) < 8:
        return 0
    header_size, length = struct.unpack(fields, start)
    return header_size + length - size if length < UNKNOWN_SIZE else 0


def is_shortened_sphere(file: BinaryIO) -> bool:
    """Tell whether a SPHERE file is compressed by shorten, as many of older corpora are."""
    file.seek(0)
    header = file.read(SPHERE_HEADER_BYTES)
    return header.startswith(b"NIST") and b"embedded-shorten" in header


def _missing_in_sphere(file: BinaryIO, size: int) -> int:
    try:
        file.seek(8)
        header_size = int(file.read(8))
        if not 16 <= header_size <= MAX_SPHERE_HEADER_BYTES:
            return 0
        lines = file.read(header_size - 16).decode("ascii", "replace").splitlines()
        # Each line is "name -type value".
        words = [line.split(None, 2) for line in lines]
        fields = {line[0]: line[2] for line in words if len(line) == 3}
        if "," in fields.get("sample_coding", ""):
            # Compressed: the number of samples does not tell the number of bytes.
            return 0
        names = ("sample_count", "channel_count", "sample_n_bytes")
        count, channels, width = (int(fields[name]) for name in names)
    except (ValueError, KeyError):
        return 0
    return header_size + count * channels * width - size


def _missing_in_mp3(file: BinaryIO, size: int) -> int:
    start = _after_id3v2(file)
    if start >= size:
        return start - size
    file.seek(start)
    first = file.read(XING_AT[True, False] + 16)
    if _mp3_frame_bytes(first) is None:
        return 0
    missing = start + _xing_bytes(first) - size
    return missing if missing > ID3V1_BYTES else _missing_in_last_frame(file, size, start, first)


def _after_id3v2(file: BinaryIO) -> int:
    """Find where the tags before the first frame end (ID3v2.4, 3.1: seven bits a byte)."""
    position = 0
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        tag = file.read(10)
        is_tag = tag.startswith(b"ID3") and len(tag) == 10 and tag[3] in ID3V2_VERSIONS
        if not is_tag or max(tag[6:]) > 0x7F:
            break
        has_footer = tag[5] & 0x10
        length = sum(byte << 7 * (3 - i) for i, byte in enumerate(tag[6:]))
        position += 10 + length + (10 if has_footer else 0)
    return position


def _xing_bytes(frame: bytes) -> int:
    """Read how long the stream is by the header that most encoders put in its first frame."""
    is_mono = frame[3] >> 6 == 3
    header = frame[XING_AT[frame[1] >> 3 & 3 == MPEG_1, is_mono] :]
    if len(header) < 16 or header[:4] not in XING_MAGICS or not header[7] & XING_HAS_BYTES:
        return 0
    at = 12 if header[7] & XING_HAS_FRAMES else 8
    length = int.from_bytes(header[at : at + 4], "big")
    return length if length < UNKNOWN_SIZE else 0


def _missing_in_last_frame(file: BinaryIO, size: int, start: int, first: bytes) -> int:
    """Follow the frames near the end, from the first place where there are some in a row."""
    tail_at = max(start, size - MP3_TAIL_BYTES)
    file.seek(tail_at)
    tail = file.read(MP3_TAIL_BYTES)
    if any(tail[-at:].startswith(name) for at, name in MP3_TAGS if at <= len(tail)):
        return 0
    position = tail.find(b"\xff")
    while position >= 0:
        place, n_frames = position, 0
        # All frames of a stream have the same version, layer and rate.
        while _is_alike(tail[place : place + 4], first):
            place += _mp3_frame_bytes(tail[place : place + 4]) or 0
            n_frames += 1
        if n_frames >= MP3_FRAMES_IN_ROW or (n_frames and tail_at + position == start):
            return place - len(tail)
        position = tail.find(b"\xff", position + 1)
    return 0


def _is_alike(frame: bytes, first: bytes) -> bool:
    if _mp3_frame_bytes(frame) is None:
        return False
    return frame[1] & 0xFE == first[1] & 0xFE and frame[2] & 0x0C == first[2] & 0x0C


def _mp3_frame_bytes(frame: bytes) -> int | None:
    """Read how long a frame of layer III is; None where there is none, or its length is open."""
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE6 != 0xE2:
        return None
    version, bit_rate, rate = frame[1] >> 3 & 3, frame[2] >> 4, frame[2] >> 2 & 3
    kbits, rates = MPEG_KBITS[version], MPEG_RATES[version]
    if kbits is None or rates is None or bit_rate in {0, 15} or rate == 3:
        return None
    # 1,152 or 576 samples, in bytes.
    samples_in_bytes = 144 if version == MPEG_1 else 72
    return samples_in_bytes * 1000 * kbits[bit_rate - 1] // rates[rate] + (frame[2] >> 1 & 1)


FORMATS: dict[bytes, Callable[[BinaryIO, int], int]] = {
    b"RIFF": _missing_in_wav,
    b"RF64": _missing_in_wav,
    b"RIFX": partial(_missing_in_wav, chunk=">4sI"),
    b"riff": _missing_in_w64,
    b"FORM": _missing_in_aiff,
    b".snd": _missing_in_au,
    b"dns.": partial(_missing_in_au, fields="<II"),
    b"caff": _missing_in_caf,
    b"NIST": _missing_in_sphere,
    b"ID3": _missing_in_mp3,
    b"\xff": _missing_in_mp3,
}
