"""The compiled pass: laws of the Fourier transform, numpy's numbers, the same bits in any lane."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.features.filter_bank import GROUP, FilterBank, linear_filters
from speakergmm.features.spectrum import COMPLEX, LANES, FourierTransform, fourier_transform

LAW = settings(derandomize=True, deadline=None, max_examples=40)

# Of the frame's largest power: float32 sums over log4(n) passes, each off by some 6e-8.
POWER = 2e-6

# Of a sum of positive numbers, one after the other in float32, thousands at the longest.
SUM = 2e-5

LENGTHS = [16, 32, 64, 128, 256, 512, 1024, 2048, 8192, 65536]


def hann(n_fft):
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)


def noise(n_samples, seed=0):
    return np.random.default_rng(seed).normal(size=n_samples).astype(np.float32)


def every_bin(n_fft):
    """Give a bank whose filters are single bins, so that bands are the power spectrum."""
    return np.eye(n_fft // 2 + 1)


def compute(samples, window, filters, *, n_frames=1, hop=None):
    fourier, bank = FourierTransform.of(window), FilterBank.of(filters)
    return fourier.band_energies(samples, n_frames, hop or len(window), bank)


def by_numpy(samples, window, filters, *, n_frames=1, hop=None):
    """Compute bands, energy and the largest power of any bin in float64, with all the zeros."""
    n_fft, hop = len(window), hop or len(window)
    padded = np.concatenate([samples.astype(float), np.zeros(n_fft + hop * n_frames)])
    frames = np.array([padded[t * hop : t * hop + n_fft] for t in range(n_frames)]) * window
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    return power @ filters.T, np.sum(frames**2, axis=1), power.max()


def assert_agrees(samples, window, filters, **changes):
    bands, energy = compute(samples, window, filters, **changes)
    expected, expected_energy, largest = by_numpy(samples, window, filters, **changes)
    weight = np.abs(filters).sum(axis=1).max()
    assert bands.dtype == energy.dtype == np.float32
    np.testing.assert_allclose(bands, expected, rtol=SUM, atol=POWER * largest * weight)
    np.testing.assert_allclose(energy, expected_energy, rtol=SUM, atol=0)


# --- laws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_fft", LENGTHS)
def test_an_impulse_has_the_same_power_in_all_bins(n_fft):
    bank = every_bin(n_fft) if n_fft <= 2048 else linear_filters(n_fft, n_fft, 20, 0, n_fft / 2)
    for place in {0, 1, 5, n_fft // 2, n_fft - 1}:
        samples = np.zeros(n_fft, dtype=np.float32)
        samples[place] = 3.0
        bands, energy = compute(samples, np.ones(n_fft), bank)
        np.testing.assert_allclose(bands[0], 9.0 * bank.sum(axis=1), rtol=SUM)
        np.testing.assert_allclose(energy, 9.0, rtol=SUM)


@pytest.mark.parametrize("n_fft", [16, 32, 64, 128, 512, 1024])
def test_a_sine_falls_in_its_bin(n_fft):
    for k in range(n_fft // 2 + 1):
        samples = np.cos(2 * np.pi * k * np.arange(n_fft) / n_fft).astype(np.float32)
        bands, _ = compute(samples, np.ones(n_fft), every_bin(n_fft))
        # The first and the last bin are their own mirror image.
        expected = np.zeros(n_fft // 2 + 1)
        expected[k] = (n_fft if k in {0, n_fft // 2} else n_fft / 2) ** 2
        np.testing.assert_allclose(bands[0], expected, rtol=0, atol=POWER * expected[k])


@LAW
@given(st.integers(0, 2**32 - 1), st.sampled_from(LENGTHS[:-1]))
def test_energy_is_that_of_the_windowed_samples(seed, n_fft):
    samples = noise(n_fft, seed)
    _, energy = compute(samples, hann(n_fft), np.ones((1, n_fft // 2 + 1)))
    np.testing.assert_allclose(energy, np.sum((samples * hann(n_fft)) ** 2), rtol=SUM)


@LAW
@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 16, 32, 64, 256, 512]))
def test_the_transform_is_linear_in_each_lane(seed, n):
    twiddles = FourierTransform.of(np.ones(2 * n)).twiddles
    a, b = noise(n * COMPLEX, seed), noise(n * COMPLEX, seed + 1)
    both = a + 2 * b
    for rows in (a, b, both):
        fourier_transform(rows, twiddles)
    np.testing.assert_allclose(both, a + 2 * b, rtol=0, atol=POWER * np.abs(both).max())


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(-20, 20))
def test_a_power_of_two_of_level_is_exact(seed, exponent):
    samples, bank = noise(512, seed), linear_filters(16_000, 512, 40, 0, 8000)
    bands, energy = compute(samples, hann(512), bank)
    louder, its_energy = compute(samples * np.float32(2.0**exponent), hann(512), bank)
    np.testing.assert_array_equal(louder, bands * np.float32(4.0**exponent))
    np.testing.assert_array_equal(its_energy, energy * np.float32(4.0**exponent))


# --- numpy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_fft", LENGTHS)
def test_agrees_with_numpy(n_fft):
    n_bins = n_fft // 2 + 1
    bank = every_bin(n_fft) if n_fft <= 2048 else linear_filters(16_000, n_fft, 40, 0, 8000)
    assert bank.shape[1] == n_bins
    assert_agrees(noise(3 * n_fft), hann(n_fft), bank, n_frames=5, hop=n_fft // 2)


def test_agrees_with_numpy_at_the_longest_window():
    n_fft = 1 << 19
    bank = linear_filters(384_000, n_fft, 40, 0, 192_000)
    assert_agrees(noise(n_fft + 1000), hann(n_fft), bank, n_frames=2, hop=1000)


@LAW
@given(
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=300),
    st.sampled_from([16, 32, 64, 128]),
    st.integers(1, 200),
    st.integers(1, 300),
)
def test_agrees_with_numpy_at_any_hop(samples, n_fft, n_frames, hop):
    # Also where frames lie beyond the end: there are zeros.
    bank = linear_filters(16_000, n_fft, 7, 0, 8000)
    drawn = np.float32(samples)
    # Powers that float32 cannot hold beside each other.
    drawn[np.abs(drawn) < 1e-12] = 0
    assert_agrees(drawn, hann(n_fft), bank, n_frames=n_frames, hop=hop)


@pytest.mark.parametrize("n_mels", [2, 24, 40, 80])
@pytest.mark.parametrize("n_fft", [64, 256, 512, 1024])
def test_agrees_with_the_whole_matrix_of_a_mel_bank(n_fft, n_mels):
    import librosa.filters

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty filters")
        bank = librosa.filters.mel(sr=16_000, n_fft=n_fft, n_mels=n_mels)
    assert_agrees(noise(5000), hann(n_fft), bank, n_frames=30, hop=100)


def test_a_filter_may_have_zeros_inside_and_may_be_empty():
    bank = np.zeros((5, 33))
    bank[0, [0, 32]] = 1, 2
    bank[2, 31:] = 3
    bank[3, 7] = -1
    samples = noise(200)
    assert_agrees(samples, hann(64), bank, n_frames=3, hop=10)
    bands, _ = compute(samples, hann(64), bank, n_frames=3, hop=10)
    np.testing.assert_array_equal(bands[:, [1, 4]], 0)


def test_a_bank_holds_no_more_than_fills_its_groups():
    bank = FilterBank.of(linear_filters(16_000, 512, 40, 0, 8000))
    filters = linear_filters(16_000, 512, 40, 0, 8000)
    assert bank.n_filters == 40
    assert np.count_nonzero(bank.weights) == np.count_nonzero(filters)
    assert len(bank.weights) <= np.count_nonzero(filters) + 40 * (GROUP - 1)
    assert all(len(part) % GROUP == 0 for part in (bank.weights, bank.of_energy))


# --- bits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_fft", [32, 512, 1024])
def test_a_frame_has_the_same_bits_in_any_lane_and_beside_any_others(n_fft):
    hop, n_frames = n_fft // 4, 2 * LANES + 7
    samples = noise(n_fft + (n_frames - 1) * hop)
    bank = linear_filters(16_000, n_fft, 13, 100, 7000)
    bands, energy = compute(samples, hann(n_fft), bank, n_frames=n_frames, hop=hop)
    for start, n in ((0, 1), (0, LANES), (1, LANES), (5, LANES + 1), (LANES - 1, 2), (70, 3)):
        part = samples[start * hop :]
        some, their = compute(part, hann(n_fft), bank, n_frames=n, hop=hop)
        np.testing.assert_array_equal(some, bands[start : start + n])
        np.testing.assert_array_equal(their, energy[start : start + n])


def test_frames_that_are_equal_have_the_same_bits():
    samples = np.tile(noise(160), 200)
    bank = linear_filters(16_000, 512, 40, 0, 8000)
    bands, energy = compute(samples, hann(512), bank, n_frames=150, hop=160)
    np.testing.assert_array_equal(bands, np.tile(bands[0], (150, 1)))
    np.testing.assert_array_equal(energy, energy[0])


def test_samples_may_be_read_only_and_are_not_changed():
    samples, bank = noise(2000), linear_filters(16_000, 512, 40, 0, 8000)
    expected = compute(samples.copy(), hann(512), bank, n_frames=9, hop=160)
    before = samples.copy()
    samples.flags.writeable = False
    for array, wanted in zip(
        compute(samples, hann(512), bank, n_frames=9, hop=160), expected, strict=True
    ):
        np.testing.assert_array_equal(array, wanted)
    np.testing.assert_array_equal(samples, before)


def test_no_frames_are_no_bands():
    bands, energy = compute(noise(10), hann(16), np.ones((3, 9)), n_frames=0, hop=4)
    assert bands.shape == (0, 3)
    assert energy.shape == (0,)


# --- what is not finite --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38, -1e30])
def test_what_float32_cannot_hold_is_not_finite_in_its_frames_alone(value):
    hop, n_frames, bank = 16, 2 * LANES, linear_filters(16_000, 64, 10, 0, 8000)
    samples = noise(64 + (n_frames - 1) * hop)
    clean, clean_energy = compute(samples, hann(64), bank, n_frames=n_frames, hop=hop)
    place = 1000
    samples[place] = value
    bands, energy = compute(samples, hann(64), bank, n_frames=n_frames, hop=hop)
    starts = hop * np.arange(n_frames)
    # The first sample under the window is multiplied by 0.
    holds = (starts < place) & (place < starts + 64)
    assert holds.sum() == 4 - (place % hop == 0)
    assert not np.isfinite(energy[holds]).any()
    outside = (place < starts) | (place >= starts + 64)
    np.testing.assert_array_equal(bands[outside], clean[outside])
    np.testing.assert_array_equal(energy[outside], clean_energy[outside])


def test_the_largest_powers_are_those_of_numpy():
    # Powers up to 1e38, near to the end of float32.
    samples = np.float32(1e16) * noise(2000)
    assert_agrees(samples, hann(512), linear_filters(16_000, 512, 40, 0, 8000), n_frames=9, hop=160)
