"""A recording in few columns, however long it is: its speech, its waveform, its spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# More than a picture on a page has pixels for.
MOST_COLUMNS, MOST_ROWS = 1200, 256
WINDOW_S, FINEST_S = 0.025, 0.0025
HIGHEST_HZ = 8000.0
# Of a column that is longer than a window, the mean of so many.
WINDOWS_A_COLUMN = 8
# Columns that are in memory at a time.
BLOCK = 64
# Neighbors farther apart than so many hops have a pause between them.
GAP = 1.5
# The spectrum of digital silence.
LOWEST_DB = -200.0


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """The lowest and highest sample of each column between ``edges_s`` (N + 1,).

    ``low`` and ``high`` (N,) are of all samples, ``speech_low`` and ``speech_high`` of those inside
    of speech: NaN where there are none.
    """

    edges_s: Floats
    low: Floats
    high: Floats
    speech_low: Floats
    speech_high: Floats


def speech_spans(times_s: Floats, hop_s: float) -> Floats:
    """Give start and end (S, 2) of what frames in an unbroken row cover, in seconds."""
    if not len(times_s):
        return np.empty((0, 2))
    last = np.flatnonzero(np.diff(times_s) > GAP * hop_s)
    starts = times_s[np.concatenate([[0], last + 1])] - hop_s / 2
    ends = times_s[np.concatenate([last, [-1]])] + hop_s / 2
    return np.stack([starts, ends], axis=1)


def waveform(samples: NDArray[np.float32], sample_rate: int, spans_s: Floats) -> Waveform:
    """Find the extremes of samples, of all and of those inside the spans."""
    edges = _edges(len(samples), MOST_COLUMNS)
    n = len(edges) - 1
    starts, ends = np.clip(np.rint(spans_s * sample_rate).astype(int), 0, len(samples)).T
    cuts = np.unique(np.concatenate([edges[:-1], starts, ends]))
    cuts = cuts[cuts < len(samples)]
    column = np.searchsorted(edges, cuts, side="right") - 1
    is_speech = np.searchsorted(starts, cuts, side="right") > np.searchsorted(
        ends, cuts, side="right"
    )
    low, high = (np.full((2, n), np.nan) for _ in range(2))
    for extreme, of, to in ((np.minimum, np.fmin, low), (np.maximum, np.fmax, high)):
        found = extreme.reduceat(samples, cuts) if n else np.empty(0)
        of.at(to[0], column, found)
        of.at(to[1], column[is_speech], found[is_speech])
    return Waveform(edges / sample_rate, low[0], high[0], low[1], high[1])


def _edges(n: int, most: int) -> NDArray[np.int64]:
    return np.linspace(0, n, min(n, most) + 1).astype(np.int64)


def spectrogram(samples: NDArray[np.float32], sample_rate: int) -> tuple[Floats, float]:
    """Give decibels (rows, columns), 0 at the loudest, from 0 Hz in the first row up.

    Digital silence has no loudest place: all is `LOWEST_DB`.

    The second value is the frequency in Hz at which the last row ends.
    """
    length = max(2, round(WINDOW_S * sample_rate))
    n_columns = int(np.clip(np.ceil(len(samples) / sample_rate / FINEST_S), 1, MOST_COLUMNS))
    each = int(np.clip(len(samples) // (n_columns * length), 1, WINDOWS_A_COLUMN))
    middles = (np.arange(n_columns * each) + 0.5) * len(samples) / (n_columns * each)
    starts = np.rint(middles - length / 2).astype(np.int64).reshape(n_columns, each)
    n_fft = 1 << (length - 1).bit_length()
    # Without the constant part.
    n_bins = max(1, int(min(HIGHEST_HZ / sample_rate, 0.5) * n_fft))
    rows = _edges(n_bins, MOST_ROWS)
    power = np.concatenate(
        [
            _powers(samples, starts[block : block + BLOCK], length, n_fft)[:, 1 : n_bins + 1]
            for block in range(0, n_columns, BLOCK)
        ]
    )
    power = np.add.reduceat(power, rows[:-1], axis=1) / np.diff(rows)
    floor = 10 ** (LOWEST_DB / 10)
    decibels = 10 * np.log10(np.maximum(power, floor))
    if decibels.max() > LOWEST_DB:
        decibels -= decibels.max()
    return decibels.T, n_bins * sample_rate / n_fft


def _powers(
    samples: NDArray[np.float32], starts: NDArray[np.int64], length: int, n_fft: int
) -> Floats:
    """Mean power spectrum of the windows of each column; beyond the ends all is silent."""
    places = starts[..., None] + np.arange(length)  # (columns, windows, samples)
    is_inside = (places >= 0) & (places < len(samples))
    framed = np.zeros(places.shape)
    framed[is_inside] = samples[places[is_inside]]
    spectra = np.fft.rfft(framed * np.hanning(length + 1)[:-1], n_fft)
    return np.asarray((np.abs(spectra) ** 2).mean(axis=1))


def sides(times_s: Floats, values: Floats, hop_s: float) -> tuple[Floats, Floats, Floats, float]:
    """Give times, values above 0, values below 0, and the step between columns.

    Where there are too many, the highest and the lowest of each column; a column without values is
    left out.
    """
    above, below = np.maximum(values, 0), np.minimum(values, 0)
    if len(values) <= MOST_COLUMNS:
        return times_s, above, below, hop_s
    step = (times_s[-1] - times_s[0] + hop_s) / MOST_COLUMNS
    column = np.minimum(((times_s - times_s[0]) / step).astype(int), MOST_COLUMNS - 1)
    kept, first = np.unique(column, return_index=True)
    return (
        times_s[0] + (kept + 0.5) * step,
        np.maximum.reduceat(above, first),
        np.minimum.reduceat(below, first),
        step,
    )
