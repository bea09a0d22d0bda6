"""From recordings to the frames of utterances and sides, read and computed now."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from speakergmm.audio import check_samples, read_blocks
from speakergmm.audio.activity import snr_of_frames
from speakergmm.audio.listening import listen
from speakergmm.audio.sources import content_digest
from speakergmm.corpora import Utterance
from speakergmm.errors import AudioError, ConfigError
from speakergmm.features.sides import Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from speakergmm.audio.quality import Quality
    from speakergmm.audio.sources import Recording, Source
    from speakergmm.features.front_end import FrontEnd, UtteranceFrames


class Degrade(Protocol):
    """Makes samples worse on purpose, the same way each time for the same utterance."""

    @property
    def digest(self) -> str:
        """Digest of all that the result depends on besides samples, rate and utterance."""

    def __call__(
        self, samples: NDArray[np.float32], sample_rate: int, utterance_id: str
    ) -> NDArray[np.float32]:
        """Give the degraded samples (n_samples,), at the same rate."""


class SideFrames(NamedTuple):
    """Frames (T, D) of a side, and what its recordings are like.

    ``recording_s`` is how long they are together; ``snr_db`` the mean of what `snr_of_frames` says
    of each, weighted by its speech.
    """

    frames: NDArray[np.float32]
    recording_s: float
    snr_db: float


@dataclass(frozen=True, slots=True, eq=False)
class HeardRecording:
    """What one pass over a recording told besides its frames.

    Parameters
    ----------
    source : Path, MemoryFile or GivenSamples
        Where it came from; ``str`` of it names it in messages.
    audio_digest : str
        Of its samples, see `speakergmm.audio.listening.Listening`.
    quality : Quality
        Of the channel that the front end listens to.
    duration_s : float
        By the recording's own sample rate.
    kept : (T_all,) bool
        Which of all its frames are among those of the side, where they stand in this order.
    frames_per_s : float
        Of all its frames; frame t stands around second t / frames_per_s.
    """

    source: Source
    audio_digest: str
    quality: Quality
    duration_s: float
    kept: NDArray[np.bool_]
    frames_per_s: float

    @property
    def name(self) -> str:
        """What messages call the recording."""
        return str(self.source)

    @property
    def n_speech(self) -> int:
        """Frames of speech."""
        return int(np.count_nonzero(self.kept))

    @property
    def kept_s(self) -> NDArray[np.float64]:
        """Where the middles of the frames of speech are, (n_speech,), in seconds."""
        return np.asarray(np.flatnonzero(self.kept) / self.frames_per_s, dtype=np.float64)

    def file_digest(self) -> str:
        """SHA-256 of the file's content, in hexadecimal; "" for samples, which are no file.

        Raises
        ------
        AudioError
            When the file can no longer be read.
        """
        return content_digest(self.source)


class HeardSide(NamedTuple):
    """`SideFrames`, and what was heard besides of each of the side's recordings."""

    frames: NDArray[np.float32]
    recording_s: float
    snr_db: float
    recordings: tuple[HeardRecording, ...]


def recording_frames(
    path: Path | str,
    front_end: FrontEnd,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
) -> NDArray[np.float32]:
    """Frames (T, D) of a recording, or of the segment [start_s, end_s) of one.

    The recording is read block by block, so it may be hours long.

    Raises
    ------
    AudioError
        Naming the recording and what is wrong with it.
    """
    return pooled_frames([path], front_end, start_s=start_s, end_s=end_s)


def pooled_frames(
    paths: Sequence[Path | str],
    front_end: FrontEnd,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
) -> NDArray[np.float32]:
    """Frames (T, D) of several recordings of one speaker, as one side.

    Raises
    ------
    AudioError
        Naming the recording and what is wrong with it.
    """
    return recorded_side(paths, front_end, start_s=start_s, end_s=end_s).frames


def recorded_side(
    paths: Sequence[Path | str],
    front_end: FrontEnd,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
) -> SideFrames:
    """Frames of several recordings of one speaker, as one side, and what they are like.

    Raises
    ------
    AudioError
        Naming the recording and what is wrong with it.
    """
    whole = [
        _frames_of(Utterance(str(path), "", Path(path), start_s, end_s), front_end)
        for path in paths
    ]
    return _joined(whole, front_end)


