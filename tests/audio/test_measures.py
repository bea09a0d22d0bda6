"""What is measured on samples, against scipy's filters and plain loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.audio import measures
from speakergmm.audio.measures import Mix, running_maximum, running_median, survey_channel

LAW = settings(derandomize=True, deadline=None, max_examples=100)

# Of the strongest bin's power: two transforms in single precision.
SPECTRUM = 1e-5

VALUES = st.lists(st.floats(-200, 200), min_size=1, max_size=60).map(np.array)
# Also wider than there are values.
WIDTHS = st.integers(0, 50).map(lambda half: 2 * half + 1)


@LAW
@given(VALUES, WIDTHS)
def test_running_median_is_scipys(values, width):
    expected = scipy.ndimage.median_filter(values, width, mode="nearest")
    np.testing.assert_array_equal(running_median(values, width), expected)


@LAW
@given(VALUES, WIDTHS)
def test_running_maximum_is_scipys(values, width):
    expected = scipy.ndimage.maximum_filter1d(values, width)
    np.testing.assert_array_equal(running_maximum(values, width), expected)


@pytest.mark.parametrize("rate", [300, 8000, 11025, 16000, 48000])
def test_spectra_are_scipys(rate):
    samples = np.random.default_rng(0).normal(size=3 * rate).astype(np.float32)
    mix = Mix([samples], [survey_channel(samples)], rate)
    spectra = mix.spectra(slice(3, 40))
    assert spectra.dtype == np.float32
    window = np.hanning(mix.length + 2)[1:-1]
    n_fft = 2 * (spectra.shape[1] - 1)
    frames = [mix.piece(t * mix.hop, t * mix.hop + mix.length) for t in range(3, 40)]
    power = np.abs(scipy.fft.rfft(np.array(frames) * window, n_fft, axis=1)) ** 2
    expected = power * 2 / (n_fft * np.sum(window**2))
    np.testing.assert_allclose(spectra, expected, rtol=0, atol=SPECTRUM * expected.max())


@LAW
@given(st.lists(st.sampled_from([0.0, -0.0, 0.5, -1.0]), min_size=1, max_size=40))
@pytest.mark.parametrize("block", [1, 3, 7, 64])
def test_zeros_are_counted_across_blocks(block, drawn):
    runs = [len(list(run)) for value, run in itertools.groupby(drawn) if value == 0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measures, "BLOCK", block)
        survey = survey_channel(np.float32(drawn))
    assert (survey.n_zeros, survey.longest_silence) == (sum(runs), max(runs, default=0))


def test_only_frames_of_zeros_are_silent():
    samples = np.random.default_rng(0).normal(size=1600).astype(np.float32) + 3
    steps = samples.reshape(-1, 80)
    # Of the first frame only the ends of its steps agree.
    steps[:5, -1] = steps[:5, 0]
    steps[10:15] = 0
    energies = Mix([samples], [survey_channel(samples)], 16000).energies()
    np.testing.assert_array_equal(np.flatnonzero(energies == 0), [5])
