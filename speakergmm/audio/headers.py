"""Files that were cut off: headers that promise more than there is, streams without an end.

libsndfile shortens such a file in silence, so an interrupted copy would pass for a whole one.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

# The size fields of a RIFF header that a program writes when it streams and does not know yet.
# All are near the largest number of 31 or 32 bits; SoX writes 0x7FFFF000, less a part of a block.
UNKNOWN_SIZE = 0x7FFFE000


# An Ogg page (RFC 3533) is at most 65,307 bytes long, so the last one begins that near the end. Its
# header has 27 bytes: flags at 5, the number of segments at 26; the segments' lengths follow.
OGG_PAGE_BYTES, OGG_HEADER_BYTES = 65_307, 27
OGG_MAGIC, OGG_FLAGS_AT, OGG_SEGMENTS_AT, OGG_LAST_PAGE = b"OggS", 5, 26, 4


def is_cut_ogg(file: BinaryIO) -> bool:
    """Tell whether an Ogg file (Vorbis, Opus) lacks its last page, or a part of it."""
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(4) != OGG_MAGIC:
        return False
    file.seek(max(0, size - OGG_PAGE_BYTES))
    end = file.read()
    page = end[max(0, end.rfind(OGG_MAGIC)) :]
    if len(page) < OGG_HEADER_BYTES or not page[OGG_FLAGS_AT] & OGG_LAST_PAGE:
        return True
    body = OGG_HEADER_BYTES + page[OGG_SEGMENTS_AT]
    return len(page) < body + sum(page[OGG_HEADER_BYTES:body])


def missing_bytes(file: BinaryIO) -> int:
    """Count the bytes that the header of a WAV, AIFF or SPHERE file promises and the file lacks.

    0 for whole files, for streams of unknown length, and for formats that are not looked into.
    """
    size = file.seek(0, 2)
    file.seek(0)
    start = file.read(8)
    if start.startswith(b"RIFF"):
        return _missing_in_wav(file, size)
    if start.startswith(b"FORM"):
        return max(0, 8 + int.from_bytes(start[4:], "big") - size)
    if start == b"NIST_1A\n":
        return _missing_in_sphere(file, size)
    return 0


def _missing_in_wav(file: BinaryIO, size: int) -> int:
    position = 12
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"data":
            is_known = 0 < length < UNKNOWN_SIZE
            return max(0, position + 8 + length - size) if is_known else 0
        position += 8 + length + length % 2
    return 0


def _missing_in_sphere(file: BinaryIO, size: int) -> int:
    try:
        header_size = int(file.read(8))
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
    return max(0, header_size + count * channels * width - size)
