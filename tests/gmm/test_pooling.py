"""Pooled mixtures: their density is the weighted mean of the densities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from speakergmm import DiagonalGMM, accumulate
from speakergmm.errors import ModelError
from speakergmm.gmm import pool_mixtures

LAW = settings(derandomize=True, deadline=None, max_examples=100)

# Log densities of some tens of nats, added in another order.
ROUNDING = 1e-11


def mixture(rng, n_components, n_features=3):
    shape = (n_components, n_features)
    return DiagonalGMM(
        rng.dirichlet(np.ones(n_components)),
        2 * rng.normal(size=shape),
        rng.uniform(0.2, 3.0, size=shape),
    )


@LAW
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_density_is_the_weighted_mean_of_the_densities(seed, sizes):
    rng = np.random.default_rng(seed)
    mixtures = [mixture(rng, size) for size in sizes]
    shares = rng.dirichlet(np.ones(len(sizes)))
    pooled = pool_mixtures(mixtures, shares.tolist())
    frames = 3 * rng.normal(size=(20, 3))
    logs = np.stack([m.log_likelihoods(frames) for m in mixtures])  # (M, T)
    expected = logsumexp(logs, axis=0, b=shares[:, None])
    np.testing.assert_allclose(pooled.log_likelihoods(frames), expected, rtol=0, atol=ROUNDING)


@LAW
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_components_stand_in_the_order_of_the_mixtures(seed, sizes):
    rng = np.random.default_rng(seed)
    mixtures = [mixture(rng, size) for size in sizes]
    shares = rng.dirichlet(np.ones(len(sizes)))
    pooled = pool_mixtures(mixtures, shares.tolist())
    assert pooled.n_components == sum(sizes)
    assert pooled.weights.sum() == pytest.approx(1.0, abs=1e-12)
    ends = np.cumsum(sizes)
    for own, share, first, stop in zip(mixtures, shares, ends - sizes, ends, strict=True):
        np.testing.assert_array_equal(pooled.means[first:stop], own.means)
        np.testing.assert_array_equal(pooled.variances[first:stop], own.variances)
        np.testing.assert_allclose(pooled.weights[first:stop], share * own.weights, rtol=1e-15)


def test_mean_and_variance_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    mixtures, shares = [mixture(rng, 4), mixture(rng, 2)], [0.25, 0.75]
    pooled = pool_mixtures(mixtures, shares)
    mean = sum(s * m.mean for s, m in zip(shares, mixtures, strict=True))
    squares = sum(s * (m.variance + m.mean**2) for s, m in zip(shares, mixtures, strict=True))
    np.testing.assert_allclose(pooled.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(pooled.variance, squares - mean**2, rtol=1e-12)


def test_a_mixture_pooled_with_itself_is_the_same_density():
    rng = np.random.default_rng(1)
    own = mixture(rng, 4)
    pooled = pool_mixtures([own, own], [0.3, 0.7])
    frames = rng.normal(size=(50, 3))
    np.testing.assert_allclose(
        pooled.log_likelihoods(frames), own.log_likelihoods(frames), rtol=0, atol=ROUNDING
    )


def test_one_mixture_stays_what_it_is():
    own = mixture(np.random.default_rng(2), 3)
    pooled = pool_mixtures([own], [1.0])
    for name in ("weights", "means", "variances"):
        np.testing.assert_array_equal(getattr(pooled, name), getattr(own, name))


def test_frames_of_far_parts_go_to_their_own():
    rng = np.random.default_rng(3)
    near, far = mixture(rng, 2), mixture(rng, 3)
    far = DiagonalGMM(far.weights, far.means + 1e3, far.variances)
    pooled = pool_mixtures([near, far], [0.5, 0.5])
    n = accumulate(pooled, 1e3 + rng.normal(size=(10, 3))).n
    assert n[:2].sum() == 0.0
    assert n[2:].sum() == pytest.approx(10)


@pytest.mark.parametrize(
    ("n_mixtures", "shares", "message"),
    [
        (0, [], "there are 0 mixtures and 0 shares; expected one share for each, and at least one"),
        (2, [1.0], "there are 2 mixtures and 1 shares; expected one share for each"),
        (1, [0.5, 0.5], "there are 1 mixtures and 2 shares"),
        (2, [1.0, 0.0], r"shares are \[1.0, 0.0\]; expected numbers above 0 of sum 1"),
        (2, [1.5, -0.5], r"shares are \[1.5, -0.5\]; expected numbers above 0"),
        (2, [0.5, 0.4], r"shares are \[0.5, 0.4\]; expected numbers above 0 of sum 1"),
        (2, [0.5, float("nan")], r"shares are \[0.5, nan\]; expected numbers above 0 of sum 1"),
        (2, [0.5, float("inf")], r"shares are \[0.5, inf\]; expected numbers above 0 of sum 1"),
    ],
)
def test_shares_that_are_none(n_mixtures, shares, message):
    mixtures = [mixture(np.random.default_rng(i), 2) for i in range(n_mixtures)]
    with pytest.raises(ModelError, match=message):
        pool_mixtures(mixtures, shares)


def test_shares_of_rounded_thirds_are_shares():
    mixtures = [mixture(np.random.default_rng(i), 2) for i in range(3)]
    assert pool_mixtures(mixtures, [1 / 3] * 3).n_components == 6


def test_mixtures_of_other_features_are_refused():
    rng = np.random.default_rng(4)
    message = "mixtures have 3, 5 features; expected the same front end for all"
    with pytest.raises(ModelError, match=message):
        pool_mixtures([mixture(rng, 2, 5), mixture(rng, 2, 3), mixture(rng, 1, 5)], [1 / 3] * 3)
