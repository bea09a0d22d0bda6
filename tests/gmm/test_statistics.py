"""Statistics are a monoid, and they are what the loops of the textbook give."""

from __future__ import annotations

import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_oracle import as_floats, draw_frames, random_gmm, slow_statistics

from speakergmm import DiagonalGMM, Statistics, accumulate
from speakergmm.errors import FrameError, ModelError
from speakergmm.gmm.statistics import accumulate_centered, statistics_center

# However little there is to do, the compiled kernel does it, or the plain products do.
COMPILED = st.sampled_from([0, 1 << 60]).map(
    lambda cells: mock.patch("speakergmm.gmm.statistics.COMPILED_CELLS", cells)
)
LAW = settings(derandomize=True, deadline=None, max_examples=50)

# Sums in another order, relative to the sum of the terms' sizes.
ROUNDING = {np.float64: 1e-12, np.float32: 1e-5}

# Of float32 against float64, in units of frames, standard deviations, variances, and a frame.
FAST = 1e-4


def assert_same(left, right, tolerance, frames):
    """Compare statistics; tolerances are relative to sums of the frames' sizes."""
    size = np.abs(np.asarray(frames, dtype=np.float64)).max(axis=0, initial=1.0)
    n_frames = max(1, left.n_frames)
    assert left.n_frames == right.n_frames
    np.testing.assert_allclose(left.n, right.n, rtol=0, atol=tolerance * n_frames)
    for name, unit in (("f", size), ("s", size**2)):
        difference = np.abs(getattr(left, name) - getattr(right, name)) / unit
        assert difference.max() <= tolerance * n_frames, name
    limit = tolerance * (n_frames + abs(right.log_likelihood))
    assert left.log_likelihood == pytest.approx(right.log_likelihood, rel=0, abs=limit)


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
    st.integers(1, 4),
    st.lists(st.integers(0, 40), min_size=1, max_size=5),
    st.sampled_from([np.float64, np.float32]),
    COMPILED,
)
def test_statistics_of_parts_add_up_to_those_of_the_whole(seed, c, d, lengths, dtype, compiled):
    rng = np.random.default_rng(seed)
    gmm = random_gmm(rng, c, d)
    frames = draw_frames(gmm, sum(lengths), rng).astype(dtype)
    total = Statistics.zero(c, d)
    start = 0
    with compiled:
        for length in lengths:
            total = total + accumulate(gmm, frames[start : start + length])
            start += length
        assert_same(total, accumulate(gmm, frames), ROUNDING[dtype], frames)


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 4))
def test_sum_is_a_commutative_monoid(seed, c, d):
    rng = np.random.default_rng(seed)
    gmm = random_gmm(rng, c, d)
    one, two, three = (accumulate(gmm, draw_frames(gmm, 10, rng)) for _ in range(3))
    zero = Statistics.zero(c, d)
    for name in ("n", "f", "s", "log_likelihood", "n_frames"):
        value = getattr(one, name)
        np.testing.assert_array_equal(getattr(one + zero, name), value)
        np.testing.assert_array_equal(getattr(zero + one, name), value)
        np.testing.assert_array_equal(getattr(one + two, name), getattr(two + one, name))
        np.testing.assert_allclose(
            getattr((one + two) + three, name), getattr(one + (two + three), name), rtol=1e-9
        )


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3), st.integers(1, 12))
def test_statistics_agree_with_the_loops_of_the_textbook(seed, c, d, n_frames):
    rng = np.random.default_rng(seed)
    gmm = random_gmm(rng, c, d)
    frames = draw_frames(gmm, n_frames, rng)
    n, f, s, log_likelihood = slow_statistics(gmm, frames)
    expected = Statistics(as_floats(n), as_floats(f), as_floats(s), log_likelihood, n_frames)
    assert_same(accumulate(gmm, frames), expected, 1e-12, frames)


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 20),
    st.integers(1, 20),
    st.sampled_from([0.0, 1e3, -1e5]),
    st.booleans(),
    COMPILED,
)
def test_float32_agrees_with_float64(seed, c, d, offset, with_far_frames, compiled):
    rng = np.random.default_rng(seed)
    gmm = random_gmm(rng, c, d, offset=offset)
    frames = draw_frames(gmm, 60, rng).astype(np.float32)
    if with_far_frames:
        frames[7], frames[30] = offset + 500, offset - 200
    center = statistics_center(gmm)
    with compiled:
        fast, whole = accumulate_centered(gmm, frames), accumulate(gmm, frames)
    exact = accumulate_centered(gmm, frames.astype(np.float64))
    assert_same(fast, exact, FAST, frames - center)
    # Uncentered statistics are the same numbers about another point.
    assert_same(whole, accumulate(gmm, frames.astype(np.float64)), FAST, frames)


