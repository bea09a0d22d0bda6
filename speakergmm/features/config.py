"""Settings of the front end."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np

from speakergmm.config import check_choice, check_range, check_whole
from speakergmm.errors import ConfigError
from speakergmm.files import value_digest


@dataclass(frozen=True)
class FrontEndConfig:
    """Settings of the front end. They travel with every model that is trained on its frames.

    They stand in the order in which they are used. Which to choose: docs/front-end.md.

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
        Filters between ``f_min_hz`` and ``f_max_hz`` (None: half the sample rate).
    mel_scale : {"slaney", "htk", "linear"}
        How the filters are spread: librosa's two mel scales give MFCC, even spacing gives LFCC.
    noise_subtraction : float
        So many times the noise, as the quietest frames tell it, is subtracted from the filter
        energies; 0 for none.
    top_db : float or None
        Log filter energies are kept within so many dB of the utterance's loudest; None: no limit.
    n_mfcc : int
        Cepstral coefficients, c0 included.
    c0 : bool
        Keep c0, which carries the level, as the first of them.
    log_energy : bool
        Put the frame's energy in dB before them.
    lifter : float
        Cepstral liftering, 0 for none.
    rasta : bool
        Filter each of these over time; see `speakergmm.features.rasta`.
    deltas : {0, 1, 2}
        Append no slopes, first, or first and second.
    delta_window : int
        Frames to each side that a slope is taken over.
    shifted_deltas : tuple of int, optional
        (N, d, P, k): append k blocks of differences of the first N features; see
        `speakergmm.features.shifted_deltas`. (7, 1, 3, 7) is usual.
    vad : {"energy", "two_gaussian", "none"}
        Which frames are kept: those at most ``vad_db`` below the loudest; of these, those that
        stand out of the noise; or all. Where a list marks the speech of an utterance, that counts
        instead.
    vad_db : float or None
        See ``vad``; None: no limit.
    vad_min_speech_s, vad_min_pause_s : float
        Shorter pauses are filled, then shorter stretches of speech are dropped; 0 changes nothing.
    vad_keeps : {"speech", "pauses"}
        Whether the frames of speech are kept, or those that voice activity detection throws away:
        the room and the microphone, without the voice. At least the quietest frame is kept.
    normalization : {"level", "none", "cmn", "cmvn", "sliding_cmn", "sliding_cmvn", "warp"}
        See the functions of these names, and `speakergmm.features.relative_level`: c0 and log
        energy relative to the level of the speech, so that louder or softer changes nothing. With
        few seconds of speech the others go better with ``vad="energy"``, which leaves more frames
        to take a mean of.
    normalization_window_s : float
        Window of the last three, in seconds.
    normalization_centered : bool
        Whether the window of the sliding ones stands around the frame, or before it.
    normalization_frames : {"speech", "all"}
        Which frames are normalized together: those kept, or all, before some are dropped.
    normalization_over : {"utterance", "side"}
        Whether each utterance is normalized alone, or all of one enrollment or test together.
        Together is better for short ones of one session, alone where each came through another
        channel.
    imported_features : int
        Features of frames that another program made; 0 for those that are made here. With it all
        other settings but ``hop_s`` tell nothing, and no recording can be turned into such frames.
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
    mel_scale: Literal["slaney", "htk", "linear"] = "slaney"
    noise_subtraction: float = 2.0
    top_db: float | None = 80.0
    n_mfcc: int = 30
    c0: bool = True
    log_energy: bool = False
    lifter: float = 0.0
    rasta: bool = False
    deltas: Literal[0, 1, 2] = 0
    delta_window: int = 2
    shifted_deltas: tuple[int, int, int, int] | None = None
    vad: Literal["energy", "two_gaussian", "none"] = "two_gaussian"
    vad_db: float | None = 30.0
    vad_min_speech_s: float = 0.0
    vad_min_pause_s: float = 0.0
    vad_keeps: Literal["speech", "pauses"] = "speech"
    normalization: Literal[
        "level", "none", "cmn", "cmvn", "sliding_cmn", "sliding_cmvn", "warp"
    ] = "level"
    normalization_window_s: float = 3.0
    normalization_centered: bool = True
    normalization_frames: Literal["speech", "all"] = "speech"
    normalization_over: Literal["utterance", "side"] = "utterance"
    imported_features: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            # Equal settings have equal digests, of whichever kind the numbers are.
            if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
                is_whole = isinstance(value, (int, np.integer))
                wants_float = str(field.type).startswith("float")
                # Adding 0 makes -0.0 the 0.0 that it equals.
                plain = int(value) if is_whole and not wants_float else float(value) + 0.0
                object.__setattr__(self, field.name, plain)
        check_whole("sample_rate", self.sample_rate, 1000, 384_000, "Hz")
        check_choice("resample", self.resample, ("down", "any", "never"))
        if self.channel != "mix":
            check_whole("channel", self.channel, 0, 1023, "(or 'mix')")
        check_range("window_s", self.window_s, 16 / self.sample_rate, 1.0, "s")
        check_range("hop_s", self.hop_s, 1 / self.sample_rate, self.window_s, "s")
        check_range("pre_emphasis", self.pre_emphasis, 0.0, 1.0)
        self._check_cepstra()
        self._check_dynamics()
        check_choice("vad", self.vad, ("energy", "two_gaussian", "none"))
        if self.vad_db is not None:
            check_range("vad_db", self.vad_db, 0.0, 1000.0, "dB")
        check_range("vad_min_speech_s", self.vad_min_speech_s, 0.0, 60.0, "s")
        check_range("vad_min_pause_s", self.vad_min_pause_s, 0.0, 60.0, "s")
        check_choice("vad_keeps", self.vad_keeps, ("speech", "pauses"))
        if self.vad_keeps == "pauses" and self.vad == "none":
            raise ConfigError(
                "vad_keeps is 'pauses', but vad is 'none', which finds no pauses; expected "
                "'energy' or 'two_gaussian'"
            )
        choices = ("level", "none", "cmn", "cmvn", "sliding_cmn", "sliding_cmvn", "warp")
        check_choice("normalization", self.normalization, choices)
        window_s = self.normalization_window_s
        check_range("normalization_window_s", window_s, self.hop_s, 3600.0, "s")
        _check_bool("normalization_centered", self.normalization_centered)
        check_choice("normalization_frames", self.normalization_frames, ("speech", "all"))
        check_choice("normalization_over", self.normalization_over, ("utterance", "side"))
        check_whole("imported_features", self.imported_features, 0, 100_000)

    def _check_cepstra(self) -> None:
        check_whole("n_mels", self.n_mels, 2, 512)
        check_range("f_min_hz", self.f_min_hz, 0.0, self.sample_rate / 2, "Hz")
        if self.f_max_hz is not None:
            check_range("f_max_hz", self.f_max_hz, self.f_min_hz + 1, self.sample_rate / 2, "Hz")
        check_choice("mel_scale", self.mel_scale, ("slaney", "htk", "linear"))
        check_range("noise_subtraction", self.noise_subtraction, 0.0, 10.0)
        if self.top_db is not None:
            check_range("top_db", self.top_db, 0.0, 1000.0, "dB")
        check_whole("n_mfcc", self.n_mfcc, 1 if self.c0 else 2, self.n_mels)
        _check_bool("c0", self.c0)
        _check_bool("log_energy", self.log_energy)
        check_range("lifter", self.lifter, 0.0, 1000.0)
        _check_bool("rasta", self.rasta)

    def _check_dynamics(self) -> None:
        check_choice("deltas", self.deltas, (0, 1, 2))
        check_whole("delta_window", self.delta_window, 1, 100, "frames")
        if self.shifted_deltas is None:
            return
        if not isinstance(self.shifted_deltas, tuple) or len(self.shifted_deltas) != 4:
            raise ConfigError(
                f"shifted_deltas is {self.shifted_deltas!r}; expected a tuple of four whole "
                "numbers N, d, P, k, such as 7, 1, 3, 7"
            )
        n, *others = self.shifted_deltas
        check_whole("shifted_deltas: N", n, 1, self.n_static, "(the features there are)")
        for letter, value in zip("dPk", others, strict=True):
            check_whole(f"shifted_deltas: {letter}", value, 1, 100)

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
    def n_static(self) -> int:
        """Features of a frame without those that say how they change."""
        return self.n_mfcc - (not self.c0) + self.log_energy

    @property
    def n_features(self) -> int:
        """D: features of a frame."""
        if self.imported_features:
            return self.imported_features
        n_shifted = self.shifted_deltas[0] * self.shifted_deltas[3] if self.shifted_deltas else 0
        return self.n_static * (1 + self.deltas) + n_shifted

    @property
    def label(self) -> str:
        """What a frame holds, in a line: ``30 MFCC``, ``19 LFCC, log energy and first slopes``."""
        kind = "LFCC" if self.mel_scale == "linear" else "MFCC"
        parts = [f"{self.n_mfcc - (not self.c0)} {kind}"]
        if self.log_energy:
            parts.append("log energy")
        if self.deltas:
            parts.append("first slopes" if self.deltas == 1 else "first and second slopes")
        if self.shifted_deltas:
            parts.append(f"{'-'.join(map(str, self.shifted_deltas))} shifted deltas")
        *most, last = parts
        text = f"{', '.join(most)} and {last}" if most else last
        normalized = "" if self.normalization == "none" else f", normalized by {self.normalization}"
        return f"{text}{normalized.replace('_', ' ')}"

    @property
    def level_per_db(self) -> tuple[float, ...]:
        """By how much each of the first features grows with a dB, as far as they carry the level.

        RASTA has taken it out already.
        """
        if self.rasta or self.imported_features:
            return ()
        lifted = 1 + self.lifter / 2 * math.sin(math.pi / self.lifter) if self.lifter else 1.0
        c0 = math.sqrt(self.n_mels) * lifted
        return ((1.0,) if self.log_energy else ()) + ((c0,) if self.c0 else ())

    @property
    def hears_level(self) -> bool:
        """Whether the level of a recording shows in its frames, as far as that is known."""
        return bool(self.level_per_db) and self.normalization == "none"

    @property
    def frames_per_s(self) -> float:
        """Frames a second: the hop is a whole number of samples, so not quite 1 / hop_s."""
        return self.sample_rate / self.hop_length

    def n_frames(self, seconds: float) -> int:
        """Frames in so many seconds: at least 1."""
        return max(1, round(seconds * self.frames_per_s))

    def identity(self) -> dict[str, Any]:
        """Give what tells frames apart that were made by different settings, as plain values."""
        settings = asdict(self)
        if not self.imported_features:
            # It came later, and must not make other frames of those that were there.
            del settings["imported_features"]
        return settings

    @property
    def digest(self) -> str:
        """Digest of all settings."""
        return value_digest(self.identity())


def _check_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}; expected true or false")
