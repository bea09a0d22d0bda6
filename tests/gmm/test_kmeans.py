"""The start of EM: clusters become components."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.gmm.kmeans import kmeans_start

LAW = settings(derandomize=True, deadline=None, max_examples=25)


def start(sample, n_components, *, floor=1e-3, seed=0, iterations=20):
    exact = np.asarray(sample, dtype=np.float64)
    return kmeans_start(
        sample,
        n_components,
        mean=exact.mean(axis=0),
        variance=exact.var(axis=0),
        variance_floor=floor * exact.var(axis=0),
        max_iterations=iterations,
        rng=np.random.default_rng(seed),
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_clusters_far_apart_become_the_components(dtype):
    rng = np.random.default_rng(1)
    groups = [
        center + rng.normal(size=(size, 2)) for center, size in ((0, 50), (100, 30), (-90, 20))
    ]
    groups = [group.astype(dtype) for group in groups]
    sample = rng.permutation(np.concatenate(groups))
    gmm = start(sample, 3, floor=1e-9)
    order = np.argsort(-gmm.weights)
    tolerance = {np.float64: 1e-10, np.float32: 1e-4}[dtype]
    np.testing.assert_allclose(gmm.weights[order], [0.5, 0.3, 0.2], rtol=1e-12)
    means = [group.mean(axis=0, dtype=float) for group in groups]
    variances = [group.astype(float).var(axis=0) for group in groups]
    np.testing.assert_allclose(gmm.means[order], means, rtol=tolerance, atol=tolerance)
    # float32 holds the scaled frames to 6e-8 of 100 standard deviations of a cluster.
    np.testing.assert_allclose(gmm.variances[order], variances, rtol=max(tolerance, 1e-8) * 10)


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(-20, 20))
def test_units_of_the_features_do_not_matter(seed, n_components, exponent):
    sample = np.random.default_rng(seed).normal(size=(40, 3))
    # A power of two changes no digit of the frames in standard deviations.
    units = np.array([1.0, 2.0**exponent, 0.5])
    one, other = start(sample, n_components), start(sample * units, n_components)
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_allclose(other.means, one.means * units, rtol=1e-9, atol=1e-12 * units[1])
    np.testing.assert_allclose(other.variances, one.variances * units**2, rtol=1e-9)


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.sampled_from([1e-3, 0.2, 1.0]))
def test_overall_mean_is_kept_and_the_floor_holds(seed, n_components, floor):
    sample = np.random.default_rng(seed).normal(size=(40, 2))
    gmm = start(sample, n_components, floor=floor)
    assert gmm.weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(gmm.mean, sample.mean(axis=0), atol=1e-12)
    assert (gmm.variances >= floor * sample.var(axis=0)).all()


def test_same_seed_same_start_and_another_seed_another():
    sample = np.random.default_rng(2).normal(size=(300, 3))
    one, again, other = start(sample, 8), start(sample, 8), start(sample, 8, seed=1)
    assert one.means.tobytes() == again.means.tobytes()
    assert one.means.tobytes() != other.means.tobytes()


def test_as_many_components_as_frames():
    sample = np.random.default_rng(3).normal(size=(6, 2))
    gmm = start(sample, 6)
    np.testing.assert_allclose(gmm.weights, 1 / 6)
    np.testing.assert_allclose(np.sort(gmm.means, axis=0), np.sort(sample, axis=0), rtol=1e-12)
    np.testing.assert_allclose(gmm.variances, np.tile(1e-3 * sample.var(axis=0), (6, 1)))


def test_the_sample_is_not_changed():
    sample = np.random.default_rng(4).normal(size=(30, 2))
    before = sample.copy()
    start(sample, 3)
    np.testing.assert_array_equal(sample, before)


def test_fewer_distinct_frames_than_clusters_leave_spare_components_and_no_warning():
    # Warnings are errors here: what scikit-learn says about empty clusters is not the user's.
    sample = np.repeat(np.array([[0.0, 1.0], [4.0, 3.0], [9.0, -2.0]]), 10, axis=0)
    gmm = start(sample, 5)
    used = gmm.weights > 0.01
    assert used.sum() == 3
    np.testing.assert_allclose(
        np.sort(gmm.means[used], axis=0), np.sort(sample[::10], axis=0), atol=1e-12
    )
    assert (gmm.weights > 0).all()
    np.testing.assert_allclose(gmm.variances[~used], np.tile(sample.var(axis=0), (2, 1)))
