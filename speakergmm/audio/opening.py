"""Opening a file of audio, on disk or in memory: what is refused before a sample is decoded."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.audio.headers import (
    is_cut_ogg,
    is_shortened_sphere,
    missing_bytes,
    uncounted_bytes,
    unsized_bytes,
)
from speakergmm.audio.sources import MAX_RATE, MIN_RATE, MemoryFile
from speakergmm.errors import AudioError

if TYPE_CHECKING:
    from typing import Any, BinaryIO

# libsndfile's length of a stream whose header leaves it open is the largest of 63 bits.
UNKNOWN_LENGTH = 1 << 62

FORMATS = "WAV, FLAC, OGG, Opus, MP3 or SPHERE"


def open_sound(source: Path | MemoryFile) -> Any:
    """Check a file and open it for decoding, as a ``soundfile.SoundFile``.

    Raises
    ------
    AudioError
        When it is missing, empty, truncated or not audio, or its header says a rate at which there
        can be no speech.
    """
    import soundfile

    _check(source)
    try:
        file = soundfile.SoundFile(_handle(source))
    except soundfile.LibsndfileError as error:
        raise _unreadable(source, error) from None
    if file.format == "RAW":
        # By its suffix alone (.au, .vox, .gsm), libsndfile takes any content for speech.
        file.close()
        raise _headerless(source)
    if not MIN_RATE <= file.samplerate <= MAX_RATE:
        file.close()
        raise AudioError(
            f"{source}: its header says {file.samplerate:,} Hz; expected {MIN_RATE:,} to "
            f"{MAX_RATE:,} Hz; correct the header, or record again"
        )
    return file


def count_samples(file: Any, source: Path | MemoryFile) -> int:
    """Count the samples of an open file, by decoding it where its header does not say."""
    if file.frames < UNKNOWN_LENGTH:
        return int(file.frames)
    import soundfile

    length = 0
    # Its own handle: libsndfile cannot seek back from the end of such a file.
    with soundfile.SoundFile(_handle(source)) as other:
        other.seekable = lambda: False
        while n := len(other.read(1 << 20, dtype="float32")):
            length += n
    return length


def no_samples(source: Path | MemoryFile) -> AudioError:
    """Say that a file which could be opened holds no samples, or that its header says so."""
    with source.open("rb") if isinstance(source, Path) else source.open() as file:
        unsized = unsized_bytes(file)
    if unsized:
        return AudioError(
            f"{source}: unfinished: {unsized:,} bytes follow where its header says that there are "
            "no samples; make a whole file of it: ffmpeg -i IN.wav OUT.wav"
        )
    return AudioError(f"{source}: holds no samples; expected a recording")


def damaged(source: Path | MemoryFile, error: Exception) -> AudioError:
    """Say that a file which could be opened cannot be decoded."""
    return AudioError(
        f"{source}: truncated or damaged: decoding failed ({_reason(error)}); copy the file again"
    )


def _handle(source: Path | MemoryFile) -> str | bytes | BinaryIO:
    """Give libsndfile a file: on POSIX a name is bytes, which need not be text."""
    if isinstance(source, MemoryFile):
        return source.open()
    return os.fsencode(source) if os.name == "posix" else str(source)


def _check(source: Path | MemoryFile) -> None:
    try:
        # Opened first, a pipe would wait for somebody to write into it.
        if isinstance(source, Path) and not stat.S_ISREG(source.stat().st_mode):
            raise AudioError(f"{source}: not a file; expected a recording")
        with source.open("rb") if isinstance(source, Path) else source.open() as file:
            if not file.read(1):
                raise AudioError(f"{source}: the file is empty (0 bytes); expected a recording")
            missing, cut = missing_bytes(file), is_cut_ogg(file)
            shortened, uncounted = is_shortened_sphere(file), uncounted_bytes(file)
    except AudioError:
        raise
    except FileNotFoundError:
        raise AudioError(f"{source}: no such file; expected a recording") from None
    except OSError as error:
        raise AudioError(f"{source}: cannot be read ({error.strerror})") from None
    except ValueError:
        # A zero byte, or characters that the file system cannot encode.
        raise AudioError(
            f"{str(source)!r}: no file can have this name; expected a recording"
        ) from None
    if Path(str(source)).suffix.lower() == ".raw":
        raise _headerless(source)
    if shortened:
        raise AudioError(
            f"{source}: SPHERE compressed by shorten, which is not decoded; unpack it: sph2pipe -f "
            "wav IN.sph OUT.wav, and put that in its place"
        )
    if cut:
        raise AudioError(f"{source}: truncated: the stream has no end; copy the file again")
    if uncounted:
        raise AudioError(
            f"{source}: too large for its header: {uncounted:,} bytes follow the samples that it "
            "counts; make a file of another format of it: ffmpeg -ignore_length 1 -i IN.wav "
            "OUT.flac"
        )
    if missing:
        raise AudioError(
            f"{source}: truncated: {missing:,} bytes fewer than its header says; copy the file "
            "again"
        )


def _headerless(source: Path | MemoryFile) -> AudioError:
    return AudioError(
        f"{source}: not audio that can be decoded (samples without a header); expected {FORMATS}: "
        "give 16-bit samples one: ffmpeg -f s16le -ar RATE -ac 1 -i IN OUT.wav"
    )


def _unreadable(source: Path | MemoryFile, error: Exception) -> AudioError:
    return AudioError(
        f"{source}: not audio that can be decoded ({_reason(error)}); expected {FORMATS}: convert "
        "other audio: ffmpeg -i IN OUT.wav"
    )


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).strip().rstrip(".")