def test_all_frames_far_out_in_a_float32_block():
    rng = np.random.default_rng(8)
    gmm = random_gmm(rng, 3, 2)
    frames = np.float32(1e12) * (1 + rng.random((20, 2), dtype=np.float32))
    exact = accumulate(gmm, frames.astype(np.float64))
    fast = accumulate(gmm, frames)
    np.testing.assert_allclose(fast.f, exact.f, rtol=1e-12)
    np.testing.assert_allclose(fast.s, exact.s, rtol=1e-12)
    assert fast.log_likelihood == pytest.approx(exact.log_likelihood, rel=1e-12)


def test_counts_sum_to_the_number_of_frames_and_moments_to_those_of_the_frames():
    rng = np.random.default_rng(9)
    gmm = random_gmm(rng, 7, 3, offset=4.0)
    frames = draw_frames(gmm, 5_000, rng)
    statistics = accumulate(gmm, frames)
    assert statistics.n.sum() == pytest.approx(5_000, rel=1e-12)
    np.testing.assert_allclose(statistics.f.sum(axis=0), frames.sum(axis=0), rtol=1e-10)
    np.testing.assert_allclose(statistics.s.sum(axis=0), (frames**2).sum(axis=0), rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_log_likelihood_is_the_sum_over_frames(dtype):
    rng = np.random.default_rng(10)
    gmm = random_gmm(rng, 4, 3)
    frames = draw_frames(gmm, 5_000, rng).astype(dtype)
    statistics = accumulate(gmm, frames)
    each = gmm.log_likelihoods(frames)
    assert statistics.log_likelihood == pytest.approx(each.sum(), rel=1e-9)
    assert statistics.mean_log_likelihood == pytest.approx(each.mean(), rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_no_frames_give_the_neutral_element(dtype):
    gmm = random_gmm(np.random.default_rng(11), 4, 3, offset=100.0)
    statistics = accumulate(gmm, np.empty((0, 3), dtype))
    zero = Statistics.zero(4, 3)
    for name in ("n", "f", "s", "log_likelihood", "n_frames"):
        np.testing.assert_array_equal(getattr(statistics, name), getattr(zero, name))
    assert math.isnan(zero.mean_log_likelihood)


def test_by_hand():
    # One Gaussian is responsible for everything: counts and plain sums.
    gmm = DiagonalGMM([1.0], [[1.0, 2.0]], [[1.0, 4.0]])
    statistics = accumulate(gmm, [[1.0, 2.0], [3.0, -2.0]])
    np.testing.assert_allclose(statistics.n, [2.0], rtol=1e-15)
    np.testing.assert_allclose(statistics.f, [[4.0, 0.0]], atol=1e-14)
    np.testing.assert_allclose(statistics.s, [[10.0, 8.0]], rtol=1e-14)
    # Each: -log 2π - ½ log 4; the second besides -½ (2² + 4²/4).
    expected = -2 * (math.log(2 * math.pi) + math.log(2)) - 4.0
    assert statistics.log_likelihood == pytest.approx(expected, rel=1e-14)
    assert statistics.n_frames == 2


@LAW
@given(st.integers(0, 2**32 - 1), st.floats(-50, 50))
def test_shifted_statistics_are_those_of_shifted_frames(seed, offset):
    rng = np.random.default_rng(seed)
    gmm = random_gmm(rng, 3, 2)
    frames = draw_frames(gmm, 30, rng)
    moved = DiagonalGMM(gmm.weights, gmm.means + offset, gmm.variances)
    shifted = accumulate(gmm, frames).shifted(np.full(2, offset))
    # Moving the frames rounds them, and with them every term.
    assert_same(shifted, accumulate(moved, frames + offset), 1e-10, frames + offset)


def test_a_frame_beyond_all_densities_leaves_the_statistics_finite():
    gmm = DiagonalGMM([0.5, 0.5], np.zeros((2, 2)), np.ones((2, 2)))
    statistics = accumulate(gmm, [[0.0, 1.0], [1e200, 0.0]])
    assert np.isfinite(statistics.n).all()
    assert np.isfinite(statistics.f).all()
    assert not np.isnan(statistics.s).any()
    assert statistics.log_likelihood == -np.inf


def test_statistics_of_different_models_do_not_add():
    with pytest.raises(ModelError, match=r"\(C, D\) = \(2, 3\) and \(3, 2\) do not add"):
        Statistics.zero(2, 3) + Statistics.zero(3, 2)


def test_a_number_does_not_add():
    with pytest.raises(TypeError, match="unsupported operand"):
        Statistics.zero(2, 3) + 0


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros(2), r"shape \(2,\)"),
        (np.zeros((3, 3)), r"shape \(3, 3\); the model expects \(n_frames, 2\)"),
        (np.array([[0.0, np.nan]]), "frame 0, feature 1 is nan"),
    ],
)
def test_frames_that_do_not_fit_are_refused(frames, message):
    gmm = DiagonalGMM([1.0], [[0.0, 0.0]], [[1.0, 1.0]])
    with pytest.raises(FrameError, match=message):
        accumulate(gmm, frames)
