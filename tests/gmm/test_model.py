"""The mixture: what it refuses, and that its densities are those of the textbook."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from slow_oracle import draw_frames, random_gmm

from speakergmm import DiagonalGMM
from speakergmm.errors import FrameError, ModelError

LAW = settings(derandomize=True, deadline=None, max_examples=50)

# Of sums of a few dozen float64 terms.
ROUNDING = 1e-12


def standard(n_components=2, n_features=3):
    shape = (n_components, n_features)
    return DiagonalGMM(np.full(n_components, 1 / n_components), np.zeros(shape), np.ones(shape))


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 4))
def test_responsibilities_are_a_distribution_in_both_precisions(seed, n_components, n_features):
    rng = np.random.default_rng(seed)
    gmm = random_gmm(rng, n_components, n_features)
    frames = draw_frames(gmm, 30, rng)
    for dtype in (np.float64, np.float32):
        posteriors = gmm.responsibilities(frames.astype(dtype))
        assert posteriors.dtype == np.float64
        assert posteriors.shape == (30, n_components)
        assert (posteriors >= 0).all()
        # Normalized in float64 whatever the frames are.
        np.testing.assert_allclose(posteriors.sum(axis=1), 1.0, rtol=0, atol=ROUNDING)


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 4))
def test_order_of_components_does_not_matter(seed, n_components, n_features):
    rng = np.random.default_rng(seed)
    gmm = random_gmm(rng, n_components, n_features)
    frames = draw_frames(gmm, 20, rng)
    order = rng.permutation(n_components)
    shuffled = DiagonalGMM(gmm.weights[order], gmm.means[order], gmm.variances[order])
    np.testing.assert_allclose(
        shuffled.log_likelihoods(frames), gmm.log_likelihoods(frames), rtol=ROUNDING, atol=ROUNDING
    )
    np.testing.assert_allclose(
        shuffled.responsibilities(frames),
        gmm.responsibilities(frames)[:, order],
        rtol=1e-9,
        atol=ROUNDING,
    )


def test_split_of_a_component_into_two_equal_ones_changes_no_likelihood():
    rng = np.random.default_rng(5)
    gmm = random_gmm(rng, 3, 4)
    frames = draw_frames(gmm, 50, rng)
    doubled = DiagonalGMM(
        np.repeat(gmm.weights / 2, 2),
        np.repeat(gmm.means, 2, axis=0),
        np.repeat(gmm.variances, 2, axis=0),
    )
    np.testing.assert_allclose(
        doubled.log_likelihoods(frames), gmm.log_likelihoods(frames), rtol=ROUNDING
    )


def test_likelihood_of_a_standard_gaussian_by_hand():
    gmm = standard(1, 2)
    expected = [-math.log(2 * math.pi), -math.log(2 * math.pi) - 0.5 * (9 + 16)]
    np.testing.assert_allclose(gmm.log_likelihoods([[0, 0], [3, 4]]), expected, rtol=ROUNDING)


def test_responsibilities_of_two_gaussians_by_hand():
    # At x the odds of N(1, 1) against N(-1, 1) are exp(2x).
    gmm = DiagonalGMM([0.5, 0.5], [[-1.0], [1.0]], [[1.0], [1.0]])
    posteriors = gmm.responsibilities([[0.0], [0.5 * math.log(3)]])
    np.testing.assert_allclose(posteriors, [[0.5, 0.5], [0.25, 0.75]], rtol=ROUNDING)


def test_density_integrates_to_one():
    gmm = DiagonalGMM([0.3, 0.0, 0.7], [[-2.0], [0.0], [1.0]], [[0.5], [1.0], [2.0]])
    grid = np.linspace(-20, 20, 20_001)
    # The trapezoidal rule is exact to rounding on a smooth density that has died out at both ends.
    integral = trapezoid(np.exp(gmm.log_likelihoods(grid[:, None])), grid)
    assert integral == pytest.approx(1.0, abs=1e-10)


def test_mean_and_variance_are_those_of_the_whole_mixture():
    gmm = DiagonalGMM([0.25, 0.75], [[0.0], [4.0]], [[1.0], [2.0]])
    assert gmm.mean == pytest.approx([3.0])
    # 0.25 · 1 + 0.75 · 2 within, 0.25 · 9 + 0.75 · 1 between.
    assert gmm.variance == pytest.approx([4.75])


def test_component_of_weight_zero_is_not_there():
    with_unused = DiagonalGMM([0.4, 0.0, 0.6], [[0.0], [9.0], [3.0]], np.ones((3, 1)))
    without = DiagonalGMM([0.4, 0.6], [[0.0], [3.0]], np.ones((2, 1)))
    frames = np.linspace(-5, 15, 41)[:, None]
    for dtype in (np.float64, np.float32):
        np.testing.assert_array_equal(
            with_unused.responsibilities(frames.astype(dtype))[:, 1], np.zeros(41)
        )
    np.testing.assert_allclose(
        with_unused.log_likelihoods(frames), without.log_likelihoods(frames), rtol=ROUNDING
    )


def test_parameters_are_copies_that_cannot_be_written():
    weights, means = np.array([1.0]), np.zeros((1, 2), dtype=np.float32)
    gmm = DiagonalGMM(weights, means, np.ones((1, 2)))
    means[:] = 7
    np.testing.assert_array_equal(gmm.means, [[0.0, 0.0]])
    assert gmm.means.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        gmm.means[0, 0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        gmm.means = means


def test_sizes():
    gmm = standard(5, 3)
    assert (gmm.n_components, gmm.n_features) == (5, 3)


def test_lists_and_integers_are_taken_as_float64():
    gmm = standard(2, 2)
    np.testing.assert_array_equal(
        gmm.log_likelihoods([[1, 2]]), gmm.log_likelihoods(np.array([[1.0, 2.0]]))
    )


def test_no_frames_have_no_likelihoods():
    gmm = standard(2, 3)
    for dtype in (np.float64, np.float32):
        assert gmm.log_likelihoods(np.empty((0, 3), dtype)).shape == (0,)
        assert gmm.responsibilities(np.empty((0, 3), dtype)).shape == (0, 2)


def test_finite_frames_whose_sum_overflows_are_accepted():
    gmm = standard(1, 2)
    frames = np.full((4, 2), 3e38, dtype=np.float32)
    assert np.isfinite(gmm.log_likelihoods(frames)).all()


@pytest.mark.parametrize(
    ("weights", "means", "variances", "message"),
    [
        ([], np.empty((0, 2)), np.empty((0, 2)), r"means have shape \(0, 2\); expected C ≥ 1"),
        ([1.0], np.empty((1, 0)), np.empty((1, 0)), r"means have shape \(1, 0\); expected C ≥ 1"),
        ([1.0], [0.0], [1.0], r"shapes \(\(1,\), \(1,\), \(1,\)\); expected \(C,\), \(C, D\)"),
        ([1.0], [[0.0]], [[1.0, 1.0]], r"shapes .* expected \(C,\), \(C, D\), \(C, D\)"),
        ([0.5, 0.5], [[0.0]], [[1.0]], r"shapes \(\(2,\), \(1, 1\), \(1, 1\)\)"),
        ([1.0], [[np.nan]], [[1.0]], "means hold NaN or infinity"),
        ([1.0], [[0.0]], [[np.inf]], "variances hold NaN or infinity"),
        ([np.nan], [[0.0]], [[1.0]], "weights hold NaN or infinity"),
        ([1.0], [[0.0]], [[0.0]], "the smallest variance is 0; expected above 0"),
        ([1.0], [[0.0]], [[-2.0]], "the smallest variance is -2; expected above 0"),
        ([0.7, 0.7], np.zeros((2, 1)), np.ones((2, 1)), "weights sum to 1.4"),
        ([1.5, -0.5], np.zeros((2, 1)), np.ones((2, 1)), "the smallest is -0.5"),
    ],
)
def test_what_is_no_mixture_is_refused(weights, means, variances, message):
    with pytest.raises(ModelError, match=message):
        DiagonalGMM(weights, means, variances)


@pytest.mark.parametrize("method", ["log_likelihoods", "responsibilities"])
@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros(3), r"shape \(3,\); the model expects \(n_frames, 3\)"),
        (np.zeros((4, 2)), r"shape \(4, 2\); the model expects \(n_frames, 3\)"),
        (np.zeros((1, 4, 3)), r"shape \(1, 4, 3\); the model expects"),
        (np.float32([[0, 0, 0], [0, np.nan, 0]]), "frame 1, feature 1 is nan; .*1 are not"),
        (np.array([[0, 0, -np.inf]]), "frame 0, feature 2 is -inf; expected finite"),
        (np.array([[np.inf, -np.inf, 0]]), "frame 0, feature 0 is inf; .*2 are not"),
    ],
)
def test_frames_that_do_not_fit_are_refused(method, frames, message):
    with pytest.raises(FrameError, match=message):
        getattr(standard(2, 3), method)(frames)
