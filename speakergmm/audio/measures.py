"""What is measured on the samples of a recording: levels, speech, noise, clipping, bandwidth."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from speakergmm.audio.activity import (
    DIGITAL_SILENCE,
    voiced,
    voiced_above_noise,
    without_short_runs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Samples = NDArray[np.floating[Any]]
    Floats = NDArray[np.float64]

# Frames of 25 ms each 10 ms are sums over steps of 5 ms.
STEPS_A_SECOND, STEPS_A_FRAME, STEPS_A_HOP = 200, 5, 2
# In frames: closures of stops are no pauses, clicks no speech.
MIN_SPEECH, MIN_PAUSE = 5, 10
# Samples are looked at in blocks, spectra in stretches of consecutive frames.
BLOCK, STRETCH, MAX_STRETCHES = 1 << 18, 150, 24
# Of the peak's power: what rounding leaves of channels in opposite phase.
CANCELED = 1e-20

# The noise is the lowest tenth of 100 ms means in each of eight bands: too low by 1.0 dB, and half
# of the speech energy comes from frames below 3.6 dB over its mean level (measured on LibriSpeech).
NOISE_FRAMES, NOISE_QUANTILE, N_BANDS, NOISE_BIAS_DB = 10, 0.1, 8, 1.0
LOUD_OVER_MEAN_DB = 3.6
# What never stands out from the noise by 3 dB is not told from it.
MIN_EXCESS, LOWEST_SNR_DB, MIN_NOISE_FRAMES = 2.0, -10.0, 20

# An edge of the band: over so many Hz speech falls by so many dB, and the pauses by so many, which
# at the edges of vowels they do not. Or speech falls by the last number, and from there on it is
# within 3 dB of the pauses: nothing but dither.
EDGES = ((300.0, 15.0, 10.0, 25.0), (1000.0, 30.0, 20.0, 32.0))
EMPTY_DB = 3.0
# Wider than a harmonic, so that neither pitch nor a faint tone makes or hides an edge.
SMOOTHING_HZ, LOWEST_EDGE_HZ = 280.0, 1250.0


def step_length(sample_rate: int) -> int:
    """Give the samples of 5 ms, of which frames are made."""
    return max(1, round(sample_rate / STEPS_A_SECOND))


def _blocks(channel: Samples) -> Iterator[Samples]:
    return (channel[start : start + BLOCK] for start in range(0, len(channel), BLOCK))


@dataclass(frozen=True, slots=True)
class Survey:
    """What one pass over a channel tells."""

    low: float
    high: float
    mean: float
    rms: float
    n_zeros: int
    longest_silence: int


def survey_channel(channel: Samples) -> Survey:
    """Pass over a channel once."""
    total = squares = 0.0
    n_zeros = longest = run = 0
    for block in _blocks(channel):
        values = block.astype(np.float64)
        total += float(values.sum())
        squares += float(np.dot(values, values))
        zeros = np.flatnonzero(block == 0)
        n_zeros += len(zeros)
        longest_here, run = _longest_run(zeros, len(block), run)
        longest = max(longest, longest_here)
    mean = total / len(channel)
    rms = math.sqrt(max(squares / len(channel) - mean**2, 0.0))
    low, high = float(channel.min()), float(channel.max())
    return Survey(low, high, mean, rms, n_zeros, longest)


def _longest_run(places: NDArray[np.intp], n: int, before: int) -> tuple[int, int]:
    """Give the longest run of places on end among n, and how long the run at their end is.

    ``before`` is how long the run is that ended just before the first.
    """
    if len(places) == 0:
        return 0, 0
    borders = np.flatnonzero(np.diff(places) > 1) + 1
    lengths = np.diff(borders, prepend=0, append=len(places))
    if places[0] == 0:
        lengths[0] += before
    return int(lengths.max()), int(lengths[-1]) if places[-1] == n - 1 else 0


def share_clipped(channel: Samples, survey: Survey) -> float:
    """Give the share of samples in runs of three or more at the channel's own extremes."""
    n_clipped = 0
    for start in range(0, len(channel), BLOCK):
        # Two neighbors on either side, for runs that cross the border.
        first = max(0, start - 2)
        part = channel[first : start + BLOCK + 2]
        for extreme in (survey.low, survey.high):
            at = part == extreme
            # Zeros at the end of the range are padding, not clipping.
            if extreme == 0.0 or np.count_nonzero(at) < 3:
                continue
            three = at[:-2] & at[1:-1] & at[2:]
            in_run = np.zeros_like(at)
            for shift in range(3):
                in_run[shift : shift + len(three)] |= three
            n_clipped += int(np.count_nonzero(in_run[start - first :][:BLOCK]))
    return n_clipped / len(channel)


