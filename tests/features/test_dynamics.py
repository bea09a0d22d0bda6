"""Slopes and shifted differences of cepstra: their laws, and brute force by their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.errors import ConfigError, FrameError
from speakergmm.features import deltas, shifted_deltas

LAW = settings(derandomize=True, deadline=None, max_examples=60)
DTYPES = st.sampled_from([np.float64, np.float32])

# Of a few additions of numbers of size 1.
ROUNDING = {np.float64: 1e-12, np.float32: 1e-5}


def random_frames(seed, n_frames, n_features=3, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_frames, n_features)).astype(dtype)


@pytest.mark.parametrize("slopes", [deltas, shifted_deltas])
def test_numbers_of_any_kind_have_slopes(slopes):
    frames = np.round(random_frames(0, 12) * 10)
    expected = slopes(frames)
    for same in (frames.tolist(), frames.astype(np.int16), frames.astype(">f4")):
        found = slopes(same)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("slopes", [deltas, shifted_deltas])
def test_frames_that_are_not_finite_have_no_slopes(slopes):
    with pytest.raises(FrameError, match="frame 1, feature 0 is nan; expected finite numbers"):
        slopes(np.array([[1.0, 2.0], [np.nan, 3.0]]))


# --- deltas --------------------------------------------------------------------------------------


def slow_deltas(frames, window):
    """The HTK Book's regression formula, frame by frame, the edge frames repeated."""
    last = len(frames) - 1
    result = np.zeros(frames.shape)
    for t in range(len(frames)):
        for d in range(frames.shape[1]):
            above = sum(
                k * (float(frames[min(t + k, last), d]) - float(frames[max(t - k, 0), d]))
                for k in range(1, window + 1)
            )
            result[t, d] = above / (2 * sum(k * k for k in range(1, window + 1)))
    return result


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 12), DTYPES)
def test_deltas_agree_with_brute_force(seed, n_frames, window, dtype):
    frames = random_frames(seed, n_frames, dtype=dtype)
    slopes = deltas(frames, window=window)
    assert slopes.dtype == dtype
    assert slopes.shape == frames.shape
    np.testing.assert_allclose(slopes, slow_deltas(frames, window), rtol=0, atol=ROUNDING[dtype])


@LAW
@given(st.integers(1, 20), st.integers(1, 12), st.floats(-1e4, 1e4, width=32), DTYPES)
def test_deltas_of_a_constant_are_zero(n_frames, window, value, dtype):
    frames = np.full((n_frames, 2), value, dtype=dtype)
    np.testing.assert_array_equal(deltas(frames, window=window), np.zeros((n_frames, 2)))


@LAW
@given(st.integers(1, 5), st.integers(-50, 50), st.integers(-50, 50), DTYPES)
def test_deltas_of_a_ramp_are_its_slope_inside(window, slope, start, dtype):
    frames = (start + slope * np.arange(2 * window + 9))[:, None].astype(dtype)
    inside = deltas(frames, window=window)[window:-window]
    np.testing.assert_allclose(inside, slope, rtol=1e-6)


def test_deltas_by_hand():
    frames = np.array([[0.0], [1.0], [4.0], [9.0]])
    # (1 · (x₁ - x₀) + 2 · (x₂ - x₀)) / 10 at the first frame, and so on.
    expected = [[0.9], [(4 - 0 + 2 * (9 - 0)) / 10], [(9 - 1 + 2 * (9 - 0)) / 10], [2.1]]
    expected[3] = [(9 - 4 + 2 * (9 - 1)) / 10]
    np.testing.assert_allclose(deltas(frames), expected, rtol=1e-15)


def test_deltas_of_one_frame_are_zero():
    np.testing.assert_array_equal(deltas(np.array([[3.0, -7.0]]), window=4), [[0.0, 0.0]])


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_deltas_are_linear_and_turn_their_sign_with_time(seed, window):
    one, other = random_frames(seed, 15), random_frames(seed + 1, 15)
    both = deltas(2 * one - other, window=window)
    np.testing.assert_allclose(
        both, 2 * deltas(one, window=window) - deltas(other, window=window), atol=1e-12
    )
    np.testing.assert_allclose(
        deltas(one[::-1], window=window), -deltas(one, window=window)[::-1], atol=1e-12
    )


def test_deltas_agree_with_librosa_where_both_see_whole_windows():
    import librosa

    frames = random_frames(1, 40)
    expected = librosa.feature.delta(frames.T, width=5, order=1).T
    np.testing.assert_allclose(deltas(frames, window=2)[2:-2], expected[2:-2], atol=1e-12)


@pytest.mark.parametrize("window", [0, -1])
def test_a_delta_window_of_nothing_is_refused(window):
    with pytest.raises(ConfigError, match=f"delta window is {window}; expected 1 or more frames"):
        deltas(np.zeros((3, 2)), window=window)