def heard_side(recordings: Sequence[Recording], front_end: FrontEnd) -> HeardSide:
    """Frames of recordings of one speaker, as one side, each read once, from wherever it comes.

    Frames, length and SNR are those of `recorded_side`.

    Raises
    ------
    AudioError
        Naming the recording and what is wrong with it; when there are no recordings.
    """
    if not recordings:
        raise AudioError("there are no recordings; expected one or more")
    parts, heard = zip(*(_heard(recording, front_end) for recording in recordings), strict=True)
    return HeardSide(*_joined(parts, front_end), heard)


def _heard(recording: Recording, front_end: FrontEnd) -> tuple[UtteranceFrames, HeardRecording]:

    with listen(recording, front_end.config.channel) as heard, _naming(heard.name):
        part = front_end.utterance(heard.blocks, heard.sample_rate)
        return part, HeardRecording(
            heard.source,
            heard.audio_digest,
            heard.quality(),
            heard.duration_s,
            part.kept,
            front_end.config.frames_per_s,
        )


def utterance_frames(utterance: Utterance, front_end: FrontEnd) -> NDArray[np.float32]:
    """Frames (T, D) of one utterance, read and computed now.

    Raises
    ------
    AudioError
        Naming the utterance, its recording and what is wrong with it.
    """
    return side_frames(Side(utterance.utterance_id, (utterance,)), front_end).frames


def side_frames(side: Side, front_end: FrontEnd, degrade: Degrade | None = None) -> SideFrames:
    """Frames (T, D) of a side, read and computed now.

    Raises
    ------
    AudioError
        Naming the utterance, its recording and what is wrong with it.
    """
    wanted = None if side.speech_s is None else front_end.config.n_frames(side.speech_s)
    parts: list[UtteranceFrames] = []
    for utterance in side.utterances:
        with _naming(f"utterance {utterance.utterance_id}"):
            part = _frames_of(utterance, front_end, degrade)
        if wanted is not None:
            part = part.first(wanted)
            wanted -= part.n_speech
        parts.append(part)
        if wanted == 0:
            break
    return _joined(parts, front_end)


def _joined(parts: Sequence[UtteranceFrames], front_end: FrontEnd) -> SideFrames:
    """Join the frames of a side, and sum up what its recordings are like."""
    speech = np.array([part.n_speech for part in parts], dtype=np.float64)
    snr_db = np.array([snr_of_frames(part.energy) for part in parts])
    mean_snr_db = float(snr_db @ speech / speech.sum())
    recording_s = sum(part.recording_s for part in parts)
    return SideFrames(front_end.pooled(parts), recording_s, mean_snr_db)


def _frames_of(
    utterance: Utterance, front_end: FrontEnd, degrade: Degrade | None = None
) -> UtteranceFrames:
    path, start_s = utterance.path, utterance.start_s or 0.0
    wanted = utterance.channel
    channel = front_end.config.channel if wanted is None else wanted
    opened = read_blocks(path, start_s=utterance.start_s, end_s=utterance.end_s, channel=channel)
    marked = None
    if utterance.speech_s is not None:
        marked = [(start - start_s, end - start_s) for start, end in utterance.speech_s]
    with _naming(str(path)), closing(opened.blocks):
        rate = opened.sample_rate
        blocks: Iterable[NDArray[np.float32]] = opened.blocks
        if degrade is not None:
            blocks = [_degraded(np.concatenate(list(blocks)), rate, utterance, degrade)]
        return front_end.utterance(blocks, rate, speech_s=marked)


def _degraded(
    samples: NDArray[np.float32], sample_rate: int, utterance: Utterance, degrade: Degrade
) -> NDArray[np.float32]:
    try:
        degraded = degrade(samples, sample_rate, utterance.utterance_id)
    except ConfigError as error:
        # Of a rate, say, that the degradation is not defined for.
        raise AudioError(str(error)) from None
    # What was cut to a pause, or is lost to a codec, is no test of any speaker.
    check_samples(degraded)
    return degraded


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Say in an error what it is about, where it does not say so itself."""
    try:
        yield
    except AudioError as error:
        if str(error).startswith(f"{what}: "):
            raise
        raise AudioError(f"{what}: {error}") from None
