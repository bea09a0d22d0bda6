"""Verification of speech that is still arriving: an answer that grows until it is sure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.audio.resampling import resample_blocks
from speakergmm.audio.sources import whole_rate
from speakergmm.config import check_range, use_plain_numbers
from speakergmm.errors import AudioError, ConfigError
from speakergmm.verification.sequential import Looks, SequentialTest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from speakergmm.verification.answers import Verification
    from speakergmm.verification.engine import Engine, KnownSpeaker
    from speakergmm.verification.sequential import Decided


@dataclass(frozen=True)
class StreamConfig:
    """When a stream answers, and when it stops.

    Parameters
    ----------
    every_s : float
        Seconds of audio from one answer to the next, at least.
    growth : float
        They are also at least this share of what was heard before: as each answer looks at all that
        was heard, the work stays in proportion to it.
    min_speech_s : float
        Seconds of net speech before an answer may count for stopping.
    test : SequentialTest or None
        When it is sure; None: it never stops by itself.
    """

    every_s: float = 0.5
    growth: float = 0.1
    min_speech_s: float = 1.0
    test: SequentialTest | None = field(default_factory=SequentialTest)

    def __post_init__(self) -> None:
        use_plain_numbers(self)
        check_range("every_s", self.every_s, 0.05, 60.0, "s")
        check_range("growth", self.growth, 0.0, 1.0)
        check_range("min_speech_s", self.min_speech_s, 0.2, 600.0, "s")

    def next_answer_s(self, heard_s: float) -> float:
        """Say after how much audio the answer is due that follows one after ``heard_s``."""
        return heard_s + max(self.every_s, self.growth * heard_s)


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """The answer so far.

    Parameters
    ----------
    heard_s, speech_s : float
        Seconds of audio so far, and of net speech in it.
    score, llr : float or None
        As in `Verification`; None while there is too little speech, ``llr`` also without a
        calibration.
    accepted : bool or None
        What the decision would be now.
    decided : {"accepted", "rejected"} or None
        Set when it is sure enough to stop.
    """

    heard_s: float
    speech_s: float
    score: float | None
    llr: float | None
    accepted: bool | None
    decided: Decided | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the answer as JSON."""
        return dataclasses.asdict(self)


class Stream:
    """Verifies speech as it arrives. Make one with `Verifier.stream`.

    Each answer is that of `Verifier.verify` on all samples so far. After the last sample, `finish`
    gives the answer to all of it; of a stream that was decided, the decision.

    Examples
    --------
    >>> stream = verifier.stream("alice", sample_rate=16000)  # doctest: +SKIP
    >>> for block in blocks:  # doctest: +SKIP
    ...     answer = stream.push(block)
    ...     if answer is not None and answer.decided:
    ...         break
    >>> stream.finish().accepted  # doctest: +SKIP
    True
    """

    def __init__(
        self,
        engine: Engine,
        speaker: KnownSpeaker,
        sample_rate: int,
        threshold: float,
        config: StreamConfig,
    ) -> None:
        sample_rate = whole_rate(sample_rate)
        wanted = engine.system.front_end.config
        # Refused at once where the system allows no such change: no speech will ever do.
        resample_blocks((), sample_rate, wanted.sample_rate, policy=wanted.resample)
        self.engine, self.speaker, self.config = engine, speaker, config
        self.sample_rate, self.threshold = sample_rate, threshold
        self._blocks: list[NDArray[np.floating]] = []
        self._n_samples, self._due = 0, self._next_due(0)
        self._looks = Looks(config.test, threshold) if config.test and self.can_stop else None
        self._decided: StreamAnswer | None = None

    @property
    def can_stop(self) -> bool:
        """Whether it may stop by itself: what little speech is worth has to be known for that."""
        calibration = self.engine.system.calibration
        return (
            self.config.test is not None and calibration is not None and bool(calibration.expected)
        )

    @property
    def is_decided(self) -> bool:
        """Whether an answer was sure enough, so that no more speech is taken."""
        return self._decided is not None

    def push(self, samples: ArrayLike) -> StreamAnswer | None:
        """Take the next samples; give an answer when one is due, else None.

        Parameters
        ----------
        samples : (n,) or (n, channels)
            Floats, full scale ±1.

        Raises
        ------
        AudioError
            When they are no finite floats, or of another number of channels than before.
        ConfigError
            When it was decided already.
        """
        if self._decided is not None:
            raise ConfigError("the stream is decided; begin another for more speech")
        block = self._checked(samples)
        self._blocks.append(block)
        self._n_samples += len(block)
        if self._n_samples < self._due:
            return None
        self._due = self._next_due(self._n_samples)
        return self._answer()

    def finish(self) -> Verification:
        """Give the answer to all that was heard, as `Verifier.verify` does.

        Of a stream that was decided there are no errors to expect but those of its test: who stops
        when an answer is sure errs at other rates than who listens to so much speech.

        Raises
        ------
        AudioError
            When there was too little speech, or nothing at all.
        """
        heard = self.engine.hear([(self._heard(), self.sample_rate)])
        answer = self.engine.answer(self.speaker, heard, self.threshold)
        if self._decided is None:
            return answer
        return dataclasses.replace(answer, expected=None, better=None)

    def _next_due(self, n_samples: int) -> int:
        return round(self.config.next_answer_s(n_samples / self.sample_rate) * self.sample_rate)

    def _checked(self, samples: ArrayLike) -> NDArray[np.floating]:
        block = np.asarray(samples)
        if block.dtype.kind != "f" or block.ndim not in (1, 2):
            raise AudioError(
                f"samples are {block.dtype} of shape {block.shape}; expected floats (n,) or (n, "
                "channels) with full scale ±1: divide 16-bit samples by 32768"
            )
        if not np.isfinite(block).all():
            raise AudioError("samples are NaN or infinite; check what they come from")
        if self._blocks and block.shape[1:] != self._blocks[0].shape[1:]:
            raise AudioError(
                f"samples have shape {block.shape}, those before {self._blocks[0].shape}; expected "
                "the same channels all the time"
            )
        # A caller may use the same buffer for what comes next.
        return block.copy()

    def _heard(self) -> NDArray[np.floating]:
        if len(self._blocks) > 1:
            self._blocks = [np.concatenate(self._blocks)]
        return self._blocks[0] if self._blocks else np.empty(0, dtype=np.float32)

    def _answer(self) -> StreamAnswer:
        heard_s = self._n_samples / self.sample_rate
        try:
            heard = self.engine.hear([(self._heard(), self.sample_rate)])
        except AudioError:
            # Silence, or too little speech: more may come.
            return StreamAnswer(heard_s, 0.0, None, None, None)
        answer = self.engine.answer(self.speaker, heard, self.threshold)
        decided = None
        if self._looks is not None and answer.speech_s >= self.config.min_speech_s:
            decided = self._looks.add(answer.value)
        found = StreamAnswer(
            heard_s, answer.speech_s, answer.score, answer.llr, answer.accepted, decided
        )
        if decided is not None:
            self._decided = found
        return found
