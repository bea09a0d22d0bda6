"""A recording → mono float32 samples at the rate that the front end wants."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.audio.opening import count_samples, damaged, no_samples, open_sound
from speakergmm.audio.resampling import Resample, resample
from speakergmm.audio.samples import Channel, SampleCheck, one_channel
from speakergmm.audio.sources import GivenSamples
from speakergmm.corpora.claims import ListedRecording
from speakergmm.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from numpy.typing import NDArray

    from speakergmm.audio.sources import MemoryFile, Source

# Values (samples times channels) that are read at a time: 4 MB.
BLOCK_VALUES = 1 << 20

# An MP3 decoder needs the bits that up to ten earlier frames of 1,152 samples left over.
MP3_PREROLL = 11_520


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """What a recording's header says; ``coding`` as libsndfile calls it, such as FLAC PCM_16."""

    sample_rate: int
    n_samples: int
    n_channels: int
    coding: str = field(default="", compare=False)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate


def recording_info(path: Path | str) -> RecordingInfo:
    """Read a recording's header.

    Raises
    ------
    AudioError
        When the file is missing, empty, truncated or not audio.
    """
    import soundfile

    path = Path(path)
    with open_sound(path) as file:
        try:
            return _info(file, path)
        except soundfile.LibsndfileError as error:
            raise damaged(path, error) from None


def _info(file: Any, source: Path | MemoryFile) -> RecordingInfo:
    return RecordingInfo(
        int(file.samplerate),
        count_samples(file, source),
        int(file.channels),
        f"{file.format} {file.subtype}",
    )


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
    info, blocks = all_channels(path, start_s, end_s)
    return SampleBlocks(info.sample_rate, one_channel_of(blocks, channel, path))


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
    info, decoded = all_channels(Path(path))
    with closing(decoded):
        for block in decoded:
            blocks.append(block)
            n_values += block.size
            if max_values is not None and n_values >= max_values:
                break
    return np.concatenate(blocks), info.sample_rate


def one_channel_of(
    blocks: Generator[NDArray[np.float32]], channel: Channel, source: Source
) -> Generator[NDArray[np.float32]]:
    """Make blocks of all channels mono, and check that speech can be found in them.

    Raises
    ------
    AudioError
        Where the samples are read, naming their source.
    """
    check = SampleCheck()
    try:
        for block in blocks:
            mono = one_channel(block, channel, str(source))
            check.look(mono)
            yield mono
        check.finish()
    except AudioError as error:
        if str(error).startswith(f"{source}: "):
            raise
        raise AudioError(f"{source}: {error}") from None


def all_channels(
    source: Source, start_s: float | None = None, end_s: float | None = None
) -> tuple[RecordingInfo, Generator[NDArray[np.float32]]]:
    """Open a source, and give its samples in blocks (n_samples, n_channels), as they are.

    Of samples that are there already, no segment can be asked for.

    Raises
    ------
    AudioError
        When it cannot be opened, at once; when it cannot be decoded, where that shows.
    """
    if isinstance(source, GivenSamples):
        info = RecordingInfo(source.sample_rate, *source.samples.shape)
        if source.samples.size == 0:
            raise AudioError(f"{source}: holds no samples; expected a recording")
        return info, _sliced(source.samples)
    file: Path | MemoryFile
    if isinstance(source, ListedRecording):
        file, start_s, end_s = source.path, source.start_s, source.end_s
    else:
        file = source
    decoded = _decode(file, start_s, end_s)
    info = next(decoded)
    start, stop = _span(file, info.sample_rate, info.n_samples, start_s, end_s)
    return dataclasses.replace(info, n_samples=stop - start), decoded


def _at_once(n_channels: int) -> int:
    """Give the samples of a block."""
    return max(1, BLOCK_VALUES // n_channels)


def _sliced(samples: NDArray[np.floating[Any]]) -> Generator[NDArray[np.float32]]:
    at_once = _at_once(samples.shape[1])
    for start in range(0, len(samples), at_once):
        # What is too large for 32 bits becomes infinite, and is refused as such.
        with np.errstate(over="ignore"):
            block = samples[start : start + at_once].astype(np.float32, copy=False)
        yield block


def _decode(
    source: Path | MemoryFile, start_s: float | None, end_s: float | None
) -> Generator[Any]:
    """Yield a `RecordingInfo`, then blocks (n_samples, n_channels), seeking to where they start."""
    import soundfile

    try:
        with open_sound(source) as file:
            info = _info(file, source)
            if info.n_samples == 0:
                raise no_samples(source)
            start, stop = _span(source, info.sample_rate, info.n_samples, start_s, end_s)
            yield info
            at_once = _at_once(info.n_channels)
            _go_to(file, start, at_once)
            while start < stop:
                wanted = min(at_once, stop - start)
                samples = file.read(wanted, dtype="float32", always_2d=True)
                if len(samples):
                    yield samples
                if len(samples) < wanted:
                    raise AudioError(
                        f"{source}: truncated: decoding stopped {stop - start - len(samples):,} "
                        "samples before the end that its header says; copy the file again"
                    )
                start += wanted
    except soundfile.LibsndfileError as error:
        raise damaged(source, error) from None


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
    source: Source, rate: int, length: int, start_s: float | None, end_s: float | None
) -> tuple[int, int]:
    """Give a segment in samples."""
    first, last = start_s or 0.0, length / rate if end_s is None else end_s
    if not (0 <= first < last <= length / rate + 0.001) or round(first * rate) >= length:
        raise AudioError(
            f"{source}: segment {first:g} to {last:g} s does not lie within the recording's "
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