def are_same(first: Samples, second: Samples) -> bool:
    """Tell whether two channels agree in every sample."""
    return all(itertools.starmap(np.array_equal, zip(_blocks(first), _blocks(second), strict=True)))


class Mix:
    """The mean of channels, each without its own mean, made in pieces; its range is within ±1."""

    def __init__(self, channels: list[Samples], surveys: list[Survey], sample_rate: int) -> None:
        self.channels = channels
        self.means = [survey.mean for survey in surveys]
        self.scale = max(max(s.high - s.mean, s.mean - s.low) for s in surveys)
        self.sample_rate = sample_rate
        self.step = step_length(sample_rate)
        self.hop, self.length = STEPS_A_HOP * self.step, STEPS_A_FRAME * self.step

    def piece(self, start: int, stop: int) -> Floats:
        """Give the samples [start, stop)."""
        total = np.zeros(min(stop, len(self.channels[0])) - start)
        for channel, mean in zip(self.channels, self.means, strict=True):
            total += channel[start:stop]
            total -= mean
        total /= self.scale * len(self.channels)
        return total

    def energies(self) -> Floats:
        """Give the mean power of each frame, (T,)."""
        n_steps, many = len(self.channels[0]) // self.step, max(1, BLOCK // self.step)
        powers = np.empty(n_steps)
        for first in range(0, n_steps, many):
            last = min(first + many, n_steps)
            steps = self.piece(first * self.step, last * self.step).reshape(-1, self.step)
            powers[first:last] = np.einsum("ij,ij->i", steps, steps) / self.length
            # Zeros are silence, whatever the mean that was taken from them.
            flat = np.flatnonzero(steps[:, 0] == steps[:, -1])
            flat = flat[(steps[flat] == steps[flat, :1]).all(axis=1)]
            powers[first + flat] = 0.0
        n_frames = (n_steps - STEPS_A_FRAME) // STEPS_A_HOP + 1
        energies = np.zeros(n_frames)
        for offset in range(STEPS_A_FRAME):
            energies += powers[offset::STEPS_A_HOP][:n_frames]
        return energies

    def spectra(self, frames: slice) -> NDArray[np.float32]:
        """Give the power spectra of consecutive frames, (T, n_fft / 2 + 1)."""
        start, stop = frames.start * self.hop, (frames.stop - 1) * self.hop + self.length
        samples = self.piece(start, stop).astype(np.float32)
        framed = sliding_window_view(samples, self.length)[:: self.hop]
        window = np.hanning(self.length + 2)[1:-1].astype(np.float32)
        n_fft = 1 << (self.length - 1).bit_length()
        # Before NumPy 2 it computes in double precision.
        spectra = np.fft.rfft(framed * window, n_fft, axis=1).astype(np.complex64, copy=False)
        power: NDArray[np.float32] = spectra.real**2 + spectra.imag**2
        # One-sided, so that the sum over frequency is the mean power of the frame.
        power *= np.float32(2.0 / (n_fft * np.sum(window**2)))
        return power


def mark_speech(energies: Floats) -> NDArray[np.bool_]:
    """Mark the frames of speech: the louder of two levels, and at most 30 dB below the peak."""
    levels = energies.astype(np.float32)
    return without_short_runs(
        voiced_above_noise(levels) & voiced(levels), min_speech=MIN_SPEECH, min_pause=MIN_PAUSE
    )


class Spectra(NamedTuple):
    """Mean spectra (n_bins,) of speech and of the quietest frames; bands (T, 8) of all frames."""

    speech: Floats
    pauses: Floats
    bands: Floats


def measure_spectra(mix: Mix, energies: Floats, speech: NDArray[np.bool_]) -> Spectra:
    """Look at all of a short recording, and at stretches evenly spread over a long one."""
    starts = np.arange(0, len(speech), STRETCH)
    chosen = np.linspace(0, len(starts) - 1, min(len(starts), MAX_STRETCHES)).astype(int)
    stretches = [slice(start, min(start + STRETCH, len(speech))) for start in starts[chosen]]
    sounding = energies > energies.max() * DIGITAL_SILENCE
    heard = np.concatenate([energies[frames][sounding[frames]] for frames in stretches])
    quiet = sounding & (energies <= np.quantile(heard if len(heard) else energies, 0.2))
    of_speech, of_pauses, bands = [], [], []
    for frames in stretches:
        power = mix.spectra(frames)
        of_speech.append(power[speech[frames]].sum(axis=0, dtype=np.float64))
        of_pauses.append(power[quiet[frames]].sum(axis=0, dtype=np.float64))
        borders = _band_borders(power.shape[1], mix.sample_rate)
        bands.append(np.add.reduceat(power[sounding[frames]], borders, axis=1, dtype=np.float64))
    n_speech, n_quiet = (
        max(1, sum(np.count_nonzero(mask[frames]) for frames in stretches))
        for mask in (speech, quiet)
    )
    return Spectra(
        np.sum(of_speech, axis=0) / n_speech,
        np.sum(of_pauses, axis=0) / n_quiet,
        np.concatenate(bands),
    )


