"""Enrollment in several iterations: a slow loop, and the objective that never falls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm import DiagonalGMM, Statistics, accumulate, map_adapt
from speakergmm.errors import ConfigError, ModelError
from speakergmm.gmm import ADAPTED
from speakergmm.verification import EnrollmentConfig

LAW = settings(derandomize=True, deadline=None, max_examples=60)

# Sums over some hundred frames in float64, in another order.
ROUNDING = 1e-9


def random_ubm(rng, n_components, n_features):
    shape = (n_components, n_features)
    return DiagonalGMM(
        rng.dirichlet(np.ones(n_components)),
        2 * rng.normal(size=shape),
        rng.uniform(0.3, 3.0, size=shape),
    )


def speaker_frames(ubm, rng, n_frames=80):
    component = rng.choice(ubm.n_components, size=n_frames, p=ubm.weights)
    noise = np.sqrt(ubm.variances[component]) * rng.normal(size=(n_frames, ubm.n_features))
    return ubm.means[component] + noise + rng.normal(size=ubm.n_features)


SIZES = (st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 4))
FACTORS = st.sampled_from([0.5, 4.0, 16.0, 100.0])


def assert_same(a, b, **tolerance):
    for name in ("n", "f", "s"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), **tolerance)
    assert a.n_frames == b.n_frames


def map_objective(model, ubm, frames, relevance_factor):
    """Log-likelihood of the frames plus log prior of the means: Gauvain & Lee (1994), eq. 12-14."""
    steps = np.square(model.means - ubm.means) / ubm.variances
    return float(model.log_likelihoods(frames).sum() - relevance_factor / 2 * steps.sum())


# --- laws ----------------------------------------------------------------------------------------


@LAW
@given(*SIZES, FACTORS)
def test_the_objective_never_falls_and_rises_where_frames_move_means(seed, c, d, relevance_factor):
    rng = np.random.default_rng(seed)
    ubm = random_ubm(rng, c, d)
    frames = speaker_frames(ubm, rng)
    values = [map_objective(ubm, ubm, frames, relevance_factor)]
    for iterations in range(1, 8):
        config = EnrollmentConfig(relevance_factor, iterations=iterations)
        model = config.speaker_model(ubm, config.statistics(ubm, frames))
        values.append(map_objective(model, ubm, frames, relevance_factor))
    assert (np.diff(values) >= -ROUNDING * np.abs(values[0])).all()
    assert values[1] > values[0]


def test_iterations_end_where_nothing_moves():
    rng = np.random.default_rng(0)
    ubm = random_ubm(rng, 3, 2)
    frames = speaker_frames(ubm, rng)
    models = []
    for iterations in (99, 100):
        config = EnrollmentConfig(4.0, iterations=iterations)
        models.append(config.speaker_model(ubm, config.statistics(ubm, frames)))
    # EM closes in on its fixed point by a constant factor in each iteration.
    np.testing.assert_allclose(models[0].means, models[1].means, rtol=0, atol=1e-6)
    # At that point the gradient is 0: each mean is that of its own frames and r of the UBM's.
    found = accumulate(models[1], frames)
    expected = (found.f + 4.0 * ubm.means) / (found.n + 4.0)[:, None]
    np.testing.assert_allclose(models[1].means, expected, rtol=0, atol=1e-6)


@LAW
@given(*SIZES, st.sampled_from([np.float64, np.float32]))
def test_one_iteration_is_accumulation(seed, c, d, dtype):
    rng = np.random.default_rng(seed)
    ubm = random_ubm(rng, c, d)
    frames = speaker_frames(ubm, rng).astype(dtype)
    assert_same(EnrollmentConfig().statistics(ubm, frames), accumulate(ubm, frames), rtol=0)


def test_statistics_of_one_iteration_add():
    rng = np.random.default_rng(1)
    ubm = random_ubm(rng, 4, 3)
    first, second = speaker_frames(ubm, rng), speaker_frames(ubm, rng)
    config = EnrollmentConfig()
    both = config.statistics(ubm, np.concatenate([first, second]))
    parts = config.statistics(ubm, first) + config.statistics(ubm, second)
    assert_same(parts, both, rtol=ROUNDING, atol=ROUNDING)


def test_statistics_of_several_iterations_hold_for_their_frames_together():
    rng = np.random.default_rng(1)
    ubm = random_ubm(rng, 4, 3)
    first, second = speaker_frames(ubm, rng), speaker_frames(ubm, rng)
    config = EnrollmentConfig(4.0, iterations=3)
    both = config.statistics(ubm, np.concatenate([first, second]))
    parts = config.statistics(ubm, first) + config.statistics(ubm, second)
    assert np.abs(parts.n - both.n).max() > 1e-3


# --- oracle --------------------------------------------------------------------------------------


def slow_responsibilities(weights, means, variances, x):
    """Posterior of each component, one after the other."""
    joint = [
        w * np.prod(np.exp(-((x - m) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v))
        for w, m, v in zip(weights, means, variances, strict=True)
    ]
    return np.array(joint) / np.sum(joint)


@pytest.mark.parametrize("iterations", [1, 2, 3])
@pytest.mark.parametrize("relevance_factor", [1.0, 16.0])
def test_several_iterations_agree_with_a_slow_loop(iterations, relevance_factor):
    rng = np.random.default_rng(iterations)
    ubm = random_ubm(rng, 4, 2)
    frames = speaker_frames(ubm, rng, 30)
    means = ubm.means
    for _ in range(iterations):
        shares = np.array(
            [slow_responsibilities(ubm.weights, means, ubm.variances, x) for x in frames]
        )
        n, f = shares.sum(axis=0), np.zeros_like(means)
        for c in range(4):
            for t, x in enumerate(frames):
                f[c] += shares[t, c] * x
        # Always from the background model's means: eq. 12 and 13 of Reynolds et al. (2000).
        means = np.array(
            [(f[c] + relevance_factor * ubm.means[c]) / (n[c] + relevance_factor) for c in range(4)]
        )
    config = EnrollmentConfig(relevance_factor, iterations=iterations)
    found = config.statistics(ubm, frames)
    np.testing.assert_allclose(found.n, n, rtol=ROUNDING)
    np.testing.assert_allclose(found.f, f, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(config.speaker_model(ubm, found).means, means, rtol=ROUNDING)


@pytest.mark.parametrize("parameters", ADAPTED)
@pytest.mark.parametrize("iterations", [2, 3])
def test_each_iteration_uses_the_model_of_the_one_before(parameters, iterations):
    rng = np.random.default_rng(3)
    ubm = random_ubm(rng, 4, 3)
    frames = speaker_frames(ubm, rng)
    config = EnrollmentConfig(8.0, parameters, iterations)
    model = ubm
    for _ in range(iterations):
        found = accumulate(model, frames)
        model = map_adapt(ubm, found, relevance_factor=8.0, parameters=parameters)
    statistics = config.statistics(ubm, frames)
    assert_same(statistics, found, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_array_equal(config.speaker_model(ubm, statistics).means, model.means)


# --- edges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("iterations", [1, 3])
def test_no_frames_leave_the_background_model(iterations):
    ubm = random_ubm(np.random.default_rng(4), 3, 2)
    config = EnrollmentConfig(iterations=iterations)
    found = config.statistics(ubm, np.empty((0, 2)))
    assert found.n_frames == 0
    np.testing.assert_array_equal(config.speaker_model(ubm, found).means, ubm.means)


def test_an_infinite_trust_in_the_background_changes_nothing():
    rng = np.random.default_rng(5)
    ubm = random_ubm(rng, 3, 2)
    frames = speaker_frames(ubm, rng)
    once = EnrollmentConfig(1e12).statistics(ubm, frames)
    often = EnrollmentConfig(1e12, iterations=5).statistics(ubm, frames)
    assert_same(once, often, rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"relevance_factor": -1.0}, r"relevance_factor is -1\.0; expected 0 or more frames"),
        ({"relevance_factor": float("nan")}, "relevance_factor is nan; expected 0 or more frames"),
        ({"relevance_factor": "16"}, "relevance_factor is '16'; expected 0 or more frames"),
        (
            {"parameters": "variances"},
            r"parameters is 'variances'; expected one of 'means', 'means\+variances', 'means\+w",
        ),
        ({"iterations": 0}, "iterations is 0; expected 1 to 100"),
        ({"iterations": 101}, "iterations is 101; expected 1 to 100"),
        ({"iterations": 1.5}, r"iterations is 1\.5; expected a whole number"),
        ({"iterations": True}, "iterations is True; expected 1 to 100"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ConfigError, match=message):
        EnrollmentConfig(**settings)


def test_statistics_of_another_model_are_refused():
    ubm = random_ubm(np.random.default_rng(6), 3, 2)
    with pytest.raises(ModelError, match=r"statistics are of \(C, D\) = \(4, 2\), the UBM has"):
        EnrollmentConfig().speaker_model(ubm, Statistics.zero(4, 2))
