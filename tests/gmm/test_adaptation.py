"""MAP adaptation: its limits, the printed equations in exact arithmetic, and what is refused."""

from __future__ import annotations

import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_oracle import draw_frames, random_gmm, slow_map, slow_statistics

from speakergmm import DiagonalGMM, Statistics, accumulate, map_adapt
from speakergmm.errors import ConfigError, ModelError
from speakergmm.gmm import Adapted
from speakergmm.gmm.adaptation import VARIANCE_FLOOR

LAW = settings(derandomize=True, deadline=None, max_examples=50)
PARAMETERS = typing.get_args(Adapted)

# Uncentered statistics of frames of size 10 and standard deviation 1 lose two or three digits.
ORACLE = 1e-10


def assert_same_model(left, right):
    np.testing.assert_array_equal(left.weights, right.weights)
    np.testing.assert_array_equal(left.means, right.means)
    np.testing.assert_array_equal(left.variances, right.variances)


def hand_statistics(n, f, s):
    n = np.array(n, dtype=float)
    return Statistics(n, np.array(f, dtype=float), np.array(s, dtype=float), 0.0, round(n.sum()))


@pytest.mark.parametrize("relevance_factor", [0, 1e-9, 16.0, 1e300])
@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_speaker_without_frames_is_the_ubm(relevance_factor, parameters, dtype):
    ubm = random_gmm(np.random.default_rng(1), 5, 3, offset=7.0)
    statistics = accumulate(ubm, np.empty((0, 3), dtype))
    speaker = map_adapt(ubm, statistics, relevance_factor=relevance_factor, parameters=parameters)
    assert_same_model(speaker, ubm)


@pytest.mark.parametrize("relevance_factor", [0, 16.0])
@pytest.mark.parametrize("parameters", PARAMETERS)
def test_a_component_without_frames_keeps_its_gaussian(relevance_factor, parameters):
    ubm = DiagonalGMM([0.5, 0.5], [[0.0, 0.1], [0.0, 0.7]], [[1.0, 0.3], [2.0, 0.9]])
    statistics = hand_statistics([40, 0], [[40, 8], [0, 0]], [[50, 30], [0, 0]])
    speaker = map_adapt(ubm, statistics, relevance_factor=relevance_factor, parameters=parameters)
    np.testing.assert_array_equal(speaker.means[1], ubm.means[1])
    np.testing.assert_array_equal(speaker.variances[1], ubm.variances[1])
    assert (speaker.means[0] != ubm.means[0]).all()


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.5, 16.0, 1000.0]),
    st.sampled_from(PARAMETERS),
)
def test_agrees_with_the_equations_as_they_are_printed(seed, c, d, relevance_factor, parameters):
    rng = np.random.default_rng(seed)
    ubm = random_gmm(rng, c, d, offset=5.0)
    frames = draw_frames(ubm, 40, rng) + rng.normal(size=d)
    n, f, s, _ = slow_statistics(ubm, frames)
    # The printed variance has no floor, so neither may the package's have raised any.
    expected = slow_map(
        ubm, n, f, s, len(frames), relevance_factor=relevance_factor, parameters=parameters
    )
    if (expected.variances < 2 * VARIANCE_FLOOR * ubm.variance).any() or min(n) < 1e-6:
        return
    speaker = map_adapt(
        ubm,
        accumulate(ubm, frames),
        relevance_factor=relevance_factor,
        parameters=parameters,
    )
    np.testing.assert_allclose(speaker.weights, expected.weights, rtol=ORACLE)
    np.testing.assert_allclose(speaker.means, expected.means, rtol=ORACLE, atol=ORACLE)
    # eq. 13 is a difference of squares; with few frames in a component the statistics decide.
    np.testing.assert_allclose(speaker.variances, expected.variances, rtol=1e-6)


def test_half_way_by_hand():
    # 16 frames of the value 2, relevance 16: α = ½. Mean ½ · 2; variance ½ · 4 + ½ · 1 - 1².
    ubm = DiagonalGMM([1.0], [[0.0]], [[1.0]])
    statistics = accumulate(ubm, np.full((16, 1), 2.0))
    means_only = map_adapt(ubm, statistics, relevance_factor=16.0)
    np.testing.assert_allclose(means_only.means, [[1.0]], rtol=1e-14)
    np.testing.assert_array_equal(means_only.variances, ubm.variances)
    both = map_adapt(ubm, statistics, relevance_factor=16.0, parameters="means+variances")
    np.testing.assert_allclose(both.means, [[1.0]], rtol=1e-14)
    np.testing.assert_allclose(both.variances, [[1.5]], rtol=1e-14)