# --- shifted deltas ------------------------------------------------------------------------------


def slow_shifted_deltas(frames, spread, shift, n_blocks):
    """N-d-P-k by its definition, number by number, the edge frames repeated."""

    def at(t, d):
        return float(frames[min(max(t, 0), len(frames) - 1), d])

    return np.array([
        [
            at(t + i * shift + spread, d) - at(t + i * shift - spread, d)
            for i in range(n_blocks)
            for d in range(frames.shape[1])
        ]
        for t in range(len(frames))
    ])  # fmt: skip


SHIFTS = {
    "spread": st.integers(1, 6),
    "shift": st.integers(1, 6),
    "n_blocks": st.integers(1, 8),
}
OPTIONS = st.fixed_dictionaries(SHIFTS)


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 4), OPTIONS, DTYPES)
def test_shifted_deltas_agree_with_brute_force(seed, n_frames, n_features, options, dtype):
    frames = random_frames(seed, n_frames, n_features, dtype)
    differences = shifted_deltas(frames, **options)
    assert differences.dtype == dtype
    assert differences.shape == (n_frames, n_features * options["n_blocks"])
    expected = slow_shifted_deltas(frames, **options)
    np.testing.assert_allclose(differences, expected, rtol=0, atol=ROUNDING[dtype])


def test_shifted_deltas_by_hand():
    frames = np.array([[0.0], [1.0], [4.0], [9.0], [16.0]])
    expected = [[1 - 0, 9 - 1], [4 - 0, 16 - 4], [9 - 1, 16 - 9], [16 - 4, 0], [16 - 9, 0]]
    np.testing.assert_array_equal(shifted_deltas(frames, spread=1, shift=2, n_blocks=2), expected)


def test_shifted_deltas_are_seven_one_three_seven_by_default():
    frames = random_frames(0, 50, 7)
    differences = shifted_deltas(frames)
    assert differences.shape == (50, 49)
    np.testing.assert_array_equal(
        differences, shifted_deltas(frames, spread=1, shift=3, n_blocks=7)
    )
    # Block after block: all features of the first, then of the one three frames later.
    np.testing.assert_array_equal(differences[10, 7:14], frames[14] - frames[12])


@LAW
@given(st.integers(1, 20), st.floats(-1e4, 1e4, width=32), OPTIONS, DTYPES)
def test_shifted_deltas_of_a_constant_are_zero(n_frames, value, options, dtype):
    frames = np.full((n_frames, 2), value, dtype=dtype)
    assert not shifted_deltas(frames, **options).any()


@LAW
@given(st.integers(-50, 50), st.integers(-50, 50), OPTIONS, DTYPES)
def test_shifted_deltas_of_a_ramp_are_its_rise_inside(slope, start, options, dtype):
    reach = options["spread"] + options["shift"] * (options["n_blocks"] - 1)
    frames = (start + slope * np.arange(2 * reach + 9))[:, None].astype(dtype)
    inside = shifted_deltas(frames, **options)[reach:-reach]
    np.testing.assert_array_equal(inside, 2 * options["spread"] * slope)


@LAW
@given(st.integers(0, 2**32 - 1), OPTIONS)
def test_shifted_deltas_are_linear(seed, options):
    one, other = random_frames(seed, 15), random_frames(seed + 1, 15)
    np.testing.assert_allclose(
        shifted_deltas(2 * one - other, **options),
        2 * shifted_deltas(one, **options) - shifted_deltas(other, **options),
        rtol=0,
        atol=1e-12,
    )


def test_one_block_over_one_frame_is_twice_the_slope():
    frames = random_frames(4, 12)
    np.testing.assert_allclose(
        shifted_deltas(frames, spread=1, n_blocks=1), 2 * deltas(frames, window=1), atol=1e-12
    )


@pytest.mark.parametrize("name", ["spread", "shift", "n_blocks"])
@pytest.mark.parametrize("value", [0, -2, 1.5])
def test_a_shift_of_nothing_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} is {value}; expected"):
        shifted_deltas(np.zeros((3, 2)), **{name: value})


# --- both ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [deltas, shifted_deltas])
@pytest.mark.parametrize("frames", [np.zeros(4), np.zeros((0, 3)), np.zeros((2, 2, 2))])
def test_what_are_no_frames_is_refused(transform, frames):
    with pytest.raises(FrameError, match=r"frames have shape \(.*\); expected \(n_frames, n_feat"):
        transform(frames)


@pytest.mark.parametrize("transform", [deltas, shifted_deltas])
def test_frames_are_not_changed(transform):
    frames = random_frames(2, 9)
    before = frames.copy()
    transform(frames)
    np.testing.assert_array_equal(frames, before)
