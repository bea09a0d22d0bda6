"""Quality of a recording, in units that an examiner knows, and what it may do to a decision."""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.audio.measures import (
    CANCELED,
    STEPS_A_FRAME,
    Mix,
    are_same,
    estimate_snr_db,
    find_bandwidth_hz,
    mark_speech,
    measure_spectra,
    share_clipped,
    step_length,
    survey_channel,
)
from speakergmm.audio.recordings import duration_s as duration_of
from speakergmm.audio.recordings import read_channels
from speakergmm.audio.samples import check_samples, one_channel
from speakergmm.audio.sources import whole_rate
from speakergmm.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.audio.measures import Samples
    from speakergmm.audio.samples import Channel

# Error rates of speaker verification rise steeply below some seconds of speech on either side.
SHORT_SPEECH_S = 3.0
# With less the loudest noise of a long recording may count as its speech.
LITTLE_SPEECH_SHARE = 0.15
# Below, the weaker half of the speech frames lies at or under the noise.
LOW_SNR_DB = 15.0
# Speech that touches full scale now and then stays below; from here on distortion is heard.
CLIPPED_SHARE = 0.001
# Of the speech's level: 20 dB below it, an offset hides the pauses.
DC_RELATIVE = 0.1
# A room is never that still: the recording was muted, gated, padded or cut.
SILENCE_S, ZERO_SHARE = 0.1, 0.3
# Of half the sample rate, but of 8 kHz at most: speech above it tells little. So 3.4 kHz in
# a recording at 8,000 Hz is as it should be.
NARROW_SHARE, WIDE_BAND_HZ = 0.8, 8000.0
# What of a long recording is looked at: 128 MB.
MAX_VALUES = 1 << 25
# Sixteen bits leave less than 50 dB between such speech and the noise of quantization.
LOW_LEVEL_DBFS = -50.0
# Floats may go beyond full scale here and there; ten times as far is another unit.
HIGH_PEAK_DBFS = 20.0
# Below the loudest channel: crosstalk, not a microphone.
SILENT_CHANNEL_DB = 60.0
# Of six equal channels there are fifteen pairs.
PAIRS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class QualityWarning:
    """One line on what a recording lacks: value, limit, what it may do, what to do about it."""

    code: str
    text: str


def _warning(bad: bool, code: str, text: str) -> QualityWarning | None:
    return QualityWarning(code, text) if bad else None