def test_weights_by_hand():
    # 30 frames in one component, 10 in the other, relevance 10: α = ¾ and ½.
    ubm = DiagonalGMM([0.5, 0.5], [[0.0], [9.0]], [[1.0], [1.0]])
    statistics = hand_statistics([30, 10], [[30], [90]], [[60], [820]])
    speaker = map_adapt(ubm, statistics, relevance_factor=10.0, parameters="means+weights")
    first, second = 0.75 * 0.75 + 0.25 * 0.5, 0.5 * 0.25 + 0.5 * 0.5
    np.testing.assert_allclose(speaker.weights, np.array([first, second]) / (first + second))
    np.testing.assert_allclose(speaker.means, [[0.75], [9.0]])
    np.testing.assert_array_equal(speaker.variances, ubm.variances)


def test_default_is_the_means_with_relevance_16():
    ubm = random_gmm(np.random.default_rng(2), 3, 2)
    statistics = accumulate(ubm, draw_frames(ubm, 50, np.random.default_rng(3)) + 1.0)
    assert_same_model(
        map_adapt(ubm, statistics),
        map_adapt(ubm, statistics, relevance_factor=16.0, parameters="means"),
    )


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 3))
def test_without_relevance_it_is_maximum_likelihood(seed, c, d):
    rng = np.random.default_rng(seed)
    ubm = random_gmm(rng, c, d)
    statistics = accumulate(ubm, draw_frames(ubm, 200, rng))
    speaker = map_adapt(ubm, statistics, relevance_factor=0, parameters="all")
    # A component of no frames to speak of has no maximum-likelihood estimate to compare with.
    seen = statistics.n > 1e-3
    n = statistics.n[seen, None]
    np.testing.assert_allclose(speaker.weights, statistics.n / 200, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(speaker.means[seen], statistics.f[seen] / n, rtol=1e-9, atol=1e-12)
    within = statistics.s[seen] / n - np.square(statistics.f[seen] / n)
    floor = np.minimum(VARIANCE_FLOOR * ubm.variance, ubm.variances[seen])
    np.testing.assert_allclose(
        speaker.variances[seen], np.maximum(within, floor), rtol=1e-7, atol=1e-9
    )


@LAW
@given(st.integers(0, 2**32 - 1), st.sampled_from(PARAMETERS))
def test_with_boundless_relevance_it_is_the_ubm(seed, parameters):
    rng = np.random.default_rng(seed)
    ubm = random_gmm(rng, 4, 3)
    statistics = accumulate(ubm, draw_frames(ubm, 100, rng) + 1.0)
    speaker = map_adapt(ubm, statistics, relevance_factor=1e300, parameters=parameters)
    for name in ("weights", "means", "variances"):
        np.testing.assert_allclose(getattr(speaker, name), getattr(ubm, name), rtol=1e-14, atol=0)


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(0, 100))
def test_a_mean_lies_between_the_ubm_and_the_speaker(seed, c, relevance_factor):
    rng = np.random.default_rng(seed)
    ubm = random_gmm(rng, c, 2)
    statistics = accumulate(ubm, draw_frames(ubm, 60, rng) + 3.0)
    speaker = map_adapt(ubm, statistics, relevance_factor=relevance_factor)
    own = statistics.f / statistics.n[:, None]
    slack = 1e-9 * (1 + np.abs(own))
    assert (speaker.means >= np.minimum(own, ubm.means) - slack).all()
    assert (speaker.means <= np.maximum(own, ubm.means) + slack).all()


@LAW
@given(st.integers(0, 2**32 - 1), st.floats(0, 50), st.sampled_from(["means+weights", "all"]))
def test_adapted_weights_are_a_distribution(seed, relevance_factor, parameters):
    rng = np.random.default_rng(seed)
    ubm = random_gmm(rng, 6, 2)
    statistics = accumulate(ubm, draw_frames(ubm, 30, rng) + 2.0)
    speaker = map_adapt(ubm, statistics, relevance_factor=relevance_factor, parameters=parameters)
    assert speaker.weights.sum() == pytest.approx(1.0, abs=1e-14)
    assert (speaker.weights >= 0).all()


