"""Mixtures from and to scikit-learn: nothing is lost either way, and the densities agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from slow_oracle import draw_frames, random_gmm

from speakergmm import TrainingConfig, train_ubm
from speakergmm.errors import ModelError
from speakergmm.gmm.scikit_learn import from_gaussian_mixture, to_gaussian_mixture

LAW = settings(derandomize=True, deadline=None, max_examples=40)

# scikit-learn expands the square, which costs some digits of a dozen features.
AGREES = 1e-10


def fitted(kind, n_components=3, n_features=4, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    frames = rng.normal(size=(200, n_features)) @ rng.normal(size=(n_features, n_features))
    mixture = GaussianMixture(n_components, covariance_type=kind, random_state=seed, tol=0.1)
    return mixture.fit(frames.astype(dtype)), frames


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 5))
def test_there_and_back_is_the_same_model_to_the_bit(seed, n_components, n_features):
    gmm = random_gmm(np.random.default_rng(seed), n_components, n_features)
    back = from_gaussian_mixture(to_gaussian_mixture(gmm))
    for name in ("weights", "means", "variances"):
        np.testing.assert_array_equal(getattr(back, name), getattr(gmm, name))


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 5))
def test_densities_and_posteriors_are_those_of_scikit_learn(seed, n_components, n_features):
    rng = np.random.default_rng(seed)
    gmm = random_gmm(rng, n_components, n_features)
    frames = draw_frames(gmm, 25, rng)
    mixture = to_gaussian_mixture(gmm)
    np.testing.assert_allclose(
        mixture.score_samples(frames), gmm.log_likelihoods(frames), rtol=AGREES, atol=AGREES
    )
    np.testing.assert_allclose(
        mixture.predict_proba(frames), gmm.responsibilities(frames), rtol=0, atol=AGREES
    )


@pytest.mark.parametrize("kind", ["diag", "spherical"])
def test_what_scikit_learn_fitted_is_taken_over(kind):
    mixture, frames = fitted(kind)
    gmm = from_gaussian_mixture(mixture)
    np.testing.assert_array_equal(gmm.means, mixture.means_)
    np.testing.assert_array_equal(gmm.variances.T, mixture.covariances_.T * np.ones((4, 1)))
    np.testing.assert_allclose(
        gmm.log_likelihoods(frames), mixture.score_samples(frames), rtol=AGREES, atol=AGREES
    )
    np.testing.assert_allclose(
        gmm.responsibilities(frames), mixture.predict_proba(frames), rtol=0, atol=AGREES
    )


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_covariances_are_taken_over_only_where_they_are_diagonal(kind):
    mixture, frames = fitted(kind)
    message = (
        rf"covariance_type='{kind}', and its features 0 and 1 are correlated; expected diagonal "
        "covariances: fit one with covariance_type='diag'"
    )
    with pytest.raises(ModelError, match=message):
        from_gaussian_mixture(mixture)
    mixture.covariances_ = mixture.covariances_ * np.eye(4)
    mixture.precisions_cholesky_ = np.where(np.eye(4), 1, 0) / np.sqrt(
        np.where(np.eye(4), mixture.covariances_, 1)
    )
    np.testing.assert_allclose(
        from_gaussian_mixture(mixture).log_likelihoods(frames),
        mixture.score_samples(frames),
        rtol=AGREES,
        atol=AGREES,
    )


def test_a_mixture_of_float32_is_taken_over():
    mixture, frames = fitted("diag", dtype=np.float32)
    gmm = from_gaussian_mixture(mixture)
    assert gmm.means.dtype == np.float64
    np.testing.assert_allclose(gmm.log_likelihoods(frames), mixture.score_samples(frames), 1e-4)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        (GaussianMixture(2), r"the GaussianMixture is not fitted; call its fit\(X\) first"),
        (BayesianGaussianMixture(), "a BayesianGaussianMixture is given; expected a fitted sklear"),
        ("model", r"a str is given; expected a fitted sklearn\.mixture\.GaussianMixture"),
    ],
)
def test_anything_else_is_refused(given_, message):
    with pytest.raises(ModelError, match=message):
        from_gaussian_mixture(given_)


def test_the_history_says_how_the_training_went():
    _, frames = fitted("diag")
    for tolerance, converged in ((0.0, False), (10.0, True)):
        config = TrainingConfig(max_iterations=3, tolerance=tolerance)
        gmm, history = train_ubm(frames, 4, config=config)
        mixture = to_gaussian_mixture(gmm, history)
        assert mixture.converged_ == converged
        assert mixture.n_iter_ == len(history.mean_log_likelihood)
        assert mixture.lower_bound_ == history.mean_log_likelihood[-1]
    unknown = to_gaussian_mixture(gmm)
    assert (unknown.converged_, unknown.n_iter_, unknown.lower_bound_) == (False, 0, -math.inf)


def test_what_is_given_is_like_what_scikit_learn_fits():
    mixture, frames = fitted("diag")
    ours = to_gaussian_mixture(from_gaussian_mixture(mixture))
    # scikit-learn 1.4 has no `lower_bounds_`, which does no harm there.
    assert vars(ours).keys() - {"lower_bounds_"} == vars(mixture).keys() - {"lower_bounds_"}
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        theirs = getattr(mixture, name)
        np.testing.assert_allclose(getattr(ours, name), theirs, rtol=1e-12)
        assert getattr(ours, name).flags.writeable
    assert ours.bic(frames) == pytest.approx(mixture.bic(frames), rel=AGREES)
    assert ours.sample(5)[0].shape == (5, 4)
    with pytest.raises(NotFittedError):
        ours.__class__(3).score_samples(frames)


def test_scikit_learn_goes_on_from_our_model():
    _, frames = fitted("diag")
    gmm, history = train_ubm(frames, 3, config=TrainingConfig(max_iterations=2))
    mixture = to_gaussian_mixture(gmm, history).set_params(warm_start=True, max_iter=50)
    assert mixture.fit(frames).score(frames) > gmm.log_likelihoods(frames).mean()