@dataclass(frozen=True, slots=True)
class Quality:
    """What the samples of a recording tell. See `measure_quality`.

    Levels, speech, SNR and bandwidth are of the mean of the channels that are not silent; peak,
    clipping, offset and zeros are of the channel that has most of them.

    Parameters
    ----------
    sample_rate, duration_s
        Hz, and seconds.
    measured_s : float
        What of a long recording was looked at; all the rest is of this part.
    n_channels : int
        Silent ones too; 1 where one was chosen.
    net_speech_s : float
        Seconds of speech, without pauses of 100 ms and more. Steady noise alone counts as speech;
        its ``snr_db`` tells.
    speech_level_dbfs, peak_dbfs : float
        RMS of the speech frames and largest sample, in dB of full scale: a full-scale square wave
        has 0 and 0, a sine -3 and 0. Usual speech has -35 to -15.
    snr_db : float or None
        Speech over noise. Above 30 is a quiet room, below 10 hard to follow; -10 is the least that
        is told. None where most of the pauses are digital silence, or 0.2 s or less sound.
    clipped_share : float
        0 to 1: samples in runs of three or more at the channel's own highest or lowest value. 0 is
        perfect, 0.001 is heard. A square wave is clipped; a sine is not, unless its crest lies
        within one step of quantization.
    dc_offset, dc_relative : float
        Mean of the samples, as a share of full scale (-1 to 1); its size over the RMS of speech.
    zero_share, longest_silence_s : float
        Share of samples that are exactly 0 (0 to 1); the longest run of them in seconds.
    bandwidth_hz : float
        Where speech ends: half the sample rate, unless the spectrum falls off an edge before, as
        after upsampling, a telephone line or a lossy coder.
    identical_channels : tuple of (int, int)
        Pairs of channels, not silent, that agree in every sample.
    silent_channels : tuple of int
        Channels that are constant, or 60 dB below the loudest.
    """

    sample_rate: int
    duration_s: float
    measured_s: float
    n_channels: int
    net_speech_s: float
    speech_level_dbfs: float
    peak_dbfs: float
    snr_db: float | None
    clipped_share: float
    dc_offset: float
    dc_relative: float
    zero_share: float
    longest_silence_s: float
    bandwidth_hz: float
    identical_channels: tuple[tuple[int, int], ...] = ()
    silent_channels: tuple[int, ...] = ()

    @property
    def warnings(self) -> tuple[QualityWarning, ...]:
        """What may harm a decision, most telling first; empty for a good recording."""
        speech_share = self.net_speech_s / self.measured_s
        snr_db = math.inf if self.snr_db is None else self.snr_db
        narrow_hz = NARROW_SHARE * min(self.sample_rate / 2, WIDE_BAND_HZ)
        silence = self.longest_silence_s >= SILENCE_S or self.zero_share >= ZERO_SHARE
        found = [
            _warning(self.measured_s < self.duration_s, "partly_measured",
             f"only the first {self.measured_s / 60:.0f} of {self.duration_s / 60:.0f} min were "
             "measured: the rest may be worse; cut it into parts to see"),
            _warning(self.net_speech_s < SHORT_SPEECH_S, "short_speech",
             f"{self.net_speech_s:.1f} s of speech (below {SHORT_SPEECH_S:g} s): short recordings "
             "raise both error rates; record more"),
            _warning(snr_db < LOW_SNR_DB, "low_snr",
             f"about {snr_db:.1f} dB between speech and noise (below {LOW_SNR_DB:g} dB): noise "
             "raises misses, shared noise false alarms; record nearer to the mouth"),
            _warning(self.bandwidth_hz < narrow_hz, "narrow_band",
             f"speech ends at {self.bandwidth_hz:.0f} Hz (below {narrow_hz:.0f} Hz) at a sample "
             f"rate of {self.sample_rate} Hz: against a model of the full band misses rise; use "
             "the original, or a model of that band"),
            _warning(self.clipped_share >= CLIPPED_SHARE, "clipped",
             f"{self.clipped_share:.2%} of the samples are clipped ({CLIPPED_SHARE:.1%} or more): "
             "distortion changes the voice and raises misses; record at a lower level"),
            _warning(speech_share < LITTLE_SPEECH_SHARE, "little_speech",
             f"{speech_share:.0%} of the recording is speech (below {LITTLE_SPEECH_SHARE:.0%}): "
             "noises in the pauses may count as speech and move the score; cut it to its speech"),
            _warning(silence, "digital_silence",
             f"{self.zero_share:.1%} of the samples are exactly zero, {self.longest_silence_s:.2f} "
             f"s on end ({ZERO_SHARE:.0%} or {SILENCE_S:g} s or more): muted, gated or cut, so "
             "speech may be missing and the SNR flatter; use the original"),
            _warning(self.dc_relative >= DC_RELATIVE, "dc_offset",
             f"an offset of {self.dc_offset:+.2%} of full scale, {self.dc_relative:.2g} of the "
             f"speech ({DC_RELATIVE:g} or more): pauses may count as speech; subtract the mean"),
            _warning(self.speech_level_dbfs < LOW_LEVEL_DBFS, "low_level",
             f"speech at {self.speech_level_dbfs:.0f} dB of full scale (below {LOW_LEVEL_DBFS:g} "
             "dB): quantization may hide the voice and raise misses; record at a higher level"),
            _warning(self.peak_dbfs >= HIGH_PEAK_DBFS, "over_full_scale",
             f"samples reach {self.peak_dbfs:.0f} dB over full scale ({HIGH_PEAK_DBFS:g} dB or "
             "more): a system that hears the level takes it for another voice, which raises "
             "misses; divide 16-bit samples by 32768"),
            _warning(bool(self.silent_channels), "silent_channel",
             f"channels {', '.join(map(str, self.silent_channels))} of {self.n_channels} silent "
             f"({SILENT_CHANNEL_DB:g} dB or more below the loudest): a decision on one means "
             "nothing; choose another"),
            _warning(bool(self.identical_channels), "identical_channels",
             f"channels {_pairs(self.identical_channels)} agree in every sample (above 0 pairs): a "
             "second score from them is no second piece of evidence; use one of each pair"),
        ]  # fmt: skip
        return tuple(warning for warning in found if warning is not None)

    def to_json(self) -> dict[str, Any]:
        """Give the numbers and the warnings as JSON."""
        warnings = [dataclasses.asdict(warning) for warning in self.warnings]
        return dataclasses.asdict(self) | {"warnings": warnings}


def _pairs(channels: Sequence[tuple[int, int]]) -> str:
    """Name pairs of channels; of many the first, and how many more there are."""
    named = [f"{first} and {second}" for first, second in channels[:PAIRS_SHOWN]]
    if len(channels) > PAIRS_SHOWN:
        named.append(f"{len(channels) - PAIRS_SHOWN:,} pairs more")
    return ", ".join(named)


