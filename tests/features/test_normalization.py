"""Normalization of cepstra: its laws, and a brute-force look at its windows, ranks and filter."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from speakergmm.errors import ConfigError, FrameError
from speakergmm.features import (
    cmn,
    cmvn,
    moving_normalization,
    rasta,
    relative_level,
    sliding_cmvn,
    warp,
)

LAW = settings(derandomize=True, deadline=None, max_examples=60)
DTYPES = st.sampled_from([np.float64, np.float32])

# Of a few additions of numbers of size 1.
ROUNDING = {np.float64: 1e-12, np.float32: 1e-5}

IN_PLACE = {
    "level": functools.partial(relative_level, per_db=(1.0, 5.0)),
    "cmn": cmn,
    "cmvn": cmvn,
    "sliding_cmn": functools.partial(sliding_cmvn, window=7),
    "sliding_cmvn": functools.partial(sliding_cmvn, window=7, variance=True),
    "live": functools.partial(sliding_cmvn, window=7, center=False, min_window=3),
    "warp": functools.partial(warp, window=7),
}
ALL = IN_PLACE | {"rasta": rasta}
# Those that treat every feature alike; levels are some of them.
ALIKE = {name: normalize for name, normalize in ALL.items() if name != "level"}

# What is computed of whole numbers is none, and what other programs write need not be an array.
SAME_NUMBERS = {
    "whole": lambda frames: frames.astype(np.int16),
    "list": lambda frames: frames.tolist(),
    "half": lambda frames: frames.astype(np.float16),
    "big-endian": lambda frames: frames.astype(">f4"),
    "Fortran": np.asfortranarray,
}
each_kind = pytest.mark.parametrize("kind", SAME_NUMBERS.values(), ids=SAME_NUMBERS)

each_in_place = pytest.mark.parametrize("normalize", IN_PLACE.values(), ids=IN_PLACE)
each = pytest.mark.parametrize("normalize", ALL.values(), ids=ALL)
each_alike = pytest.mark.parametrize("normalize", ALIKE.values(), ids=ALIKE)


def random_frames(seed, n_frames, n_features=3, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_frames, n_features)).astype(dtype)


@each
@each_kind
def test_numbers_of_any_kind_are_normalized_as_floats(normalize, kind):
    frames = np.round(random_frames(0, 12) * 10)
    normalized = normalize(kind(frames))
    assert normalized.dtype == np.float64
    np.testing.assert_allclose(normalized, normalize(frames), atol=1e-12)


@each
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_frames_that_are_not_finite_are_refused(normalize, value):
    frames = random_frames(0, 12)
    frames[5, 1] = value
    with pytest.raises(FrameError, match=f"frame 5, feature 1 is {value}; expected finite"):
        normalize(frames)


# --- over the whole utterance --------------------------------------------------------------------


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
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.floats(-1e3, 1e3),
    st.lists(st.floats(0.5, 20), max_size=3),
    DTYPES,
)
def test_levels_have_a_mean_power_of_one_and_the_rest_stays(seed, n_frames, offset, per_db, dtype):
    frames = (10 * random_frames(seed, n_frames) + offset).astype(dtype)
    relative = relative_level(frames, per_db=per_db)
    assert relative.dtype == dtype
    k = len(per_db)
    np.testing.assert_array_equal(relative[:, k:], frames[:, k:])
    slack = ROUNDING[dtype] * (10 + abs(offset))
    for d, scale in enumerate(per_db):
        power = np.mean(10 ** (relative[:, d].astype(float) / scale / 10))
        assert 10 * np.log10(power) == pytest.approx(0, abs=slack / scale)
    np.testing.assert_allclose(
        np.diff(relative.astype(float), axis=0), np.diff(frames.astype(float), axis=0), atol=slack
    )


def test_levels_by_hand():
    frames = np.array([[0.0, 7.0], [10.0, 8.0]])
    expected = [[-10 * np.log10(5.5), 7.0], [10 - 10 * np.log10(5.5), 8.0]]
    np.testing.assert_allclose(relative_level(frames), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        relative_level(2 * frames, per_db=[2.0]), 2 * np.array(expected), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("per_db", [1.0, [0.0], [-1.0], [np.nan], [np.inf], [[1.0]], [1.0] * 4])
def test_levels_of_no_sense_are_refused(per_db):
    with pytest.raises(ConfigError, match=r"per_db is .*; expected positive, finite .* of 3"):
        relative_level(random_frames(0, 5), per_db=per_db)


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


# --- over a window that slides -------------------------------------------------------------------


def kaldi_window(t, n_frames, window, center, min_window):
    """Frames [start, end) that frame t is normalized by: the rule of apply-cmvn-sliding."""
    if center:
        start = t - window // 2
        end = start + window
    else:
        start = t - window
        end = t + 1
    if start < 0:
        end -= start
        start = 0
    if not center and end > t:
        end = max(t + 1, min_window)
    if end > n_frames:
        start -= end - n_frames
        end = n_frames
        start = max(start, 0)
    return start, end


def slow_sliding_cmvn(frames, window, center, variance, min_window):
    result = np.empty(frames.shape)
    for t, frame in enumerate(frames.astype(float)):
        start, end = kaldi_window(t, len(frames), window, center, min_window)
        around = frames[start:end].astype(float)
        result[t] = frame - around.mean(axis=0)
        if variance:
            # Kaldi floors the variance at 1e-10.
            result[t] /= np.sqrt(np.maximum(around.var(axis=0), 1e-10))
    return result


WINDOWS = st.fixed_dictionaries(
    {
        "window": st.integers(1, 70),
        "center": st.booleans(),
        "variance": st.booleans(),
        "min_window": st.integers(1, 70),
    }
)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), WINDOWS, DTYPES)
def test_sliding_agrees_with_kaldis_rule(seed, n_frames, options, dtype):
    frames = (random_frames(seed, n_frames) * [1, 10, 0.1] + [0, 50, -3]).astype(dtype)
    normalized = sliding_cmvn(frames, **options)
    assert normalized.dtype == dtype
    slack = {np.float64: 1e-9, np.float32: 1e-5}[dtype]
    expected = slow_sliding_cmvn(frames, **options)
    np.testing.assert_allclose(normalized, expected, rtol=slack, atol=slack)


@pytest.mark.parametrize("variance", [False, True])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("n_frames", [1, 2, 29, 30, 31, 32, 59, 60, 61, 300])
@pytest.mark.parametrize("window", [30, 31])
def test_sliding_agrees_about_the_windows_length(n_frames, window, center, variance):
    frames = random_frames(n_frames, n_frames, 2)
    options = {"window": window, "center": center, "variance": variance, "min_window": 10}
    np.testing.assert_allclose(
        sliding_cmvn(frames, **options), slow_sliding_cmvn(frames, **options), rtol=0, atol=1e-9
    )


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.integers(0, 50))
def test_sliding_over_all_of_a_short_utterance_is_that_of_the_utterance(seed, n_frames, more):
    frames = random_frames(seed, n_frames)
    window = n_frames + more
    np.testing.assert_allclose(sliding_cmvn(frames, window=window), cmn(frames), atol=1e-12)
    np.testing.assert_allclose(
        sliding_cmvn(frames, window=window, variance=True), cmvn(frames), rtol=0, atol=1e-6
    )
    # What has not yet been heard is as if the first frames had been waited for.
    np.testing.assert_allclose(
        sliding_cmvn(frames, window=window, center=False, min_window=window),
        cmn(frames),
        atol=1e-12,
    )


def test_live_normalization_knows_nothing_of_the_future():
    frames = random_frames(1, 200)
    options = {"window": 50, "center": False, "min_window": 20, "variance": True}
    whole = sliding_cmvn(frames, **options)
    for heard in (20, 21, 70, 150):
        early = sliding_cmvn(frames[:heard], **options)
        np.testing.assert_allclose(early, whole[:heard], rtol=0, atol=1e-9)


def test_a_channel_that_changes_once_leaves_on_both_sides():
    frames = random_frames(2, 400)
    frames[200:] += 30.0
    normalized = sliding_cmvn(frames, window=100)
    for steady in (slice(0, 150), slice(250, 400)):
        assert np.abs(normalized[steady].mean(axis=0)).max() < 0.2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [5.1, -1e4, 632.4556, 0.0])
def test_a_constant_stretch_is_not_blown_up(value, dtype):
    # Speech of 20 dB, then a pause of so many equal frames, as top_db makes them.
    frames = (value + 20 * random_frames(3, 3000)).astype(dtype)
    frames[1000:2000] = value
    frames[:, 1] = value
    normalized = sliding_cmvn(frames, window=300, variance=True)
    assert np.abs(normalized).max() < np.sqrt(300)
    assert np.abs(normalized[1200:1800]).max() < 1e-2
    assert np.abs(normalized[:, 1]).max() < 1e-2


@pytest.mark.parametrize("name", ["window", "min_window"])
@pytest.mark.parametrize("value", [0, -1, 2.5])
def test_a_window_of_nothing_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"window is {value}; expected"):
        sliding_cmvn(np.zeros((3, 2)), **{name: value})


# --- ranks ---------------------------------------------------------------------------------------


def slow_warp(frames, window):
    result = np.empty(frames.shape)
    n = min(window, len(frames))
    for t in range(len(frames)):
        start = min(max(t - n // 2, 0), len(frames) - n)
        for d in range(frames.shape[1]):
            around = frames[start : start + n, d]
            below = sum(around < frames[t, d])
            equal = sum(around == frames[t, d])
            result[t, d] = ndtri((below + equal / 2) / n)
    return result


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 50), st.booleans(), DTYPES)
def test_warp_agrees_with_brute_force(seed, n_frames, window, ties, dtype):
    frames = random_frames(seed, n_frames, 2, dtype)
    if ties:
        frames = np.round(frames)
    warped = warp(frames, window=window)
    assert warped.dtype == dtype
    np.testing.assert_allclose(warped, slow_warp(frames, window), rtol=0, atol=ROUNDING[np.float32])


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 50))
def test_warp_sees_no_more_than_the_order(seed, n_frames, window):
    frames = np.random.default_rng(seed).integers(-20, 20, size=(n_frames, 3)).astype(float)
    warped = warp(frames, window=window)
    for increasing in (np.exp, np.cbrt, lambda x: 5 * x + 7, np.arctan):
        np.testing.assert_array_equal(warp(increasing(frames), window=window), warped)
    # Down is up the other way.
    np.testing.assert_allclose(warp(-frames, window=window), -warped, rtol=0, atol=1e-12)


def test_a_whole_utterance_becomes_normal():
    frames = np.exp(random_frames(3, 501))
    warped = warp(frames, window=501)
    expected = ndtri((np.arange(501) + 0.5) / 501)
    for d in range(3):
        np.testing.assert_allclose(np.sort(warped[:, d]), expected, atol=1e-12)
    np.testing.assert_allclose(warped.std(axis=0), 1, atol=0.01)


def test_warp_by_hand():
    frames = np.array([[3.0], [1.0], [1.0], [2.0]])
    # Ranks in {3, 1, 1}, {3, 1, 1}, {1, 1, 2} and {1, 1, 2}: the edges see the window moved inward.
    shares = [5 / 6, 2 / 6, 2 / 6, 5 / 6]
    np.testing.assert_allclose(warp(frames, window=3)[:, 0], ndtri(shares), atol=1e-15)


def test_equal_frames_are_warped_to_zero():
    np.testing.assert_allclose(warp(np.full((9, 2), 4.0), window=5), 0, atol=1e-15)


@pytest.mark.parametrize("value", [0, -1, 2.5])
def test_a_window_of_no_ranks_is_refused(value):
    with pytest.raises(ConfigError, match=f"window is {value}; expected"):
        warp(np.zeros((3, 2)), window=value)


# --- RASTA ---------------------------------------------------------------------------------------


def slow_rasta(frames, pole):
    result = np.zeros(frames.shape)
    for d in range(frames.shape[1]):
        y = 0.0
        for t in range(len(frames)):
            x = [float(frames[max(t - k, 0), d]) for k in range(5)]
            y = pole * y + 0.2 * x[0] + 0.1 * x[1] - 0.1 * x[3] - 0.2 * x[4]
            result[t, d] = y
    return result


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(0, 0.999), DTYPES)
def test_rasta_agrees_with_brute_force(seed, n_frames, pole, dtype):
    frames = random_frames(seed, n_frames, dtype=dtype)
    filtered = rasta(frames, pole=pole)
    assert filtered.dtype == dtype
    np.testing.assert_allclose(filtered, slow_rasta(frames, pole), rtol=0, atol=ROUNDING[dtype])


@LAW
@given(st.integers(1, 40), st.floats(-1e4, 1e4, width=32), DTYPES)
def test_rasta_of_a_constant_is_zero(n_frames, value, dtype):
    assert not rasta(np.full((n_frames, 2), value, dtype=dtype)).any()


def test_rasta_passes_the_rate_of_speech_alone():
    """At 100 frames a second: nothing at 0 Hz, about all at 4 Hz, next to nothing at 25 Hz."""
    t = np.arange(20_000) / 100

    def gain(hz):
        filtered = rasta(np.cos(2 * np.pi * hz * t)[:, None])
        return np.sqrt(2) * filtered[10_000:].std()

    assert gain(0.01) < 0.2 * gain(4)
    assert 0.5 < gain(4) < 2
    assert gain(25) < 0.2 * gain(4)
    # A step of the channel is forgotten.
    step = np.where(t < 50, 0.0, 10.0)[:, None]
    assert abs(rasta(step)[-1, 0]) < 1e-9


def test_rasta_is_linear_and_default_is_the_papers_pole():
    one, other = random_frames(1, 30), random_frames(2, 30)
    np.testing.assert_allclose(
        rasta(2 * one - other), 2 * rasta(one) - rasta(other), rtol=0, atol=1e-12
    )
    np.testing.assert_array_equal(rasta(one), rasta(one, pole=0.98))


@pytest.mark.parametrize("pole", [-0.1, 1.1, 1.0, np.nan])
def test_a_pole_that_is_none_is_refused(pole):
    with pytest.raises(ConfigError, match=f"RASTA pole is {pole:g}|RASTA pole is {pole}"):
        rasta(np.zeros((3, 2)), pole=pole)


# --- all of them ---------------------------------------------------------------------------------


@each_alike
def test_a_fixed_channel_leaves(normalize):
    frames = random_frames(5, 60)
    np.testing.assert_allclose(
        normalize(frames + np.array([3.0, -70.0, 0.5])), normalize(frames), rtol=0, atol=1e-9
    )


@each
def test_float32_is_float64_to_rounding(normalize):
    frames = random_frames(6, 200, dtype=np.float32)
    np.testing.assert_allclose(
        normalize(frames), normalize(frames.astype(np.float64)), rtol=0, atol=ROUNDING[np.float32]
    )


@each_alike
def test_each_feature_is_normalized_by_itself(normalize):
    frames = random_frames(7, 50, 4, np.float32)
    alone = np.hstack([normalize(frames[:, d : d + 1]) for d in range(4)])
    np.testing.assert_array_equal(normalize(frames), alone)


@each_in_place
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_frames", [1, 4, 7, 60])
def test_writing_over_the_frames_gives_the_same(normalize, n_frames, dtype):
    frames = random_frames(8, n_frames, dtype=dtype)
    before = frames.copy()
    normalized = normalize(frames)
    assert normalized is not frames
    np.testing.assert_array_equal(frames, before)
    elsewhere = np.empty_like(frames)
    assert normalize(frames, out=elsewhere) is elsewhere
    np.testing.assert_array_equal(elsewhere, normalized)
    np.testing.assert_array_equal(frames, before)
    assert normalize(frames, out=frames) is frames
    np.testing.assert_array_equal(frames, normalized)


def test_rasta_does_not_change_the_frames():
    frames = random_frames(8, 9)
    before = frames.copy()
    rasta(frames)
    np.testing.assert_array_equal(frames, before)


@each
@pytest.mark.parametrize("frames", [np.zeros(4), np.zeros((0, 3)), np.zeros((2, 2, 2))])
def test_what_are_no_frames_is_refused(normalize, frames):
    with pytest.raises(FrameError, match=r"frames have shape \(.*\); expected \(n_frames, n_feat"):
        normalize(frames)


@pytest.mark.parametrize("cells", [1, 64, 400])
@each
def test_how_much_is_done_at_a_time_does_not_matter(normalize, cells, monkeypatch):
    frames = random_frames(9, 130, 5, np.float32)
    expected = normalize(frames)
    monkeypatch.setattr(moving_normalization, "CELLS_AT_ONCE", cells)
    np.testing.assert_array_equal(normalize(frames), expected)
    if normalize is not rasta:
        np.testing.assert_array_equal(normalize(frames, out=frames), expected)


@each_alike
def test_a_long_recording_is_normalized_as_its_features_alone(normalize):
    # More cells than are worked on at a time, in groups of 15 features and one.
    n_frames = moving_normalization.CELLS_AT_ONCE // 15 - 1
    frames = random_frames(10, n_frames, 16, np.float32)
    normalized = normalize(frames)
    for d in (0, 14, 15):
        np.testing.assert_array_equal(normalized[:, d : d + 1], normalize(frames[:, d : d + 1]))
