"""A recording → mono float32 samples at the rate that the front end wants."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from speakergmm.errors import AudioError, ConfigError

if TYPE_CHECKING:
    from typing import BinaryIO

    from numpy.typing import NDArray

Channel: TypeAlias = int | Literal["mix"]
Resample: TypeAlias = Literal["down", "any", "never"]

# The size fields of a RIFF header that a program writes when it streams and does not know yet.
STREAMED_SIZES = frozenset({0, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFF - 36, 0xFFFFFFFF - 36})


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


def _missing_wav_bytes(file: BinaryIO) -> int:
    """Count the bytes that a WAV file's header promises and the file does not hold.

    libsndfile shortens such a file in silence, so an interrupted copy would pass for a whole one.
    """
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(4) != b"RIFF" or size < 12:
        return 0
    position = 12
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"data":
            return 0 if length in STREAMED_SIZES else max(0, position + 8 + length - size)
        position += 8 + length + length % 2
    return 0


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise AudioError(f"{path}: the file is empty (0 bytes); expected a recording")
            missing = _missing_wav_bytes(file)
    except FileNotFoundError:
        raise AudioError(f"{path}: no such file; expected a recording") from None
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror})") from None
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
        header = soundfile.info(str(path))
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from None
    return RecordingInfo(int(header.samplerate), int(header.frames), int(header.channels))


def duration_s(path: Path | str) -> float:
    """Length of a recording in seconds, by its header."""
    return recording_info(path).duration_s


def _decode(
    path: Path, start_s: float | None, end_s: float | None
) -> tuple[NDArray[np.float32], int]:
    """Read a segment as (n_samples, n_channels), by seeking to where it starts."""
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            rate = int(file.samplerate)
            start = round((start_s or 0.0) * rate)
            stop = file.frames if end_s is None else round(end_s * rate)
            if file.frames and not (0 <= start < stop <= file.frames + rate // 1000):
                raise AudioError(
                    f"{path}: segment {start / rate:g} to {stop / rate:g} s does not lie within "
                    f"the recording's {file.frames / rate:.3f} s"
                )
            stop = min(stop, file.frames)
            file.seek(start)
            samples = file.read(stop - start, dtype="float32", always_2d=True)
            length_is_exact = file.format != "MPEG"
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from None
    if len(samples) < stop - start and length_is_exact:
        raise AudioError(
            f"{path}: truncated: decoding stopped {stop - start - len(samples):,} samples before "
            f"the end that its header says; copy the file again"
        )
    return samples, rate


def _one_channel(samples: NDArray[np.float32], channel: Channel, path: Path) -> NDArray[np.float32]:
    n_channels = samples.shape[1]
    if channel == "mix":
        return samples[:, 0] if n_channels == 1 else samples.mean(axis=1, dtype=np.float32)
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
            "train a model at this rate, or set resample = 'any' and expect worse decisions"
            if rate < wanted
            else "resample the recordings, or set resample = 'down'"
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
    power = float(np.dot(samples, samples))
    if not np.isfinite(power):
        bad = np.flatnonzero(~np.isfinite(samples))
        if len(bad):
            raise AudioError(
                f"{len(bad):,} samples are NaN or infinite (the first is number {bad[0]:,}); "
                "write the recording again as integers or clean it"
            )
    elif power == 0.0 and not samples.any():
        raise AudioError("silent: every sample is zero; check the microphone or the channel")
