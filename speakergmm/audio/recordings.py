"""A recording → mono float32 samples at the rate that the front end wants."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.audio.headers import is_cut_ogg, missing_bytes
from speakergmm.audio.resampling import Resample, resample
from speakergmm.audio.samples import Channel, SampleCheck, one_channel
from speakergmm.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from numpy.typing import NDArray


# libsndfile's length of a stream whose header leaves it open is the largest of 63 bits.
UNKNOWN_LENGTH = 1 << 62

# Values (samples times channels) that are read at a time: 4 MB.
BLOCK_VALUES = 1 << 20

# Rates in Hz at which there can be speech; others are those of a damaged header.
MIN_RATE, MAX_RATE = 1_000, 768_000

# An MP3 decoder needs the bits that up to ten earlier frames of 1,152 samples left over.
MP3_PREROLL = 11_520


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """What a recording's header says."""

    sample_rate: int
    n_samples: int
    n_channels: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate


def _file_name(path: Path) -> str | bytes:
    """Name a file for libsndfile: on POSIX a name is bytes, which need not be text."""
    return os.fsencode(path) if os.name == "posix" else str(path)


def _check_file(path: Path) -> None:
    try:
        # Opened first, a pipe would wait for somebody to write into it.
        if not stat.S_ISREG(path.stat().st_mode):
            raise AudioError(f"{path}: not a file; expected a recording")
        with path.open("rb") as file:
            if not file.read(1):
                raise AudioError(f"{path}: the file is empty (0 bytes); expected a recording")
            missing, cut = missing_bytes(file), is_cut_ogg(file)
    except AudioError:
        raise
    except FileNotFoundError:
        raise AudioError(f"{path}: no such file; expected a recording") from None
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:
        # A zero byte, or characters that the file system cannot encode.
        raise AudioError(
            f"{str(path)!r}: no file can have this name; expected a recording"
        ) from None
    if path.suffix.lower() == ".raw":
        raise _headerless(path)
    if cut:
        raise AudioError(f"{path}: truncated: the stream has no end; copy the file again")
    if missing:
        raise AudioError(
            f"{path}: truncated: {missing:,} bytes fewer than its header says; copy the file again"
        )


def _headerless(path: Path) -> AudioError:
    return _unreadable(path, ValueError("samples without a header"))


def _unreadable(path: Path, error: Exception) -> AudioError:
    reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
    return AudioError(
        f"{path}: not audio that can be decoded ({reason}); expected WAV, FLAC, OGG, Opus, MP3 or "
        "SPHERE"
    )


def _damaged(path: Path, error: Exception) -> AudioError:
    reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
    return AudioError(
        f"{path}: truncated or damaged: decoding failed ({reason}); copy the file again"
    )


def recording_info(path: Path | str) -> RecordingInfo:
    """Read a recording's header.

    Raises
    ------
    AudioError
        When the file is missing, empty, truncated or not audio.
    """
    import soundfile

    path = Path(path)
    with _opened(path) as file:
        try:
            return RecordingInfo(int(file.samplerate), _length(file, path), int(file.channels))
        except soundfile.LibsndfileError as error:
            raise _damaged(path, error) from None


def _opened(path: Path) -> Any:
    """Open a file that was checked."""
    import soundfile

    _check_file(path)
    try:
        file = soundfile.SoundFile(_file_name(path))
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from None
    if file.format == "RAW":
        # By its suffix alone (.au, .vox, .gsm), libsndfile takes any content for speech.
        file.close()
        raise _headerless(path)
    if not MIN_RATE <= file.samplerate <= MAX_RATE:
        file.close()
        raise AudioError(
            f"{path}: its header says {file.samplerate:,} Hz; expected {MIN_RATE:,} to "
            f"{MAX_RATE:,} Hz; correct the header, or record again"
        )
    return file


def _length(file: Any, path: Path) -> int:
    """Count the samples of an open file, by decoding it where its header does not say."""
    if file.frames < UNKNOWN_LENGTH:
        return int(file.frames)
    import soundfile

    length = 0
    # Its own handle: libsndfile cannot seek back from the end of such a file.
    with soundfile.SoundFile(_file_name(path)) as other:
        other.seekable = lambda: False
        while n := len(other.read(1 << 20, dtype="float32")):
            length += n
    return length


def duration_s(path: Path | str) -> float:
    """Length of a recording in seconds, by its header."""
    return recording_info(path).duration_s


@dataclass(frozen=True, slots=True)
class SampleBlocks:
    """Mono samples of one recording, to be taken block by block, once; ``sample_rate`` in Hz."""

    sample_rate: int
    blocks: Generator[NDArray[np.float32]]


def read_blocks(
    path: Path | str,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    channel: Channel = "mix",
) -> SampleBlocks:
    """Open a recording, or the segment [start_s, end_s) of one, to be read block by block.

    Parameters as for `read_recording`. So long recordings need not be in memory as a whole. What is
    wrong with the samples is raised where they are read; that all are zero, at the end.

    Raises
    ------
    AudioError
        As `read_recording`.
    """
    path = Path(path)
    decoded = _decode(path, start_s, end_s)
    sample_rate = next(decoded)
    return SampleBlocks(int(sample_rate), _mono_blocks(decoded, channel, path))