def _band_borders(n_bins: int, sample_rate: int) -> NDArray[np.intp]:
    """Give the first bins of eight bands of equal width in mel; the lowest begins above 0 Hz."""
    highest = 2595 * np.log10(1 + sample_rate / 2 / 700)
    mels = np.arange(N_BANDS) * highest / N_BANDS
    borders = 700 * (10 ** (mels / 2595) - 1) / (sample_rate / 2) * (n_bins - 1)
    return np.unique(np.clip(np.ceil(borders), 1, n_bins - 1)).astype(np.intp)


def estimate_snr_db(energies: Floats, speech: NDArray[np.bool_], spectra: Spectra) -> float | None:
    """Estimate speech over noise; None where there is no noise to be heard."""
    n_silent = np.count_nonzero(energies <= energies.max() * DIGITAL_SILENCE)
    removed = n_silent >= MIN_PAUSE and 2 * n_silent > np.count_nonzero(~speech)
    if removed or len(spectra.bands) < MIN_NOISE_FRAMES:
        return None
    sums = np.cumsum(spectra.bands, axis=0)
    means = (sums[NOISE_FRAMES:] - sums[:-NOISE_FRAMES]) / NOISE_FRAMES
    noise = float(np.quantile(means, NOISE_QUANTILE, axis=0).sum()) * 10 ** (NOISE_BIAS_DB / 10)
    excess = np.sort(energies[energies > MIN_EXCESS * noise]) - noise
    if len(excess) == 0 or noise <= 0.0:
        return LOWEST_SNR_DB if len(excess) == 0 else None
    cumulative = np.cumsum(excess)
    loud = excess[np.searchsorted(cumulative, cumulative[-1] / 2)]
    return max(10 * math.log10(loud / noise) - LOUD_OVER_MEAN_DB, LOWEST_SNR_DB)


# These two are as in scipy.ndimage, whose import takes longer than all that is measured here.
def running_median(values: Floats, width: int) -> Floats:
    """Give the median of the odd number ``width`` of values around each, the ends repeated."""
    middle = width // 2
    return np.partition(_windows_around(values, width), middle, axis=1)[:, middle]


def running_maximum(values: Floats, width: int) -> Floats:
    """Give the largest of the odd number ``width`` of values around each."""
    largest: Floats = _windows_around(values, width).max(axis=1)
    return largest


def _windows_around(values: Floats, width: int) -> Floats:
    return sliding_window_view(np.pad(values, width // 2, mode="edge"), width)


def find_bandwidth_hz(spectra: Spectra, sample_rate: int) -> float:
    """Find the lowest edge above which speech is gone; else half the sample rate."""
    n_bins = len(spectra.speech)
    bin_hz = sample_rate / 2 / (n_bins - 1)
    width = max(3, round(SMOOTHING_HZ / bin_hz) | 1)
    # 130 dB below the peak single precision itself is heard.
    least = spectra.speech.max() * 1e-13
    speech, pauses = (
        running_median(10 * np.log10(power + least), width)
        for power in (spectra.speech, spectra.pauses)
    )
    # From each bin to the last: the strongest, and the mean lead of speech over pauses.
    rest, rest_of_pauses = (np.maximum.accumulate(level[::-1])[::-1] for level in (speech, pauses))
    lead = np.cumsum((speech - pauses)[::-1])[::-1] / np.arange(n_bins, 0, -1)
    edges = []
    for gap_hz, drop_db, pause_drop_db, empty_drop_db in EDGES:
        gap = round(gap_hz / bin_hz)
        # Edge at bin k: the lowest of [k - width, k) over all of [k + gap, n_bins).
        places = np.arange(round(LOWEST_EDGE_HZ / bin_hz), n_bins - gap - width)
        if len(places) == 0:
            continue
        below, pauses_below = (
            sliding_window_view(level, width)[places - width].min(axis=1)
            for level in (speech, pauses)
        )
        drop = below - rest[places + gap]
        pause_drop = running_maximum(pauses_below - rest_of_pauses[places + gap], width)
        follows = (drop >= drop_db) & (pause_drop >= pause_drop_db)
        empty = (drop >= empty_drop_db) & (lead[places + gap] <= EMPTY_DB)
        for index in np.flatnonzero(follows | empty)[:1]:
            place = places[index]
            fall = speech[place : place + gap + 1] >= below[index] - drop[index] / 2
            edges.append(float(bin_hz * (place + np.flatnonzero(fall).max(initial=0))))
    return min(edges, default=sample_rate / 2)
