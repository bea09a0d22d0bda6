"""The estimators are scikit-learn's by its own checks, and ours by comparison with the library."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import asdict

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from speakergmm import (
    DiagonalGaussianMixture,
    GMMClassifier,
    TrainingConfig,
    accumulate,
    map_adapt,
    train_ubm,
)
from speakergmm.errors import ConfigError, FrameError

TRAINING = ("max_iterations", "tolerance", "variance_floor", "weight_floor")


@parametrize_with_checks(
    [
        DiagonalGaussianMixture(),
        GMMClassifier(),
        GMMClassifier(2, adapt=True, adapted_parameters="all"),
        # Before scikit-learn 1.6 every class has to be told, which fewer do not always do.
        GMMClassifier(8, adapt=True),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(300, n_features=3, centers=3, cluster_std=1.5, random_state=0)


@pytest.mark.parametrize("kind", [DiagonalGaussianMixture, GMMClassifier])
def test_defaults_are_those_of_the_library(kind):
    defaults = kind().get_params()
    library = asdict(TrainingConfig())
    assert {name: defaults[name] for name in TRAINING} == {name: library[name] for name in TRAINING}
    assert defaults["random_state"] == inspect.signature(train_ubm).parameters["rng"].default
    if kind is GMMClassifier:
        adaptation = inspect.signature(map_adapt).parameters
        assert defaults["relevance_factor"] == adaptation["relevance_factor"].default
        assert defaults["adapted_parameters"] == adaptation["parameters"].default


# --- the mixture ---


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_mixture_is_that_of_train_ubm(blobs, dtype):
    frames = blobs[0].astype(dtype)
    settings = {"max_iterations": 5, "tolerance": 0.0, "variance_floor": 0.3, "weight_floor": 0.5}
    model = DiagonalGaussianMixture(4, random_state=3, **settings).fit(frames)
    gmm, history = train_ubm(frames, 4, config=TrainingConfig(**settings), rng=3)
    for name in ("weights", "means", "variances"):
        np.testing.assert_array_equal(getattr(model, f"{name}_"), getattr(gmm, name))
    assert model.history_.mean_log_likelihood == history.mean_log_likelihood
    np.testing.assert_array_equal(model.score_samples(frames), gmm.log_likelihoods(frames))
    assert model.score(frames) == gmm.log_likelihoods(frames).mean()
    posteriors = gmm.responsibilities(frames)
    np.testing.assert_array_equal(model.predict_proba(frames), posteriors)
    np.testing.assert_array_equal(model.predict(frames), posteriors.argmax(axis=1))
    assert (model.n_features_in_, model.gmm_.n_components) == (3, 4)


def test_float32_goes_the_fast_way(blobs):
    frames = blobs[0].astype(np.float32)
    model = DiagonalGaussianMixture(4).fit(frames)
    fast, exact = model.score_samples(frames), model.score_samples(frames.astype(np.float64))
    assert not np.array_equal(fast, exact)
    np.testing.assert_allclose(fast, exact, atol=1e-4)


def test_random_states_are_seeds(blobs):
    frames = blobs[0]

    def means(random_state):
        return DiagonalGaussianMixture(5, max_iterations=1, random_state=random_state).fit(
            frames
        ).means_  # fmt: skip

    seeded, _ = train_ubm(frames, 5, config=TrainingConfig(max_iterations=1), rng=8)
    np.testing.assert_array_equal(means(8), seeded.means)
    np.testing.assert_array_equal(means(np.int64(8)), seeded.means)
    np.testing.assert_array_equal(means(np.random.default_rng(8)), seeded.means)
    legacy = [means(np.random.RandomState(8)) for _ in range(2)]
    np.testing.assert_array_equal(*legacy)
    going_on = np.random.RandomState(8)
    assert not np.array_equal(means(going_on), means(going_on))
    assert not np.array_equal(means(None), means(None))
    for bad in (-1, "seed", True, 1.5):
        with pytest.raises(ConfigError, match=rf"random_state is {bad!r}; expected a whole numbe"):
            means(bad)


@pytest.mark.parametrize("kind", [DiagonalGaussianMixture, GMMClassifier])
@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_components": 301}, FrameError, "0 samples cannot train 301 components"),
        ({"n_components": 0}, ConfigError, "n_components is 0; expected 1 or more"),
        ({"max_iterations": -1}, ConfigError, "max_iterations is -1; expected 0 or more"),
        ({"tolerance": "small"}, ConfigError, "tolerance is 'small'; expected 0 or more"),
    ],
)
def test_what_the_library_refuses_is_refused(blobs, kind, parameters, error, message):
    with pytest.raises(error, match=message):
        kind(**parameters).fit(blobs[0], np.arange(300) % 2)


@pytest.mark.parametrize("kind", [DiagonalGaussianMixture, GMMClassifier])
def test_bad_rows_are_value_errors(blobs, kind):
    frames, labels = blobs
    for value in (np.nan, np.inf):
        spoiled = frames.copy()
        spoiled[5, 1] = value
        with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
            kind().fit(spoiled, labels)
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        kind().fit(frames[:1], labels[:1])
    constant = np.column_stack([frames, np.ones(300)])
    with pytest.raises(FrameError, match=r"feature 3 .* all 300 samples; .* vary: remove it$"):
        kind().fit(constant, labels)
    with pytest.raises(FrameError, match=r"feature 0 goes from -.*e-200 to .*e-200 alone, too li"):
        kind().fit(frames * 1e-200, labels)
    with pytest.raises(FrameError, match=r"too large to square; .* ordinary size: scale them$"):
        kind().fit(frames * 1e200, labels)
    with pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 3"):
        kind().fit(frames, labels).predict(frames[:, :2])
    with pytest.raises(NotFittedError, match="not fitted yet"):
        kind().predict(frames)


def test_a_search_finds_the_number_of_clusters():
    frames, _ = make_blobs(400, n_features=2, centers=4, cluster_std=0.4, random_state=3)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), DiagonalGaussianMixture(jobs=1)),
        {"diagonalgaussianmixture__n_components": [1, 2, 4]},
        cv=3,
    ).fit(frames)
    assert search.best_params_ == {"diagonalgaussianmixture__n_components": 4}


# --- the classifier ---


def log_joint(model, frames):
    densities = np.stack([gmm.log_likelihoods(frames) for gmm in model.gmms_], axis=1)
    return densities + np.log(model.class_prior_)


def test_models_of_classes_are_adapted_from_one_of_all(blobs):
    frames, labels = blobs
    model = GMMClassifier(
        4, adapt=True, relevance_factor=3, adapted_parameters="all", random_state=2
    )
    model.fit(frames, labels)
    ubm, _ = train_ubm(frames, 4, rng=2)
    np.testing.assert_array_equal(model.ubm_.means, ubm.means)
    for name, gmm in zip(model.classes_, model.gmms_, strict=True):
        own = accumulate(ubm, frames[labels == name])
        adapted = map_adapt(ubm, own, relevance_factor=3, parameters="all")
        np.testing.assert_array_equal(gmm.means, adapted.means)
        np.testing.assert_array_equal(gmm.variances, adapted.variances)
        np.testing.assert_array_equal(gmm.weights, adapted.weights)


@pytest.mark.parametrize("adapt", [True, False])
def test_decisions_are_of_density_and_prior(blobs, adapt):
    frames, labels = blobs
    model = GMMClassifier(2, adapt=adapt).fit(frames[:250], labels[:250])
    joint = log_joint(model, frames)
    np.testing.assert_array_equal(model.decision_function(frames), joint)
    np.testing.assert_allclose(model.predict_proba(frames), softmax(joint, axis=1), rtol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(frames), log_softmax(joint, axis=1))
    np.testing.assert_array_equal(model.predict(frames), model.classes_[joint.argmax(axis=1)])
    np.testing.assert_allclose(model.class_prior_, np.bincount(labels[:250]) / 250)
    assert (model.ubm_ is None) == (not adapt)


def test_adapted_means_need_classes_that_share_their_components(blobs):
    scores = {
        (adapt, parameters): GMMClassifier(
            8, adapt=adapt, adapted_parameters=parameters
        ).fit(*blobs).score(*blobs)
        for adapt, parameters in ((False, "means"), (True, "means"), (True, "all"))
    }  # fmt: skip
    # Three clusters, each with components of its own, which nobody else moves.
    assert scores[True, "means"] < 0.7
    assert min(scores[False, "means"], scores[True, "all"]) > 0.9
    # Two speakers who are a little apart in each of four sounds.
    rng = np.random.default_rng(0)
    labels, sounds = rng.integers(2, size=2000), 8.0 * rng.integers(4, size=2000)
    frames = rng.normal(size=(2000, 2)) + np.stack([sounds, 2.0 * labels], axis=1)
    adapted = GMMClassifier(4, adapt=True).fit(frames[:1000], labels[:1000])
    assert adapted.score(frames[1000:], labels[1000:]) > 0.8


def test_of_two_classes_the_decision_is_the_lead_of_the_second(blobs):
    frames, labels = blobs
    names = np.where(labels == 0, "ann", "bob")
    model = GMMClassifier(2).fit(frames, names)
    joint = log_joint(model, frames)
    np.testing.assert_array_equal(model.decision_function(frames), joint[:, 1] - joint[:, 0])
    np.testing.assert_array_equal(model.predict(frames) == "bob", joint[:, 1] > joint[:, 0])


def test_one_component_by_em_is_naive_bayes(blobs):
    frames, labels = blobs
    ours = GMMClassifier(variance_floor=1e-9).fit(frames, labels)
    theirs = GaussianNB(var_smoothing=0.0).fit(frames, labels)
    np.testing.assert_allclose([gmm.variances[0] for gmm in ours.gmms_], theirs.var_, rtol=1e-9)
    np.testing.assert_allclose(
        ours.predict_proba(frames), theirs.predict_proba(frames), rtol=1e-7, atol=1e-12
    )


def test_variances_of_a_class_have_floors_of_the_variance_of_all(blobs):
    frames, labels = blobs[0].copy(), np.repeat([0, 1, 2], [1, 2, 297])
    frames[1:3, 1] = 5.0
    model = GMMClassifier(variance_floor=0.01).fit(frames, labels)
    floor = 0.01 * frames.var(axis=0)
    np.testing.assert_allclose(model.gmms_[0].variances[0], floor)
    assert model.gmms_[1].variances[0, 1] == pytest.approx(floor[1])
    np.testing.assert_allclose(model.gmms_[0].means[0], frames[0])
    assert all((gmm.variances >= floor * (1 - 1e-12)).all() for gmm in model.gmms_)


def test_priors_may_be_given(blobs):
    frames, labels = blobs
    priors = [0.5, 0.25, 0.25]
    model = GMMClassifier(priors=priors).fit(frames, labels)
    np.testing.assert_array_equal(model.class_prior_, priors)
    never = GMMClassifier(priors=[0.0, 0.5, 0.5]).fit(frames, labels)
    assert 0 not in never.predict(frames)
    np.testing.assert_array_equal(never.predict_proba(frames)[:, 0], 0.0)
    for bad in ([1.0], [0.5, 0.6, -0.1], [0.5, 0.5, 0.5]):
        with pytest.raises(ConfigError, match="expected 3 numbers, one for each class, 0 or more"):
            GMMClassifier(priors=bad).fit(frames, labels)


def test_where_no_density_is_left_the_priors_decide(blobs):
    model = GMMClassifier(priors=[0.2, 0.5, 0.3]).fit(*blobs)
    hopeless = np.full((1, 3), 1e200)
    np.testing.assert_allclose(model.predict_proba(hopeless), [[0.2, 0.5, 0.3]])
    assert model.predict(hopeless) == [1]


def test_what_the_classifier_refuses(blobs):
    frames, labels = blobs
    with pytest.raises(FrameError, match="y holds one class only, 'a'; expected two classes or mo"):
        GMMClassifier().fit(frames, np.full(300, "a"))
    with pytest.raises(ConfigError, match="adapt is 'no'; expected one of True, False"):
        GMMClassifier(adapt="no").fit(frames, labels)
    with pytest.raises(ConfigError, match=r"^adapted_parameters is 'mean'; expected one of 'me"):
        GMMClassifier(adapted_parameters="mean").fit(frames, labels)
    with pytest.raises(ConfigError, match="relevance_factor is -1; expected 0 or more samples"):
        GMMClassifier(adapt=True, relevance_factor=-1).fit(frames, labels)
    few = np.repeat(["few", "many"], [3, 297])
    message = (
        "class 'few': 3 samples cannot train 4 components; .* lower n_components, or set adapt=T"
    )
    with pytest.raises(FrameError, match=message):
        GMMClassifier(4).fit(frames, few)
    assert len(GMMClassifier(4, adapt=True).fit(frames, few).gmms_) == 2


@pytest.mark.parametrize("adapt", [True, False])
def test_seeds_and_threads_change_nothing_they_should_not(blobs, adapt):
    frames, labels = blobs
    model = GMMClassifier(3, adapt=adapt, random_state=4)
    first = model.fit(frames, labels).predict_proba(frames)
    again = clone(model).set_params(jobs=2).fit(frames, labels)
    np.testing.assert_array_equal(again.predict_proba(frames), first)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.predict_proba(frames), first)


def test_the_classifier_is_cross_validated(blobs):
    assert cross_val_score(GMMClassifier(2, jobs=1), *blobs, cv=3).min() > 0.8
