"""From recordings to the frames of utterances and sides, read and computed now."""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from speakergmm.audio import check_samples, read_blocks
from speakergmm.corpora import Utterance
from speakergmm.errors import AudioError, ConfigError
from speakergmm.features.sides import Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

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
    whole = [
        _frames_of(Utterance(str(path), "", Path(path), start_s, end_s), front_end)
        for path in paths
    ]
    return front_end.pooled(whole)


def utterance_frames(utterance: Utterance, front_end: FrontEnd) -> NDArray[np.float32]:
    """Frames (T, D) of one utterance, read and computed now.

    Raises
    ------
    AudioError
        Naming the utterance, its recording and what is wrong with it.
    """
    frames, _ = side_frames(Side(utterance.utterance_id, (utterance,)), front_end)
    return frames


def side_frames(
    side: Side, front_end: FrontEnd, degrade: Degrade | None = None
) -> tuple[NDArray[np.float32], float]:
    """Frames (T, D) of a side, read and computed now, and the seconds of its recordings.

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
    return front_end.pooled(parts), sum(part.recording_s for part in parts)


def _frames_of(
    utterance: Utterance, front_end: FrontEnd, degrade: Degrade | None = None
) -> UtteranceFrames:
    path, start_s = utterance.path, utterance.start_s or 0.0
    opened = read_blocks(
        path, start_s=utterance.start_s, end_s=utterance.end_s, channel=front_end.config.channel
    )
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
        if str(error).startswith(what):
            raise
        raise AudioError(f"{what}: {error}") from None
