"""The front end: mono samples → the frames (T, D) that models are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.audio import check_samples, resample_blocks
from speakergmm.audio.activity import voiced, voiced_above_noise, without_short_runs
from speakergmm.audio.sources import whole_rate
from speakergmm.errors import AudioError, ConfigError
from speakergmm.features.dynamics import shifted_deltas, slopes
from speakergmm.features.mfcc import (
    MfccTransform,
    build_mfcc_transform,
    cepstra_in_blocks,
    least_power,
)
from speakergmm.features.moving_normalization import rasta
from speakergmm.features.normalizing import normalize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from speakergmm.features.config import FrontEndConfig

# Samples, and frames, that are worked on at a time: what is made of them on the way stays small.
BLOCK_SAMPLES = 1 << 20
BLOCK_FRAMES = 1 << 14


@dataclass(frozen=True, eq=False)
class UtteranceFrames:
    """Frames (T, D) of one utterance that are not normalized yet.

    ``speech`` (T,) marks those that are to be kept; None where only those are there.
    ``recording_s`` is how long the utterance is, ``energy`` (T_all,) that of all its frames, and
    ``kept`` (T_all,) marks those of them that are to be kept, also where only those are there.
    """

    frames: NDArray[np.float32]
    speech: NDArray[np.bool_] | None
    recording_s: float
    energy: NDArray[np.float32]
    kept: NDArray[np.bool_]

    def first(self, n_speech: int) -> UtteranceFrames:
        """Cut after so many frames of speech."""
        kept = self.kept & (np.cumsum(self.kept) <= n_speech)
        if self.speech is None:
            return replace(self, frames=self.frames[:n_speech], kept=kept)
        stop = int(np.searchsorted(np.cumsum(self.speech), n_speech)) + 1
        return replace(self, frames=self.frames[:stop], speech=self.speech[:stop], kept=kept)

    @property
    def speech_mask(self) -> NDArray[np.bool_]:
        """``speech``, where it is None all."""
        return np.ones(len(self.frames), dtype=np.bool_) if self.speech is None else self.speech

    @property
    def n_speech(self) -> int:
        """Frames of speech."""
        return len(self.frames) if self.speech is None else int(np.count_nonzero(self.speech))


@dataclass(frozen=True)
class FrontEnd:
    """Turns samples into frames, by one configuration: call it with samples and their rate.

    Parameters
    ----------
    config : FrontEndConfig

    Raises
    ------
    ConfigError
        When the configuration is of frames that another program made.

    Examples
    --------
    >>> import numpy as np
    >>> from speakergmm import FrontEnd, FrontEndConfig
    >>> front_end = FrontEnd(FrontEndConfig(n_mfcc=20, deltas=1))
    >>> samples = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    >>> front_end(samples, 16000).shape
    (101, 40)
    """

    config: FrontEndConfig

    def __post_init__(self) -> None:
        if self.config.imported_features:
            raise ConfigError(
                f"frames of {self.config.imported_features} features that another program made "
                "cannot be made of recordings here; give frames of the same kind (`features "
                "import`, `score --frames`), or train a model on recordings"
            )

    @classmethod
    def with_constants(
        cls, config: FrontEndConfig, constants: Mapping[str, NDArray[np.float32]]
    ) -> FrontEnd:
        """Make a front end of constants that were stored, which need not be computed then.

        Building them imports librosa; making them of what is stored does not. The frames have the
        same bits either way.

        Parameters
        ----------
        config : FrontEndConfig
        constants : mapping
            As from `constants` of a front end of the same configuration.

        Raises
        ------
        ConfigError
            When they are damaged, or their shapes are those of another configuration.
        """
        transform = MfccTransform.from_tensors(
            constants,
            hop_length=config.hop_length,
            pre_emphasis=config.pre_emphasis,
            noise_subtraction=config.noise_subtraction,
            top_db=config.top_db,
        )
        got = (transform.n_fft, *transform.dct.shape)
        expected = (config.n_fft, config.n_mels, len(_cepstra(config)))
        if got != expected:
            raise ConfigError(
                f"front end: its stored constants have (n_fft, n_mels, n_cepstra) {got}; its "
                f"settings need {expected}; make them anew"
            )
        front_end = cls(config)
        # Where `transform` looks before it builds anything.
        vars(front_end)["transform"] = transform
        return front_end

    def constants(self) -> dict[str, NDArray[np.float32]]:
        """Give the constants of `transform` to store; see `with_constants`."""
        return self.transform.tensors()

    @cached_property
    def transform(self) -> MfccTransform:
        """Window, filter bank and cosine transform: built at first use, once."""
        config = self.config
        return build_mfcc_transform(
            sample_rate=config.sample_rate,
            n_fft=config.n_fft,
            win_length=config.win_length,
            hop_length=config.hop_length,
            pre_emphasis=config.pre_emphasis,
            n_mels=config.n_mels,
            f_min_hz=config.f_min_hz,
            f_max_hz=config.sample_rate / 2 if config.f_max_hz is None else config.f_max_hz,
            scale=config.mel_scale,
            cepstra=_cepstra(config),
            noise_subtraction=config.noise_subtraction,
            lifter=config.lifter,
            top_db=config.top_db,
        )

    def __call__(self, samples: ArrayLike, sample_rate: int) -> NDArray[np.float32]:
        """Compute the frames of one utterance.

        Parameters
        ----------
        samples : (n_samples,) array
            Mono; full scale is ±1.
        sample_rate : int
            Of the samples, in Hz; brought down to the configuration's where that is lower.

        Returns
        -------
        (T, D) float32, C-contiguous
            The frames that voice activity detection kept; at least one.

        Raises
        ------
        AudioError
            When the samples are not one channel, too few for one analysis window, NaN or infinite,
            all zero, or at a rate that must not be changed or is none.
        """
        given = np.asarray(samples)
        if given.dtype.kind != "f":
            raise AudioError(
                f"samples are {given.dtype}; expected floats with full scale ±1: divide 16-bit "
                "samples by 32768"
            )
        mono = given if given.dtype == np.float32 else _in_32_bits(given)
        check_samples(mono)
        blocks = (mono[i : i + BLOCK_SAMPLES] for i in range(0, len(mono), BLOCK_SAMPLES))
        return self.pooled([self.utterance(blocks, whole_rate(sample_rate))])

    def utterance(
        self,
        blocks: Iterable[NDArray[np.float32]],
        sample_rate: int,
        *,
        speech_s: Sequence[tuple[float, float]] | None = None,
    ) -> UtteranceFrames:
        """Compute the frames of one utterance, not normalized, from samples in blocks.

        Memory holds the frames and no more than a block of samples.

        Parameters
        ----------
        blocks : iterable of (n,) float32
            Mono, already checked; as from `speakergmm.audio.read_blocks`.
        sample_rate : int
            Hz.
        speech_s : sequence of (start, end), optional
            Where there is speech, in seconds from the first sample; it counts instead of what voice
            activity detection finds.

        Raises
        ------
        AudioError
            When the samples are too few for one analysis window, far beyond full scale, at a rate
            that must not be changed, or none of the marked speech is in them.
        """
        config = self.config
        wanted = resample_blocks(blocks, sample_rate, config.sample_rate, policy=config.resample)
        counter = _Counter(wanted)
        # Else quiet copies of a recording would meet a floor that it does not.
        below_loudest = config.normalization == "level"
        cepstra, energy = cepstra_in_blocks(counter, self.transform, below_loudest=below_loudest)
        if counter.n_samples < config.win_length:
            raise AudioError(
                f"too short: {counter.n_samples / config.sample_rate * 1000:.1f} ms; expected at "
                f"least one analysis window ({config.window_s * 1000:g} ms); drop it or join it to "
                "another"
            )
        recording_s = counter.n_samples / config.sample_rate
        speech = self._speech(energy) if speech_s is None else self._marked(speech_s, len(energy))
        if config.vad_keeps == "pauses" and speech is not None:
            speech = ~speech
            # As the loudest frame is always speech, the quietest never is: no side is empty.
            speech[np.argmin(energy)] = True
        if config.log_energy:
            floor = least_power(energy, below_loudest=below_loudest)
            cepstra = _with_energy(cepstra, energy, floor)
        if config.rasta:
            cepstra = rasta(cepstra)
        kept = np.ones(len(energy), dtype=np.bool_) if speech is None else speech
        only, later = (None, speech) if config.normalization_frames == "all" else (speech, None)
        frames = self._with_dynamics(cepstra, only)
        return UtteranceFrames(frames, later, recording_s, energy, kept)

    def pooled(self, utterances: Sequence[UtteranceFrames]) -> NDArray[np.float32]:
        """Join the frames of what belongs together, and normalize them by the configuration.

        Parameters
        ----------
        utterances : sequence of UtteranceFrames
            Of one enrollment, one test, or one alone. Their arrays may be written over.

        Returns
        -------
        (T, D) float32, C-contiguous
            The frames of speech.
        """
        if self.config.normalization_over == "side" and len(utterances) > 1:
            joined = np.concatenate([utterance.frames for utterance in utterances])
            speech = None
            if any(part.speech is not None for part in utterances):
                masks = [part.speech_mask for part in utterances]
                speech = np.concatenate(masks)
            frames = self._normalized(joined, speech)
        else:
            parts = [self._normalized(part.frames, part.speech) for part in utterances]
            frames = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return np.ascontiguousarray(frames)

    def _normalized(
        self, frames: NDArray[np.float32], speech: NDArray[np.bool_] | None
    ) -> NDArray[np.float32]:
        """Normalize frames, over the place where they are, and keep those of speech."""
        frames = normalize(frames, self.config)
        return frames if speech is None else frames[speech]

    def _speech(self, energy: NDArray[np.float32]) -> NDArray[np.bool_] | None:
        """Mark the frames to keep; None: all."""
        config = self.config
        if config.vad == "none":
            return None
        limit_db = math.inf if config.vad_db is None else config.vad_db
        speech = voiced(energy, threshold_db=limit_db)
        if config.vad == "two_gaussian":
            speech &= voiced_above_noise(energy)
        if config.vad_min_speech_s or config.vad_min_pause_s:
            speech = without_short_runs(
                speech,
                min_speech=config.n_frames(config.vad_min_speech_s),
                min_pause=config.n_frames(config.vad_min_pause_s),
            )
        return speech

    def _marked(self, speech_s: Sequence[tuple[float, float]], n_frames: int) -> NDArray[np.bool_]:
        """Mark the frames whose middle lies in one of the segments [start, end)."""
        speech = np.zeros(n_frames, dtype=np.bool_)
        frames_per_s = self.config.frames_per_s
        # Rounded first: 0.07 s are 7 frames, though 0.07 times 100 is more.
        for start_s, end_s in speech_s:
            start, stop = (max(0, math.ceil(round(t * frames_per_s, 6))) for t in (start_s, end_s))
            speech[start:stop] = True
        if not speech.any():
            raise AudioError(
                "none of its frames lies in the speech that its list marks; correct the list"
            )
        return speech

    def _with_dynamics(
        self, static: NDArray[np.float32], speech: NDArray[np.bool_] | None
    ) -> NDArray[np.float32]:
        """Append slopes and differences over all frames, and keep those of speech."""
        n_frames = len(static)
        if n_frames <= BLOCK_FRAMES:
            frames = self._dynamics(static)
            return frames if speech is None or speech.all() else frames[speech]
        n_kept = n_frames if speech is None else int(np.count_nonzero(speech))
        frames = np.empty((n_kept, self.config.n_features), dtype=np.float32)
        row = 0
        for start, stop, first, last in _blocks_with_context(n_frames, self._reach()):
            part = self._dynamics(static[first:last])[start - first : stop - first]
            if speech is not None:
                part = part[speech[start:stop]]
            frames[row : row + len(part)] = part
            row += len(part)
        return frames

    def _dynamics(self, static: NDArray[np.float32]) -> NDArray[np.float32]:
        config = self.config
        if config.deltas == 0 and config.shifted_deltas is None:
            return static
        parts = [static]
        for _ in range(config.deltas):
            parts.append(slopes(parts[-1], config.delta_window))
        if config.shifted_deltas is not None:
            n, spread, shift, n_blocks = config.shifted_deltas
            parts.append(
                shifted_deltas(static[:, :n], spread=spread, shift=shift, n_blocks=n_blocks)
            )
        return np.concatenate(parts, axis=1)

    def _reach(self) -> int:
        """Frames to either side that a frame's slopes and differences depend on."""
        reach: int = self.config.deltas * self.config.delta_window
        if self.config.shifted_deltas is not None:
            _, spread, shift, n_blocks = self.config.shifted_deltas
            reach = max(reach, spread + shift * (n_blocks - 1))
        return reach


def _cepstra(config: FrontEndConfig) -> range:
    """Give the numbers of the cepstra that are kept."""
    return range(0 if config.c0 else 1, config.n_mfcc)


def _in_32_bits(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    # What is too large becomes infinite, and is refused as such.
    with np.errstate(over="ignore"):
        return samples.astype(np.float32)


class _Counter:
    """Passes blocks on and counts their samples."""

    def __init__(self, blocks: Iterable[NDArray[np.float32]]) -> None:
        self.blocks = blocks
        self.n_samples = 0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for block in self.blocks:
            self.n_samples += len(block)
            yield block


def _with_energy(
    cepstra: NDArray[np.float32], energy: NDArray[np.float32], floor: float
) -> NDArray[np.float32]:
    """Put each frame's energy in dB before its features."""
    energy_db = 10.0 * np.log10(np.maximum(energy, np.float32(floor)))
    return np.column_stack([energy_db, cepstra])


def _blocks_with_context(n_frames: int, reach: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield blocks [start, stop) of frames, and what they are computed from: [first, last)."""
    for start in range(0, n_frames, BLOCK_FRAMES):
        stop = min(start + BLOCK_FRAMES, n_frames)
        yield start, stop, max(0, start - reach), min(n_frames, stop + reach)
