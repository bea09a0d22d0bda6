"""A recording → mono float32 samples at the rate that the front end wants."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from speakergmm.audio.headers import is_cut_ogg, missing_bytes
from speakergmm.errors import AudioError, ConfigError

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

Channel: TypeAlias = int | Literal["mix"]
Resample: TypeAlias = Literal["down", "any", "never"]

# libsndfile's length of a stream whose header leaves it open is the largest of 63 bits.
UNKNOWN_LENGTH = 1 << 62

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
    if path.exists() and not path.is_file():
        raise AudioError(f"{path}: not a file; expected a recording")
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise AudioError(f"{path}: the file is empty (0 bytes); expected a recording")
            missing, cut = missing_bytes(file), is_cut_ogg(file)
    except FileNotFoundError:
        raise AudioError(f"{path}: no such file; expected a recording") from None
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror})") from None
    if path.suffix.lower() == ".raw":
        raise AudioError(
            f"{path}: not audio that can be decoded (samples without a header); expected WAV, "
            "FLAC, OGG, Opus, MP3 or SPHERE"
        )
    if cut:
        raise AudioError(f"{path}: truncated: the stream has no end; copy the file again")
    if missing:
        raise AudioError(
            f"{path}: truncated: {missing:,} bytes fewer than its header says; copy the file again"
        )


def _unreadable(path: Path, error: Exception) -> AudioError:
    reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
    return AudioError(
        f"{path}: not audio that can be decoded ({reason}); expected WAV, FLAC, OGG, Opus, MP3 or "
        "SPHERE"
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
    _check_file(path)
    try:
        with soundfile.SoundFile(_file_name(path)) as file:
            return RecordingInfo(int(file.samplerate), _length(file, path), int(file.channels))
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from None


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


def _decode(
    path: Path, start_s: float | None, end_s: float | None
) -> tuple[NDArray[np.float32], int]:
    """Read a segment as (n_samples, n_channels), by seeking to where it starts."""
    import soundfile

    try:
        file = soundfile.SoundFile(_file_name(path))
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from None
    try:
        with file:
            rate, length = int(file.samplerate), _length(file, path)
            if length == 0:
                raise AudioError(f"{path}: holds no samples; expected a recording")
            first, last = start_s or 0.0, length / rate if end_s is None else end_s
            if not (0 <= first < last <= length / rate + 0.001) or round(first * rate) >= length:
                raise AudioError(
                    f"{path}: segment {first:g} to {last:g} s does not lie within the "
                    f"recording's {length / rate:.3f} s"
                )
            start, stop = round(first * rate), min(round(last * rate), length)
            preroll = min(start, MP3_PREROLL) if file.format == "MP3" else 0
            file.seek(start - preroll)
            if file.frames >= UNKNOWN_LENGTH:
                # Else soundfile seeks to where it has read to, which such a stream cannot do.
                file.seekable = lambda: False
            samples = file.read(stop - start + preroll, dtype="float32", always_2d=True)[preroll:]
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path}: truncated or damaged: decoding failed ({error.error_string}); copy the file "
            "again"
        ) from None
    if len(samples) < stop - start:
        raise AudioError(
            f"{path}: truncated: decoding stopped {stop - start - len(samples):,} samples before "
            f"the end that its header says; copy the file again"
        )
    return samples, rate


def _one_channel(samples: NDArray[np.float32], channel: Channel, path: Path) -> NDArray[np.float32]:
    n_channels = samples.shape[1]
    if channel == "mix":
        if n_channels == 1:
            return samples[:, 0]
        # What is wrong with infinite samples is said by `check_samples`.
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(samples.mean(axis=1, dtype=np.float32))
    if not 0 <= channel < n_channels:
        raise AudioError(
            f"{path}: has no channel {channel}; expected 0 to {n_channels - 1}, or 'mix'"
        )
    return samples[:, channel]


def resample(
    samples: NDArray[np.float32], rate: int, wanted: int, *, policy: Resample = "down"
) -> NDArray[np.float32]:
    """Bring mono samples to another rate (soxr, high quality).

    Parameters
    ----------
    policy : {"down", "any", "never"}
        Which changes are allowed. Upward is refused by default: the band above the old rate's half
        stays empty, which no model trained on full-band speech expects.

    Raises
    ------
    AudioError
        When the change is not allowed.
    """
    if policy not in ("down", "any", "never"):
        raise ConfigError(f"resample is {policy!r}; expected 'down', 'any' or 'never'")
    if rate == wanted:
        return samples
    if policy == "never" or (policy == "down" and rate < wanted):
        fix = (
            f"train with front_end.sample_rate={rate}, or with front_end.resample=any and expect "
            "worse decisions"
            if rate < wanted
            else "resample the recordings, or train with front_end.resample=down"
        )
        raise AudioError(f"audio is {rate} Hz, the model expects {wanted} Hz; {fix}")
    import soxr

    resampled: NDArray[np.float32] = soxr.resample(samples, rate, wanted, quality="HQ")
    return resampled


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
    path = Path(path)
    _check_file(path)
    samples, rate = _decode(path, start_s, end_s)
    if len(samples) == 0:
        raise AudioError(f"{path}: holds no samples; expected a recording")
    mono = _one_channel(samples, channel, path)
    try:
        check_samples(mono)
        if sample_rate is not None:
            mono, rate = resample(mono, rate, sample_rate, policy=resample_policy), sample_rate
            if mono.size == 0:
                raise AudioError(f"too short: no samples are left at {rate} Hz")
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from None
    return np.ascontiguousarray(mono), rate


def check_samples(samples: NDArray[np.float32]) -> None:
    """Refuse mono samples in which no speech can be found.

    Raises
    ------
    AudioError
        When there are none, some are NaN or infinite, or all are zero.
    """
    if samples.ndim != 1:
        raise AudioError(
            f"samples have shape {samples.shape}; expected (n_samples,), one channel: mix the "
            "channels or choose one"
        )
    if samples.size == 0:
        raise AudioError("there are no samples; expected a recording")
    # One pass: a sum of squares is NaN or infinite when any sample is, and 0 when all are 0.
    with np.errstate(invalid="ignore", over="ignore"):
        power = float(np.dot(samples, samples))
    if not np.isfinite(power):
        bad = np.flatnonzero(~np.isfinite(samples))
        if len(bad):
            raise AudioError(
                f"{len(bad):,} samples are NaN or infinite (the first is number {bad[0]:,}); "
                "write the recording again as integers or clean it"
            )
    elif power == 0.0 and not samples.any():
        raise AudioError(
            "silent: every sample is zero; check the microphone, and the channel: channels in "
            "opposite phase cancel in the mix"
        )
    elif len(samples) > 1 and samples.min() == samples.max():
        raise AudioError("constant: every sample has the same value; check the microphone")
