"""Log densities: float64 against scipy, float32 against float64, and memory that stays put."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import norm
from slow_oracle import draw_frames, random_gmm

from speakergmm import DiagonalGMM, accumulate
from speakergmm.gmm import densities
from speakergmm.gmm.densities import block_slices, exact_log_joint, exponentiate, log_joint

LAW = settings(derandomize=True, deadline=None, max_examples=60)

# The reference path: a few roundings of each of a few dozen terms.
REFERENCE = 1e-12

# float32 frames: the terms of the expanded square are some hundreds here, their last place 3e-5.
FAST = 1e-4

# Up to FAR_COMPONENT the expanded square has terms of 300 nats, whose last place is 3e-5.
FAST_AT_THE_LIMIT = 1e-4


def scipy_log_joint(gmm, frames):
    deviations = np.sqrt(gmm.variances)
    with np.errstate(divide="ignore"):
        log_weights = np.log(gmm.weights)
    logs = norm.logpdf(np.asarray(frames, dtype=np.float64)[:, None], gmm.means, deviations)
    return log_weights + logs.sum(axis=2)


def scipy_log_likelihoods(gmm, frames):
    return logsumexp(scipy_log_joint(gmm, frames), axis=1)


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 5))
def test_float64_agrees_with_scipy(seed, n_components, n_features):
    rng = np.random.default_rng(seed)
    shape = (n_components, n_features)
    weights = rng.dirichlet(np.ones(n_components))
    if n_components > 1:
        weights[0], weights[1] = 0.0, weights[0] + weights[1]
    gmm = DiagonalGMM(weights, 10 * rng.normal(size=shape), 10.0 ** rng.uniform(-6, 6, size=shape))
    frames = 20 * rng.normal(size=(30, n_features))
    frames[0], frames[1] = 1e150, -1e150
    frames[2, 0] = 1e100
    expected = scipy_log_joint(gmm, frames)
    np.testing.assert_allclose(exact_log_joint(gmm, frames), expected, rtol=REFERENCE, atol=1e-12)
    np.testing.assert_allclose(
        gmm.log_likelihoods(frames), logsumexp(expected, axis=1), rtol=REFERENCE, atol=1e-12
    )


def test_float64_keeps_its_digits_however_far_the_mean_is_from_zero():
    gmm = DiagonalGMM([0.5, 0.5], [[1e8], [1e8 + 1]], [[1.0], [1.0]])
    frames = 1e8 + np.linspace(-3, 4, 8)[:, None]
    np.testing.assert_allclose(
        gmm.log_likelihoods(frames), scipy_log_likelihoods(gmm, frames), rtol=REFERENCE
    )


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([0.0, 1.0, -1e3, 1e5]),
    st.sampled_from([1e-8, 1.0, 1e8]),
)
def test_float32_agrees_with_float64(seed, n_components, n_features, offset, scale):
    rng = np.random.default_rng(seed)
    gmm = random_gmm(rng, n_components, n_features, offset=offset * scale, scale=scale)
    frames = draw_frames(gmm, 50, rng).astype(np.float32)
    exact = gmm.log_likelihoods(frames.astype(np.float64))
    np.testing.assert_allclose(gmm.log_likelihoods(frames), exact, rtol=FAST, atol=FAST)
    np.testing.assert_allclose(
        gmm.responsibilities(frames),
        gmm.responsibilities(frames.astype(np.float64)),
        rtol=0,
        atol=FAST * n_features,
    )


@pytest.mark.parametrize("spread", [30, 100, 300, 1e3, 1e5, 1e9])
def test_float32_agrees_with_float64_where_components_are_far_apart(spread):
    rng = np.random.default_rng(3)
    gmm = random_gmm(rng, 8, 3, spread=spread)
    frames = draw_frames(gmm, 500, rng).astype(np.float32)
    exact = gmm.log_likelihoods(frames.astype(np.float64))
    difference = np.abs(gmm.log_likelihoods(frames) - exact)
    assert difference.max() < FAST_AT_THE_LIMIT
    assert difference.mean() < FAST_AT_THE_LIMIT / 10


def test_float32_frames_far_out_among_others_are_exact_and_leave_the_others_alone():
    rng = np.random.default_rng(4)
    gmm = random_gmm(rng, 8, 5)
    frames = draw_frames(gmm, 60, rng).astype(np.float32)
    near = gmm.log_likelihoods(frames)
    far = np.array([3e38, -3e38, 1e30, 1e20, 1e10, 1e6, 1e4, 1e3], dtype=np.float32)
    mixed = np.insert(frames, [0, 5, 5, 20, 30, 41, 59, 60], far[:, None], axis=0)
    is_far = (np.abs(mixed) >= 1e3).all(axis=1)
    result = gmm.log_likelihoods(mixed)
    np.testing.assert_allclose(result[~is_far], near, rtol=FAST)
    np.testing.assert_allclose(
        result[is_far], scipy_log_likelihoods(gmm, mixed[is_far]), rtol=REFERENCE
    )


@pytest.mark.parametrize(
    "gmm",
    [
        pytest.param(DiagonalGMM([1.0], [[1e40]], [[1e60]]), id="mean beyond float32"),
        pytest.param(DiagonalGMM([1.0], [[0.0]], [[1e-60]]), id="variance beyond float32"),
        pytest.param(DiagonalGMM([1.0], [[0.0]], [[1e-200]]), id="variance far beyond float32"),
        pytest.param(DiagonalGMM([1.0], [[0.0]], [[1e100]]), id="precision below float32"),
        pytest.param(DiagonalGMM([0.5, 0.5], [[0.0], [1e6]], [[1.0], [1.0]]), id="means far apart"),
        pytest.param(DiagonalGMM([0.0, 1.0], [[1e6], [0.0]], [[1.0], [1.0]]), id="unused one far"),
        pytest.param(
            DiagonalGMM([0.5, 0.5], [[-1e-8], [1e-8]], [[1e-30], [1e-30]]), id="tiny and far"
        ),
    ],
)
def test_models_that_float32_cannot_hold_are_computed_in_float64(gmm):
    frames = np.float32([[0.0], [1.0], [-2.5], [1e6], [1e30]])
    np.testing.assert_allclose(
        gmm.log_likelihoods(frames),
        scipy_log_likelihoods(gmm, frames),
        rtol=FAST,
        atol=FAST,
    )
    statistics = accumulate(gmm, frames)
    assert np.isfinite(statistics.s).all()
    assert statistics.n.sum() == pytest.approx(len(frames))


@pytest.mark.parametrize("offset", [0.0, 1e3, -1e6])
def test_a_large_mean_does_not_leave_the_fast_path(offset):
    gmm = random_gmm(np.random.default_rng(9), 4, 3, offset=offset)
    assert gmm.block_densities.is_accurate


def test_float32_frames_stay_float32_in_the_block():
    rng = np.random.default_rng(5)
    gmm = random_gmm(rng, 4, 3)
    frames = draw_frames(gmm, 10, rng)
    assert log_joint(gmm, frames.astype(np.float32)).dtype == np.float32
    assert log_joint(gmm, frames).dtype == np.float64


@LAW
@given(st.integers(0, 30_000), st.integers(1, 1 << 18))
def test_blocks_follow_each_other_and_are_bounded(n_frames, n_components):
    covered = 0
    for block in block_slices(n_frames, n_components):
        assert block.start == covered
        assert block.stop > block.start
        size = block.stop - block.start
        assert size <= 4096
        assert size <= 16 or size * n_components <= densities.BLOCK_CELLS
        covered = block.stop
        if n_components > 1 << 16:
            break
    else:
        assert covered == n_frames


def test_result_does_not_depend_on_the_cut_into_blocks():
    rng = np.random.default_rng(6)
    gmm = random_gmm(rng, 3, 2)
    frames = draw_frames(gmm, 9_000, rng)
    whole = gmm.log_likelihoods(frames)
    pieces = [gmm.log_likelihoods(frames[start : start + 7]) for start in range(0, 9_000, 7)]
    np.testing.assert_allclose(np.concatenate(pieces), whole, rtol=REFERENCE)


def test_exponentiate_is_the_log_of_the_sum_of_exponentials():
    joint = np.array([[0.0, 0.0], [-1e5, -1e5 + 1], [-np.inf, 3.0], [-np.inf, -np.inf]])
    log_sums, sums = exponentiate(joint.copy())
    expected = logsumexp(joint, axis=1)
    np.testing.assert_allclose(log_sums, expected, rtol=REFERENCE)
    np.testing.assert_allclose(sums[:3], [2.0, 1 + np.exp(-1), 1.0], rtol=REFERENCE)
    assert sums[3] == 0.0


def test_frame_beyond_all_densities_has_log_likelihood_minus_infinity_and_the_prior():
    # The square of 1e200 is no float64: the density is 0, and the prior is all that is known.
    gmm = DiagonalGMM([0.25, 0.75], [[0.0], [1.0]], [[1.0], [1.0]])
    assert gmm.log_likelihoods([[1e200]]) == [-np.inf]
    np.testing.assert_array_equal(gmm.responsibilities([[1e200]]), [[0.25, 0.75]])


@pytest.mark.parametrize("function", [accumulate, DiagonalGMM.log_likelihoods])
def test_memory_is_bounded_by_the_block(function):
    n_frames, n_components, n_features = 200_000, 256, 20
    rng = np.random.default_rng(7)
    gmm = random_gmm(rng, n_components, n_features)
    frames = rng.standard_normal((n_frames, n_features), dtype=np.float32)
    # What is compiled or computed once is no part of it.
    function(gmm, frames)
    tracemalloc.start()
    try:
        function(gmm, frames)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The T x C matrix alone would be 205 MB.
    assert peak < 0.15 * n_frames * n_components * 4
