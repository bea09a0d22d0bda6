"""One pass over a recording: its samples for the front end, its digest, its quality."""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.audio import quality
from speakergmm.audio.recordings import RecordingInfo, all_channels, one_channel_of
from speakergmm.audio.sources import Recording, Source, content_digest, source_of
from speakergmm.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from speakergmm.audio.quality import Quality
    from speakergmm.audio.samples import Channel


@dataclass
class _Notes:
    """What is noted of the blocks (n, n_channels) that pass."""

    digest: Any
    beginning: list[NDArray[np.float32]] = field(default_factory=list)
    n_kept: int = 0
    at_end: bool = False

    def look(self, block: NDArray[np.float32]) -> None:
        update_digest(self.digest, block)
        if self.n_kept < quality.MAX_VALUES:
            self.beginning.append(block)
            self.n_kept += block.size


@dataclass(frozen=True)
class Listening:
    """A recording that is being listened to. Make one with `listen`.

    What depends on all of the recording can be asked for when its blocks have been taken.

    Parameters
    ----------
    source : Path, MemoryFile or GivenSamples
    info : RecordingInfo
    channel : int or "mix"
        What the blocks are of.
    blocks : generator of (n,) float32
        The samples of that channel, to be taken once.
    """

    source: Source
    info: RecordingInfo
    channel: Channel
    blocks: Generator[NDArray[np.float32]]
    _notes: _Notes = field(repr=False)

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *_: object) -> None:
        self.blocks.close()

    @property
    def name(self) -> str:
        """What messages call the recording."""
        return str(self.source)

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return self.info.sample_rate

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.info.duration_s

    @property
    def audio_digest(self) -> str:
        """SHA-256 of what is heard, in hexadecimal, whatever file it came in.

        Of the sample rate in Hz and the number of channels, as unsigned little-endian integers of
        32 bits, and of the samples as little-endian 32-bit floats, full scale ±1, with the channels
        interleaved. So a WAV file and a FLAC file of the same samples agree, and so does an array
        that holds them; a change of level, rate or a single sample makes another digest.

        Raises
        ------
        AudioError
            Before all blocks were taken.
        """
        self._check_end()
        return str(self._notes.digest.hexdigest())

    def quality(self) -> Quality:
        """Measure the quality, as `speakergmm.audio.quality.recording_quality` does.

        Raises
        ------
        AudioError
            Before all blocks were taken; as `recording_quality`.
        """
        self._check_end()
        notes = self._notes.beginning
        beginning = notes[0] if len(notes) == 1 else np.concatenate(notes)
        measured = quality.quality_of_channels(beginning, self.sample_rate, self.channel, self.name)
        return dataclasses.replace(measured, duration_s=self.duration_s)

    def file_digest(self) -> str:
        """SHA-256 of the file's content, in hexadecimal; "" for samples, which are no file.

        Raises
        ------
        AudioError
            When the file can no longer be read.
        """
        return content_digest(self.source)

    def _check_end(self) -> None:
        if not self._notes.at_end:
            raise AudioError(f"{self.name}: not heard to its end; take all of its blocks first")


def listen(recording: Recording | Source, channel: Channel = "mix") -> Listening:
    """Open a recording, to be heard once, block by block.

    Memory holds a block and, for the quality, the first `quality.MAX_VALUES` samples times
    channels; of a file that was given open, all of its content.

    Parameters
    ----------
    recording : path, binary file or (samples, sample_rate)
        An open file is read from where it is to its end; it need not be seekable. Samples are (n,)
        or (n, n_channels), full scale ±1.
    channel : int or "mix"
        One channel, counted from 0, or the mean of all.

    Raises
    ------
    AudioError
        As `speakergmm.audio.read_blocks`, naming the recording; when samples are integers, or have
        another shape or rate than any recording.

    Examples
    --------
    >>> with listen("interview.flac") as heard:  # doctest: +SKIP
    ...     frames = front_end.utterance(heard.blocks, heard.sample_rate)
    >>> heard.audio_digest, heard.quality().warnings  # doctest: +SKIP
    """
    source = source_of(recording)
    info, decoded = all_channels(source)
    notes = _Notes(new_digest(info))
    blocks = one_channel_of(_noted(decoded, notes), channel, source)
    return Listening(source, info, channel, blocks, notes)


def new_digest(info: RecordingInfo) -> Any:
    """Begin a `Listening.audio_digest`, to be updated with blocks (n, n_channels)."""
    return hashlib.sha256(struct.pack("<II", info.sample_rate, info.n_channels))


def update_digest(digest: Any, block: NDArray[np.float32]) -> None:
    """Add a block (n, n_channels) to a digest."""
    digest.update(np.ascontiguousarray(block, dtype="<f4").reshape(-1))


def _noted(blocks: Generator[NDArray[np.float32]], notes: _Notes) -> Generator[NDArray[np.float32]]:
    for block in blocks:
        notes.look(block)
        yield block
    notes.at_end = True
