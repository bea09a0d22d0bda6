"""Deltas, voice activity, normalization: their laws and a brute-force look at their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from speakergmm.errors import ConfigError, FrameError
from speakergmm.features import cmn, cmvn, deltas, voiced

LAW = settings(derandomize=True, deadline=None, max_examples=60)
DTYPES = st.sampled_from([np.float64, np.float32])

# Of a few additions of numbers of size 1.
ROUNDING = {np.float64: 1e-12, np.float32: 1e-5}


def random_frames(seed, n_frames, n_features=3, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_frames, n_features)).astype(dtype)


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


# --- voice activity ------------------------------------------------------------------------------


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 50),
    st.floats(0, 100),
    st.integers(-40, 40),
)
def test_the_level_of_the_recording_does_not_matter(seed, n_frames, threshold_db, exponent):
    energy = np.exp(5 * random_frames(seed, n_frames, 1, np.float32)[:, 0])
    mask = voiced(energy, threshold_db=threshold_db)
    # Samples times a power of two: energies times its square, without rounding.
    louder = energy * np.float32(2.0 ** (2 * exponent))
    np.testing.assert_array_equal(voiced(louder, threshold_db=threshold_db), mask)


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.floats(0, 60), st.floats(0, 60))
def test_a_larger_threshold_keeps_more(seed, n_frames, one, other):
    energy = np.exp(5 * random_frames(seed, n_frames, 1, np.float32)[:, 0])
    fewer = voiced(energy, threshold_db=min(one, other))
    more = voiced(energy, threshold_db=max(one, other))
    assert (more | ~fewer).all()
    assert fewer[np.argmax(energy)]


def test_voiced_by_hand():
    energy = np.array([1.0, 0.11, 0.09, 0.0, 0.5], dtype=np.float32)
    np.testing.assert_array_equal(
        voiced(energy, threshold_db=10.0), [True, True, False, False, True]
    )
    np.testing.assert_array_equal(voiced(energy, threshold_db=0.0), energy == 1)


def test_equally_loud_frames_are_all_kept():
    assert voiced(np.full(7, 0.3, dtype=np.float32), threshold_db=0.0).all()
    assert voiced(np.zeros(7, dtype=np.float32)).all()


@pytest.mark.parametrize("threshold_db", [-1.0, np.nan])
def test_a_negative_threshold_is_refused(threshold_db):
    with pytest.raises(ConfigError, match=f"vad_db is {threshold_db}; expected 0 dB or more"):
        voiced(np.ones(3, dtype=np.float32), threshold_db=threshold_db)


# --- normalization -------------------------------------------------------------------------------


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(-1e3, 1e3), DTYPES)
def test_cmn_leaves_a_mean_of_zero_and_keeps_the_differences(seed, n_frames, offset, dtype):
    frames = (random_frames(seed, n_frames) + offset).astype(dtype)
    normalized = cmn(frames)
    assert normalized.dtype == dtype
    slack = ROUNDING[dtype] * (1 + abs(offset))
    np.testing.assert_allclose(normalized.mean(axis=0, dtype=float), 0, atol=slack)
    np.testing.assert_allclose(
        np.diff(normalized.astype(float), axis=0), np.diff(frames.astype(float), axis=0), atol=slack
    )


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.floats(-1e3, 1e3), DTYPES)
def test_cmvn_leaves_mean_zero_and_deviation_one(seed, n_frames, offset, dtype):
    frames = (random_frames(seed, n_frames) * [1, 100, 0.01] + offset).astype(dtype)
    deviation = frames.astype(float).std(axis=0)
    assume((deviation > 1e-5).all())
    normalized = cmvn(frames).astype(float)
    # The offset's rounding, in deviations of the feature.
    slack = ROUNDING[dtype] * (1 + (1 + abs(offset)) / deviation)
    assert (np.abs(normalized.mean(axis=0)) <= slack).all()
    assert (np.abs(normalized.std(axis=0) - 1) <= slack).all()


@LAW
@given(st.integers(1, 60), st.floats(-1e4, 1e4, width=32), st.integers(0, 2**32 - 1), DTYPES)
def test_a_constant_feature_becomes_zero(n_frames, value, seed, dtype):
    frames = random_frames(seed, n_frames, dtype=dtype)
    frames[:, 1] = value
    np.testing.assert_allclose(cmn(frames)[:, 1], 0, atol=1e-9)
    np.testing.assert_array_equal(cmvn(frames)[:, 1], np.zeros(n_frames))


def test_a_feature_that_hardly_varies_becomes_zero_too():
    # Its deviation of 1e-8 is rounding: dividing by it would make noise of deviation 1.
    frames = random_frames(3, 50)
    frames[:, 2] = 5.0 + 1e-8 * frames[:, 2]
    normalized = cmvn(frames)
    np.testing.assert_array_equal(normalized[:, 2], np.zeros(50))
    np.testing.assert_allclose(normalized[:, :2].std(axis=0), 1.0)


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(3, 40), DTYPES)
def test_normalizing_twice_is_normalizing_once(seed, n_frames, dtype):
    frames = random_frames(seed, n_frames, dtype=dtype)
    for normalize in (cmn, cmvn):
        once = normalize(frames)
        np.testing.assert_allclose(normalize(once), once, rtol=0, atol=10 * ROUNDING[dtype])


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.integers(3, 40),
    st.floats(0.1, 10) | st.floats(-10, -0.1),
    st.floats(-100, 100),
)
def test_units_of_the_features_do_not_matter(seed, n_frames, scale, offset):
    frames = random_frames(seed, n_frames)
    np.testing.assert_allclose(cmn(frames + offset), cmn(frames), atol=1e-11)
    np.testing.assert_allclose(
        cmvn(scale * frames + offset), np.sign(scale) * cmvn(frames), rtol=0, atol=1e-8
    )


def test_cmvn_by_hand():
    frames = np.array([[1.0, 5.0], [3.0, 5.0]])
    np.testing.assert_array_equal(cmn(frames), [[-1.0, 0.0], [1.0, 0.0]])
    # ddof 0: the deviation of {1, 3} is 1.
    np.testing.assert_array_equal(cmvn(frames), [[-1.0, 0.0], [1.0, 0.0]])


def test_one_frame_becomes_zero():
    frame = np.array([[3.0, -2.0]], dtype=np.float32)
    for normalize in (cmn, cmvn):
        np.testing.assert_array_equal(normalize(frame), [[0.0, 0.0]])


@pytest.mark.parametrize("transform", [deltas, cmn, cmvn])
@pytest.mark.parametrize("frames", [np.zeros(4), np.zeros((0, 3)), np.zeros((2, 2, 2))])
def test_what_are_no_frames_is_refused(transform, frames):
    with pytest.raises(FrameError, match=r"frames have shape \(.*\); expected \(n_frames, n_feat"):
        transform(frames)


@pytest.mark.parametrize("transform", [deltas, cmn, cmvn])
def test_frames_are_not_changed(transform):
    frames = random_frames(2, 9)
    before = frames.copy()
    transform(frames)
    np.testing.assert_array_equal(frames, before)
