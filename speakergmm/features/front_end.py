"""The front end: mono samples → the frames (T, D) that models are made of."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from speakergmm.audio import check_samples, resample
from speakergmm.config import check_choice, check_range, check_whole
from speakergmm.errors import AudioError, ConfigError
from speakergmm.features.mfcc import MfccTransform, build_mfcc_transform, mfcc, pre_emphasize
from speakergmm.features.transforms import cmn, cmvn, deltas, voiced
from speakergmm.files import value_digest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class FrontEndConfig:
    """Settings of the front end. They travel with every model that is trained on its frames.

    Parameters
    ----------
    sample_rate : int
        Hz. Recordings at a higher rate are brought down to it.
    resample : {"down", "any", "never"}
        Which changes of rate are allowed.
    channel : int or "mix"
        Which channel of a recording: one, counted from 0, or the mean of all.
    window_s, hop_s : float
        Length of the Hann analysis window, and the step from one to the next, in seconds.
    pre_emphasis : float
        Coefficient of the first-order high-pass, 0 for none.
    n_mels : int
        Mel filters between ``f_min_hz`` and ``f_max_hz`` (None: half the sample rate).
    mel_scale : {"slaney", "htk"}
        librosa's two mel scales.
    top_db : float or None
        Log mel energies are kept within so many dB of the utterance's loudest; None: no limit.
    n_mfcc : int
        Cepstral coefficients, c0 included.
    c0 : bool
        Keep c0, which carries the level, as the first of them.
    lifter : float
        Cepstral liftering, 0 for none.
    deltas : {0, 1, 2}
        Append no slopes, first, or first and second.
    delta_window : int
        Frames to each side that a slope is taken over.
    vad_db : float or None
        Keep frames that are at most so many dB below the loudest; None: keep all.
    normalization : {"none", "cmn", "cmvn"}
        Over the utterance's kept frames.
    """

    sample_rate: int = 16000
    resample: Literal["down", "any", "never"] = "down"
    channel: int | Literal["mix"] = "mix"
    window_s: float = 0.025
    hop_s: float = 0.010
    pre_emphasis: float = 0.97
    n_mels: int = 40
    f_min_hz: float = 0.0
    f_max_hz: float | None = None
    mel_scale: Literal["slaney", "htk"] = "slaney"
    top_db: float | None = 80.0
    n_mfcc: int = 30
    c0: bool = True
    lifter: float = 0.0
    deltas: Literal[0, 1, 2] = 0
    delta_window: int = 2
    vad_db: float | None = 30.0
    normalization: Literal["none", "cmn", "cmvn"] = "none"

    def __post_init__(self) -> None:
        check_whole("sample_rate", self.sample_rate, 1000, 384_000, "Hz")
        check_choice("resample", self.resample, ("down", "any", "never"))
        if self.channel != "mix":
            check_whole("channel", self.channel, 0, 1023, "(or 'mix')")
        check_range("window_s", self.window_s, 16 / self.sample_rate, 1.0, "s")
        check_range("hop_s", self.hop_s, 1 / self.sample_rate, self.window_s, "s")
        check_range("pre_emphasis", self.pre_emphasis, 0.0, 1.0)
        check_whole("n_mels", self.n_mels, 2, 512)
        check_range("f_min_hz", self.f_min_hz, 0.0, self.sample_rate / 2, "Hz")
        if self.f_max_hz is not None:
            check_range("f_max_hz", self.f_max_hz, self.f_min_hz + 1, self.sample_rate / 2, "Hz")
        check_choice("mel_scale", self.mel_scale, ("slaney", "htk"))
        if self.top_db is not None:
            check_range("top_db", self.top_db, 0.0, 1000.0, "dB")
        check_whole("n_mfcc", self.n_mfcc, 1 if self.c0 else 2, self.n_mels)
        if not isinstance(self.c0, bool):
            raise ConfigError(f"c0 is {self.c0!r}; expected true or false")
        check_range("lifter", self.lifter, 0.0, 1000.0)
        check_choice("deltas", self.deltas, (0, 1, 2))
        check_whole("delta_window", self.delta_window, 1, 100, "frames")
        if self.vad_db is not None:
            check_range("vad_db", self.vad_db, 0.0, 1000.0, "dB")
        check_choice("normalization", self.normalization, ("none", "cmn", "cmvn"))

    @property
    def win_length(self) -> int:
        """Analysis window in samples."""
        return round(self.window_s * self.sample_rate)

    @property
    def hop_length(self) -> int:
        """Step between frames in samples."""
        return round(self.hop_s * self.sample_rate)

    @property
    def n_fft(self) -> int:
        """Length of the Fourier transform in samples: the next power of two."""
        return 1 << (self.win_length - 1).bit_length()

    @property
    def n_features(self) -> int:
        """D: features of a frame."""
        return (self.n_mfcc - (not self.c0)) * (1 + self.deltas)

    @property
    def digest(self) -> str:
        """Digest of all settings: equal for front ends that make the same frames."""
        return value_digest(asdict(self))


@dataclass(frozen=True)
class FrontEnd:
    """Turns samples into frames, by one configuration.

    Examples
    --------
    >>> front_end = FrontEnd(FrontEndConfig(n_mfcc=20, deltas=1))
    >>> samples = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    >>> front_end(samples, 16000).shape
    (101, 40)
    """

    config: FrontEndConfig

    @cached_property
    def transform(self) -> MfccTransform:
        """Window, mel bank and cosine transform: built at first use, once."""
        config = self.config
        return build_mfcc_transform(
            sample_rate=config.sample_rate,
            n_fft=config.n_fft,
            win_length=config.win_length,
            hop_length=config.hop_length,
            n_mels=config.n_mels,
            f_min_hz=config.f_min_hz,
            f_max_hz=config.sample_rate / 2 if config.f_max_hz is None else config.f_max_hz,
            htk=config.mel_scale == "htk",
            cepstra=range(0 if config.c0 else 1, config.n_mfcc),
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
            all zero, or at a rate that must not be changed.
        """
        config = self.config
        given = np.asarray(samples)
        if given.dtype.kind != "f":
            raise AudioError(
                f"samples are {given.dtype}; expected floats with full scale ±1: divide 16-bit "
                "samples by 32768"
            )
        mono = given.astype(np.float32, copy=False)
        check_samples(mono)
        if sample_rate != config.sample_rate:
            mono = resample(mono, sample_rate, config.sample_rate, policy=config.resample)
        if len(mono) < config.win_length:
            raise AudioError(
                f"too short: {len(mono) / config.sample_rate * 1000:.1f} ms; expected at least one "
                f"analysis window ({config.window_s * 1000:g} ms); drop it or join it to another"
            )
        frames, energy = mfcc(pre_emphasize(mono, config.pre_emphasis), self.transform)
        if config.deltas:
            slopes = [deltas(frames, window=config.delta_window)]
            if config.deltas == 2:
                slopes.append(deltas(slopes[0], window=config.delta_window))
            frames = np.hstack([frames, *slopes])
        if config.vad_db is not None:
            frames = frames[voiced(energy, threshold_db=config.vad_db)]
        if config.normalization == "cmn":
            frames = cmn(frames)
        elif config.normalization == "cmvn":
            frames = cmvn(frames)
        if not math.isfinite(float(frames.sum(dtype=np.float64))):
            raise AudioError("its frames are not finite: the samples are far beyond full scale")
        return np.ascontiguousarray(frames)