@pytest.mark.parametrize("parameters", ["means+variances", "all"])
def test_variances_of_a_frame_that_repeats_stop_at_the_floor(parameters):
    ubm = DiagonalGMM([0.5, 0.5], [[0.0], [2.0]], [[1.0], [1e-9]])
    statistics = hand_statistics([50, 50], [[0], [100]], [[0], [200]])
    speaker = map_adapt(ubm, statistics, relevance_factor=0, parameters=parameters)
    # The whole of the UBM has variance ½ · (1 + 0) + 1.
    assert speaker.variances[0, 0] == pytest.approx(VARIANCE_FLOOR * 1.5)
    # Where the UBM's own variance is below the floor, adaptation does not raise it to the floor.
    assert speaker.variances[1, 0] == pytest.approx(1e-9)


@LAW
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e3, 1e6]))
def test_variances_stay_positive_when_the_frames_are_far_from_zero(seed, offset):
    rng = np.random.default_rng(seed)
    ubm = random_gmm(rng, 3, 2, offset=offset)
    frames = draw_frames(ubm, 20, rng).astype(np.float32)
    speaker = map_adapt(
        ubm, accumulate(ubm, frames), relevance_factor=0, parameters="means+variances"
    )
    floor = np.minimum(VARIANCE_FLOOR * ubm.variance, ubm.variances)
    assert (speaker.variances >= floor).all()


def test_recordings_of_a_speaker_add_up():
    rng = np.random.default_rng(4)
    ubm = random_gmm(rng, 4, 3)
    frames = draw_frames(ubm, 90, rng) + 0.5
    together = map_adapt(ubm, accumulate(ubm, frames), parameters="all")
    parts = accumulate(ubm, frames[:20]) + accumulate(ubm, frames[20:])
    apart = map_adapt(ubm, parts, parameters="all")
    for name in ("weights", "means", "variances"):
        np.testing.assert_allclose(getattr(apart, name), getattr(together, name), rtol=1e-10)


def test_float32_speech_gives_the_same_speaker():
    rng = np.random.default_rng(5)
    ubm = random_gmm(rng, 16, 20, offset=30.0)
    frames = (draw_frames(ubm, 1_000, rng) + 0.5).astype(np.float32)
    fast = map_adapt(ubm, accumulate(ubm, frames), parameters="all")
    exact = map_adapt(ubm, accumulate(ubm, frames.astype(np.float64)), parameters="all")
    np.testing.assert_allclose(fast.means, exact.means, rtol=1e-5)
    np.testing.assert_allclose(fast.variances, exact.variances, rtol=1e-3)
    np.testing.assert_allclose(fast.weights, exact.weights, rtol=1e-4)


@pytest.mark.parametrize("parameters", ["variances", "weights", "mean", "", None])
def test_unknown_parameters_are_refused(parameters):
    ubm = DiagonalGMM([1.0], [[0.0]], [[1.0]])
    message = rf"parameters is {parameters!r}; expected one of 'means', 'means\+variances'"
    with pytest.raises(ConfigError, match=message):
        map_adapt(ubm, Statistics.zero(1, 1), parameters=parameters)


@pytest.mark.parametrize("relevance_factor", [-1, -1e-9, np.nan, np.inf])
def test_relevance_factor_out_of_range_is_refused(relevance_factor):
    ubm = DiagonalGMM([1.0], [[0.0]], [[1.0]])
    with pytest.raises(ConfigError, match=r"relevance_factor is .*; expected 0 or more frames"):
        map_adapt(ubm, Statistics.zero(1, 1), relevance_factor=relevance_factor)


def test_statistics_of_another_model_are_refused():
    ubm = DiagonalGMM([1.0], [[0.0, 0.0]], [[1.0, 1.0]])
    message = r"statistics are of \(C, D\) = \(2, 2\), the UBM has \(1, 2\); expected"
    with pytest.raises(ModelError, match=message):
        map_adapt(ubm, Statistics.zero(2, 2))