def measure_quality(samples: NDArray[np.float32], sample_rate: int) -> Quality:
    """Measure what a recording may do to a decision.

    The SNR is the mean power of the speech frames over that of the noise. The noise: in each of
    eight bands the lowest tenth of the power over time, which needs no pauses (after the minimum
    statistics of Martin 2001, with quantiles as Stahl, Fischer & Bippus 2000). The speech: the
    level below which half of the energy above the noise lies, less 3.6 dB; it does not depend on
    how many of the weak frames the noise covers. From 0 to 20 dB the mean error in steady noise is
    within 3 dB. Noise that comes and goes as speech does (other voices, animals) counts as speech:
    the number is then far too high.

    Clipping is looked for at the recording's own extremes, so it is found also after the level was
    changed, but not after a lossy coder or a filter.

    Parameters
    ----------
    samples : (n_samples,) or (n_samples, n_channels)
        Full scale is ±1.
    sample_rate : int
        In Hz.

    Raises
    ------
    AudioError
        What is no sample rate; less than 25 ms; samples that are NaN, infinite or integers; no
        channel with any sound; channels that cancel in the mix.
    """
    sample_rate = whole_rate(sample_rate)
    channels = _checked_channels(samples, sample_rate)
    surveys = [survey_channel(channel) for channel in channels]
    loudest = max(survey.rms for survey in surveys)
    floor = loudest * 10 ** (-SILENT_CHANNEL_DB / 20)
    live = [
        c for c, survey in enumerate(surveys) if survey.low < survey.high and survey.rms >= floor
    ]
    silent = tuple(c for c in range(len(channels)) if c not in live)
    mix = Mix([channels[c] for c in live], [surveys[c] for c in live], sample_rate)

    energies = mix.energies()
    if energies.max() < CANCELED:
        raise AudioError(
            "silent: no frame of the mix holds any sound; channels in opposite phase cancel in it: "
            "choose one"
        )
    speech = mark_speech(energies)
    spectra = measure_spectra(mix, energies, speech)
    speech_power = float(np.mean(energies, where=speech))
    offset = max((surveys[c].mean for c in live), key=abs)
    duration_s = len(channels[0]) / sample_rate
    speech_rms = math.sqrt(speech_power) * mix.scale
    return Quality(
        sample_rate=sample_rate,
        duration_s=duration_s,
        measured_s=duration_s,
        n_channels=len(channels),
        net_speech_s=min(duration_s, int(speech.sum()) * mix.hop / sample_rate),
        speech_level_dbfs=20 * math.log10(speech_rms),
        peak_dbfs=20 * math.log10(max(max(-surveys[c].low, surveys[c].high) for c in live)),
        snr_db=estimate_snr_db(energies, speech, spectra),
        clipped_share=max(share_clipped(channels[c], surveys[c]) for c in live),
        dc_offset=offset,
        dc_relative=abs(offset) / speech_rms,
        zero_share=max(surveys[c].n_zeros for c in live) / len(channels[0]),
        longest_silence_s=max(surveys[c].longest_silence for c in live) / sample_rate,
        bandwidth_hz=find_bandwidth_hz(spectra, sample_rate),
        identical_channels=tuple(
            (first, second)
            for first, second in itertools.combinations(live, 2)
            if surveys[first] == surveys[second] and are_same(channels[first], channels[second])
        ),
        silent_channels=silent,
    )


def recording_quality(path: Path | str, *, channel: Channel = "mix") -> Quality:
    """Measure the quality of a recording: of all its channels, or of one, counted from 0.

    Of a long one the beginning is measured: `MAX_VALUES` samples times channels, which is 35
    minutes of one channel at 16 kHz; ``measured_s`` says how much that was.

    Raises
    ------
    AudioError
        When the file cannot be read, or as `measure_quality`, naming it.
    """
    samples, sample_rate = read_channels(path, max_values=MAX_VALUES)
    quality = quality_of_channels(samples, sample_rate, channel, str(path))
    if samples.size >= MAX_VALUES:
        quality = dataclasses.replace(quality, duration_s=duration_of(path))
    return quality


def quality_of_channels(
    samples: NDArray[np.float32], sample_rate: int, channel: Channel, name: str
) -> Quality:
    """Measure samples (n_samples, n_channels): all channels, or one; see `measure_quality`.

    Raises
    ------
    AudioError
        As `measure_quality`, or when there is no such channel, naming the recording.
    """
    if channel != "mix":
        samples = one_channel(samples, channel, name)
    try:
        return measure_quality(samples, sample_rate)
    except AudioError as error:
        raise AudioError(f"{name}: {error}") from None


def _checked_channels(samples: NDArray[np.float32], sample_rate: int) -> list[Samples]:
    """Give the channels as views, or say why none can be measured."""
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2):
        raise AudioError(
            f"samples have shape {samples.shape}; expected (n_samples,) or (n_samples, n_channels)"
        )
    if not np.issubdtype(samples.dtype, np.floating):
        raise AudioError(f"samples are {samples.dtype}; expected float32, full scale ±1")
    channels = [samples] if samples.ndim == 1 else list(samples.T)
    sounding = [channel for channel in channels if channel.size and channel.min() != channel.max()]
    for channel in sounding or channels[:1] or [samples.ravel()]:
        check_samples(channel)
    if len(samples) < STEPS_A_FRAME * step_length(sample_rate):
        raise AudioError(
            f"{len(samples):,} samples are {1000 * len(samples) / sample_rate:.3g} ms at "
            f"{sample_rate} Hz; expected 25 ms or more"
        )
    return channels