def read_channels(
    path: Path | str, *, max_values: int | None = None
) -> tuple[NDArray[np.float32], int]:
    """Read all channels of a recording, as they are, or of its beginning.

    Parameters
    ----------
    max_values : int, optional
        Read no more than so many samples times channels; default: all.

    Returns
    -------
    samples : (n_samples, n_channels) float32
    sample_rate : int
        In Hz.

    Raises
    ------
    AudioError
        When the file is missing, empty, truncated, not audio, or holds no samples.
    """
    blocks, n_values = [], 0
    with closing(_decode(Path(path), None, None)) as decoded:
        sample_rate = int(next(decoded))
        for block in decoded:
            blocks.append(block)
            n_values += block.size
            if max_values is not None and n_values >= max_values:
                break
    return np.concatenate(blocks), sample_rate


def _mono_blocks(
    decoded: Generator[Any], channel: Channel, path: Path
) -> Generator[NDArray[np.float32]]:
    check = SampleCheck()
    try:
        for block in decoded:
            mono = one_channel(block, channel, path)
            check.look(mono)
            yield mono
        check.finish()
    except AudioError as error:
        if str(error).startswith(str(path)):
            raise
        raise AudioError(f"{path}: {error}") from None


def _decode(path: Path, start_s: float | None, end_s: float | None) -> Generator[Any]:
    """Yield the sample rate, then blocks (n_samples, n_channels), seeking to where they start."""
    import soundfile

    try:
        with _opened(path) as file:
            rate, length = int(file.samplerate), _length(file, path)
            if length == 0:
                raise AudioError(f"{path}: holds no samples; expected a recording")
            start, stop = _span(path, rate, length, start_s, end_s)
            yield rate
            at_once = max(1, BLOCK_VALUES // file.channels)
            _go_to(file, start, at_once)
            while start < stop:
                wanted = min(at_once, stop - start)
                samples = file.read(wanted, dtype="float32", always_2d=True)
                if len(samples):
                    yield samples
                if len(samples) < wanted:
                    raise AudioError(
                        f"{path}: truncated: decoding stopped {stop - start - len(samples):,} "
                        "samples before the end that its header says; copy the file again"
                    )
                start += wanted
    except soundfile.LibsndfileError as error:
        raise _damaged(path, error) from None


def _go_to(file: Any, start: int, at_once: int) -> None:
    """Make a sample the next one to be read."""
    can_seek, preroll = file.seekable(), MP3_PREROLL if file.format == "MP3" else 0
    at = max(0, start - preroll) if can_seek else 0
    if at:
        file.seek(at)
    # Else soundfile seeks to where it has read to: some streams cannot do that, and an MP3 decoder
    # forgets the bits that earlier frames left over.
    file.seekable = lambda: False
    while at < start and (n := len(file.read(min(at_once, start - at), dtype="float32"))):
        at += n


def _span(
    path: Path, rate: int, length: int, start_s: float | None, end_s: float | None
) -> tuple[int, int]:
    """Give a segment in samples."""
    first, last = start_s or 0.0, length / rate if end_s is None else end_s
    if not (0 <= first < last <= length / rate + 0.001) or round(first * rate) >= length:
        raise AudioError(
            f"{path}: segment {first:g} to {last:g} s does not lie within the recording's "
            f"{length / rate:.3f} s"
        )
    return round(first * rate), min(round(last * rate), length)


def read_recording(
    path: Path | str,
    *,
    sample_rate: int | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    channel: Channel = "mix",
    resample_policy: Resample = "down",
) -> tuple[NDArray[np.float32], int]:
    """Read a recording, or the segment [start_s, end_s) of one, as mono samples.

    Parameters
    ----------
    path : path
        WAV, FLAC, OGG, Opus, MP3, NIST SPHERE, or whatever else libsndfile decodes.
    sample_rate : int, optional
        The rate wanted, in Hz; default: the recording's own.
    start_s, end_s : float, optional
        The segment in seconds; default: the whole recording. Only the segment is read.
    channel : int or "mix"
        One channel, counted from 0, or the mean of all.
    resample_policy : {"down", "any", "never"}
        See `resample`.

    Returns
    -------
    samples : (n_samples,) float32
        Full scale is ±1.
    sample_rate : int
        In Hz.

    Raises
    ------
    AudioError
        One clear line for each: missing, empty, truncated or undecodable file; no samples; samples
        that are NaN or infinite; nothing but zeros; a segment outside the recording; no such
        channel; a sample rate that must not be changed.
    """
    opened = read_blocks(path, start_s=start_s, end_s=end_s, channel=channel)
    blocks, rate = list(opened.blocks), opened.sample_rate
    mono = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    if sample_rate is not None:
        try:
            mono, rate = resample(mono, rate, sample_rate, policy=resample_policy), sample_rate
        except AudioError as error:
            raise AudioError(f"{path}: {error}") from None
        if mono.size == 0:
            raise AudioError(f"{path}: too short: no samples are left at {rate} Hz")
    return np.ascontiguousarray(mono), rate
