"""EM: it never lowers the likelihood, it is the textbook's, and it gives the same bytes again."""

from __future__ import annotations

import warnings
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_oracle import (
    draw_frames,
    random_gmm,
    slow_floored_weights,
    slow_maximization,
    slow_statistics,
)

from speakergmm import DiagonalGMM, TrainingConfig, accumulate, train_ubm
from speakergmm.errors import ConfigError, FrameError
from speakergmm.features.store import CHUNK_FRAMES

LAW = settings(derandomize=True, deadline=None, max_examples=150)
FEW = settings(derandomize=True, deadline=None, max_examples=25)

# Rounding of a mean of log-likelihoods, relative to its size or to one nat.
STRICT = 1e-12

# float32 log densities of some tens of nats have a last place of 4e-6.
FAST = 1e-5

# Up to FAR_COMPONENT the expanded square has terms of 300 nats, whose last place is 3e-5.
FAST_AT_THE_LIMIT = 1e-4

# EM steps in another order of summation; each step passes the difference on.
ORACLE = 1e-9

# Small numbers of distinct frames are asked for on purpose; that k-means says so has its own test.
QUIET_KMEANS = "ignore:Number of distinct clusters"


def make_frames(kind, n_frames, n_features, rng):
    if kind == "clusters":
        return draw_frames(random_gmm(rng, 4, n_features, spread=4.0), n_frames, rng)
    if kind == "duplicates":
        distinct = rng.normal(size=(3, n_features))
        return distinct[np.arange(n_frames) % 3]
    if kind == "outlier":
        frames = rng.normal(size=(n_frames, n_features))
        frames[-1] += 1e4
        return frames
    if kind == "heavy":
        return rng.standard_t(1.5, size=(n_frames, n_features))
    return rng.normal(size=(n_frames, n_features)) * [1e-3, 1e3, 1.0][:n_features] + 1e4


KINDS = ("clusters", "duplicates", "outlier", "heavy", "units")
CONFIGS = st.builds(
    TrainingConfig,
    max_iterations=st.integers(0, 12),
    tolerance=st.sampled_from([0.0, 1e-3]),
    variance_floor=st.sampled_from([1e-9, 1e-3, 0.2, 1.0]),
    weight_floor=st.sampled_from([0.0, 1e-3, 0.5, 0.9]),
    dead_components=st.sampled_from(["split", "keep"]),
    min_frames=st.sampled_from([0.0, 1e-6, 2.0, 8.0]),
    kmeans_frames=st.sampled_from([1, 10, 50_000]),
    kmeans_iterations=st.sampled_from([1, 20]),
)


@st.composite
def trainings(draw):
    n_components = draw(st.integers(1, 7))
    n_frames = draw(st.integers(max(n_components, 4), 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    frames = make_frames(draw(st.sampled_from(KINDS)), n_frames, draw(st.integers(1, 3)), rng)
    return frames, n_components, draw(CONFIGS)


def assert_never_falls(frames, gmm, history, tolerance):
    curve = [*history.mean_log_likelihood, accumulate(gmm, frames).mean_log_likelihood]
    for before, after in pairwise(curve):
        assert after >= before - tolerance * max(1.0, abs(before)), curve


def assert_floors_hold(frames, gmm, config):
    exact = np.asarray(frames, dtype=np.float64)
    assert (gmm.variances >= config.variance_floor * exact.var(axis=0) * (1 - 1e-6)).all()
    assert (gmm.weights >= config.weight_floor / gmm.n_components * (1 - 1e-9)).all()


@pytest.mark.filterwarnings(QUIET_KMEANS)
@LAW
@given(trainings())
def test_the_likelihood_never_falls(training):
    frames, n_components, config = training
    gmm, history = train_ubm(frames, n_components, config=config, jobs=1)
    assert_never_falls(frames, gmm, history, STRICT)


@pytest.mark.filterwarnings(QUIET_KMEANS)
@LAW
@given(trainings(), st.sampled_from([0, 1 << 60]))
def test_the_likelihood_never_falls_in_float32(training, compiled_cells):
    frames, n_components, config = training
    frames = frames.astype(np.float32)
    if (np.ptp(frames.astype(np.float64), axis=0) < 1e-3 * np.abs(frames).max(axis=0)).any():
        return  # rounded to float32, such a feature hardly varies
    # By the compiled kernel, or by plain products.
    with mock.patch("speakergmm.gmm.statistics.COMPILED_CELLS", compiled_cells):
        gmm, history = train_ubm(frames, n_components, config=config, jobs=1)
        assert_never_falls(frames, gmm, history, FAST_AT_THE_LIMIT)


@pytest.mark.filterwarnings(QUIET_KMEANS)
@LAW
@given(trainings())
def test_the_floors_hold(training):
    frames, n_components, config = training
    gmm, _ = train_ubm(frames, n_components, config=config, jobs=1)
    assert_floors_hold(frames, gmm, config)


@pytest.mark.filterwarnings(QUIET_KMEANS)
@LAW
@given(trainings())
def test_the_history_is_complete(training):
    frames, n_components, config = training
    gmm, history = train_ubm(frames, n_components, config=config, jobs=1)
    n_iterations = len(history.floored_variances)
    assert n_iterations <= config.max_iterations
    assert len(history.split_components) == len(history.kept_components) == n_iterations
    assert len(history.mean_log_likelihood) == n_iterations + history.converged
    assert history.converged or n_iterations == config.max_iterations
    assert history.seconds > 0
    # Whether a split pays is only known after the iteration that follows it.
    if history.converged and n_iterations:
        assert history.split_components[-1] == 0
    assert all(0 <= count <= gmm.means.size for count in history.floored_variances)
    dead = zip(history.split_components, history.kept_components, strict=True)
    assert all(0 <= split + kept <= n_components and 0 in (split, kept) for split, kept in dead)
    if config.dead_components == "keep":
        assert not any(history.split_components)


def test_the_likelihood_never_falls_on_many_frames():
    rng = np.random.default_rng(1)
    frames = draw_frames(random_gmm(rng, 12, 8), 20_000, rng)
    config = TrainingConfig(max_iterations=15, tolerance=0.0)
    gmm, history = train_ubm(frames, 16, config=config)
    assert len(history.mean_log_likelihood) == 15
    assert_never_falls(frames, gmm, history, STRICT)
    gmm, history = train_ubm(frames.astype(np.float32), 16, config=config)
    assert_never_falls(frames.astype(np.float32), gmm, history, FAST)


def test_weights_at_a_high_floor_never_lower_the_likelihood():
    # k-means gives the small cluster a weight below the floor; raising it in the first M-step
    # would lose more than the step gains.
    rng = np.random.default_rng(2)
    frames = np.concatenate([rng.normal(size=(5_000, 2)), 50 + 0.1 * rng.normal(size=(3, 2))])
    config = TrainingConfig(weight_floor=0.9, tolerance=0.0)
    gmm, history = train_ubm(frames, 4, config=config)
    assert_never_falls(frames, gmm, history, STRICT)
    assert_floors_hold(frames, gmm, config)


@pytest.mark.parametrize("n_components", [1, 2, 3, 5, 7])
def test_the_highest_weight_floor_means_weights_that_are_all_but_equal(n_components):
    frames = np.random.default_rng(3).normal(size=(200, 2))
    config = TrainingConfig(weight_floor=0.99, max_iterations=4, tolerance=0.0)
    gmm, history = train_ubm(frames, n_components, config=config)
    # All but one may be at the floor; the one has what is left.
    assert gmm.weights.min() >= 0.99 / n_components * (1 - 1e-12)
    assert gmm.weights.max() <= 1 / n_components + 0.01
    assert_never_falls(frames, gmm, history, STRICT)


@FEW
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from([(1e-9, 0.0, 0.0), (0.3, 0.0, 0.0), (1e-3, 0.9, 0.0), (1e-3, 1e-3, 9.0)]),
)
def test_agrees_with_the_loops_of_the_textbook(seed, n_components, n_features, floors):
    variance_floor, weight_floor, min_frames = floors
    rng = np.random.default_rng(seed)
    frames = draw_frames(random_gmm(rng, 3, n_features), 25, rng)
    settings_ = {
        "variance_floor": variance_floor,
        "weight_floor": weight_floor,
        "min_frames": min_frames,
        "dead_components": "keep",
        "tolerance": 0.0,
    }
    start, _ = train_ubm(frames, n_components, config=TrainingConfig(max_iterations=0, **settings_))
    gmm, history = train_ubm(
        frames, n_components, config=TrainingConfig(max_iterations=3, **settings_)
    )
    expected = start
    likelihoods = []
    for _ in history.floored_variances:
        n, f, s, log_likelihood = slow_statistics(expected, frames)
        likelihoods.append(log_likelihood / len(frames))
        expected = slow_maximization(
            expected,
            n,
            f,
            s,
            variance_floor=variance_floor * frames.var(axis=0),
            weight_floor=weight_floor,
            min_frames=min_frames,
        )
    n_steps = len(likelihoods)
    np.testing.assert_allclose(history.mean_log_likelihood[:n_steps], likelihoods, rtol=ORACLE)
    np.testing.assert_allclose(gmm.weights, expected.weights, rtol=ORACLE)
    np.testing.assert_allclose(gmm.means, expected.means, rtol=ORACLE, atol=ORACLE)
    # A variance is a difference: of a cluster far from the middle it keeps fewer digits.
    np.testing.assert_allclose(gmm.variances, expected.variances, rtol=1e-7)


@FEW
@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=8).filter(lambda n: sum(n) > 1e-3),
    st.floats(0, 0.999),
)
def test_floored_weights_agree_with_bisection(n, share):
    from speakergmm.gmm.em import floored_weights

    floor = share / len(n)
    weights = floored_weights(np.array(n), floor)
    np.testing.assert_allclose(weights, slow_floored_weights(n, floor), rtol=1e-9, atol=1e-12)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_component_is_the_mean_and_variance_of_the_frames(dtype):
    frames = (np.random.default_rng(4).normal(size=(500, 3)) * [1, 5, 0.1] + [0, -40, 3]).astype(
        dtype
    )
    gmm, history = train_ubm(frames, 1)
    exact = frames.astype(np.float64)
    tolerance = {np.float64: 1e-12, np.float32: 1e-6}[dtype]
    np.testing.assert_array_equal(gmm.weights, [1.0])
    np.testing.assert_allclose(gmm.means[0], exact.mean(axis=0), rtol=0, atol=tolerance * 40)
    np.testing.assert_allclose(gmm.variances[0], exact.var(axis=0), rtol=tolerance * 10)
    assert history.converged


def test_finds_the_mixture_that_the_frames_come_from():
    # Separated by 10 standard deviations; 20,000 frames tell a mean to 0.02 and a weight to 0.01.
    rng = np.random.default_rng(5)
    means = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    component = rng.choice(3, size=20_000, p=[0.2, 0.3, 0.5])
    frames = means[component] + rng.normal(size=(20_000, 2))
    gmm, _ = train_ubm(frames, 3)
    order = np.argsort(gmm.weights)
    np.testing.assert_allclose(gmm.weights[order], [0.2, 0.3, 0.5], atol=0.02)
    np.testing.assert_allclose(gmm.means[order], means, atol=0.08)
    np.testing.assert_allclose(gmm.variances[order], 1.0, atol=0.08)


@FEW
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(-30, 30))
def test_units_of_the_features_do_not_matter(seed, n_components, exponent):
    frames = np.random.default_rng(seed).normal(size=(60, 2))
    config = TrainingConfig(max_iterations=4, tolerance=0.0)
    units = np.array([1.0, 2.0**exponent])
    one, _ = train_ubm(frames, n_components, config=config)
    other, _ = train_ubm(frames * units, n_components, config=config)
    np.testing.assert_allclose(other.weights, one.weights, rtol=1e-8)
    np.testing.assert_allclose(other.means / units, one.means, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(other.variances / units**2, one.variances, rtol=1e-7)


def test_every_entry_of_the_curve_is_the_likelihood_of_the_model_the_iteration_began_with():
    rng = np.random.default_rng(6)
    frames = draw_frames(random_gmm(rng, 3, 2), 400, rng)
    _, history = train_ubm(frames, 3, config=TrainingConfig(max_iterations=4, tolerance=0.0))
    for n_iterations, value in enumerate(history.mean_log_likelihood):
        config = TrainingConfig(max_iterations=n_iterations, tolerance=0.0)
        gmm, _ = train_ubm(frames, 3, config=config)
        assert gmm.log_likelihoods(frames).mean() == pytest.approx(value, rel=1e-12)


def test_stops_when_the_gain_is_below_the_tolerance():
    rng = np.random.default_rng(7)
    frames = draw_frames(random_gmm(rng, 4, 3), 1_000, rng)
    _, history = train_ubm(frames, 4, config=TrainingConfig(max_iterations=200, tolerance=1e-2))
    gains = np.diff(history.mean_log_likelihood)
    assert history.converged
    assert gains[-1] < 1e-2
    assert (gains[:-1] >= 1e-2).all()


@pytest.mark.filterwarnings(QUIET_KMEANS)
@LAW
@given(trainings(), st.integers(0, 2**32 - 1))
def test_the_likelihood_never_falls_from_a_start_with_dead_components(training, seed):
    frames, n_components, config = training
    rng = np.random.default_rng(seed)
    spread = rng.choice([0.5, 3.0, 30.0])
    start = random_gmm(rng, n_components, frames.shape[1], spread=spread)
    # In units of the frames, and not below the floor, as k-means gives them.
    deviation = frames.std(axis=0)
    start = DiagonalGMM(
        start.weights,
        frames.mean(axis=0) + start.means * deviation,
        np.maximum(start.variances, config.variance_floor) * deviation**2,
    )
    with mock.patch("speakergmm.gmm.training.kmeans_start", return_value=start):
        gmm, history = train_ubm(frames, n_components, config=config, jobs=1)
    assert_never_falls(frames, gmm, history, STRICT)
    assert_floors_hold(frames, gmm, config)


@pytest.mark.parametrize("choice", ["split", "keep"])
def test_dead_components_are_split_or_kept_as_asked(choice):
    # One component starts where no frame is, the other covers two groups that it should be.
    rng = np.random.default_rng(8)
    frames = rng.normal(size=(1_000, 1)) + np.repeat([[-4.0], [4.0]], 500, axis=0)
    start = DiagonalGMM([0.5, 0.5], [[0.0], [1e6]], [[17.0], [1.0]])
    config = TrainingConfig(dead_components=choice, max_iterations=10, tolerance=0.0)
    with mock.patch("speakergmm.gmm.training.kmeans_start", return_value=start):
        gmm, history = train_ubm(frames, 2, config=config)
    assert_never_falls(frames, gmm, history, STRICT)
    if choice == "keep":
        assert set(history.kept_components) == {1}
        assert set(history.split_components) == {0}
        np.testing.assert_array_equal(gmm.means[1], [1e6])
        np.testing.assert_array_equal(gmm.variances[1], [1.0])
    else:
        assert history.split_components[0] == 1
        assert sum(history.split_components[1:]) == sum(history.kept_components) == 0
        np.testing.assert_allclose(np.sort(gmm.means, axis=0), [[-4.0], [4.0]], atol=0.2)


def test_a_split_is_improved_before_training_may_stop():
    frames = np.random.default_rng(18).normal(size=(200, 1)) + np.repeat([[-4.0], [4.0]], 100, 0)
    start = DiagonalGMM([0.5, 0.5], [[0.0], [1e6]], [[17.0], [1.0]])
    # Any gain is too little, but the one that is first seen is the split's own, before its M-step.
    with mock.patch("speakergmm.gmm.training.kmeans_start", return_value=start):
        _, history = train_ubm(frames, 2, config=TrainingConfig(tolerance=1e3))
    assert history.converged
    assert history.split_components == (1, 0)


def test_a_split_keeps_mean_and_variance_of_the_whole():
    from speakergmm.gmm.em import split_heaviest

    gmm = random_gmm(np.random.default_rng(9), 5, 3)
    lightest = int(np.argmin(gmm.weights))
    heaviest = int(np.argmax(gmm.weights))
    # The lightest one's frames are nobody's, so let it weigh nothing.
    weights = gmm.weights.copy()
    weights[heaviest] += weights[lightest]
    weights[lightest] = 0.0
    before = DiagonalGMM(weights, gmm.means, gmm.variances)
    after = split_heaviest(before, np.array([lightest]), np.full(3, 1e-9))
    np.testing.assert_allclose(after.mean, before.mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(after.variance, before.variance, rtol=1e-12)
    assert after.weights[heaviest] == after.weights[lightest] == weights[heaviest] / 2
    assert (after.means[heaviest] != after.means[lightest]).sum() == 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_same_bytes_whatever_the_number_of_workers_and_again(dtype):
    rng = np.random.default_rng(10)
    n_frames = 2 * CHUNK_FRAMES + 1_234
    frames = draw_frames(random_gmm(rng, 6, 4), n_frames, rng).astype(dtype)
    config = TrainingConfig(max_iterations=3, kmeans_frames=2_000)
    trained = [train_ubm(frames, 8, config=config, rng=3, jobs=jobs) for jobs in (1, 2, 4, 1)]
    first, first_history = trained[0]
    for gmm, history in trained[1:]:
        for name in ("weights", "means", "variances"):
            assert getattr(gmm, name).tobytes() == getattr(first, name).tobytes()
        assert history.mean_log_likelihood == first_history.mean_log_likelihood


def test_another_seed_gives_another_model_and_a_generator_is_a_seed():
    frames = np.random.default_rng(11).normal(size=(500, 3))
    config = TrainingConfig(max_iterations=2)
    one, _ = train_ubm(frames, 6, config=config, rng=1)
    other, _ = train_ubm(frames, 6, config=config, rng=2)
    generator, _ = train_ubm(frames, 6, config=config, rng=np.random.default_rng(1))
    assert one.means.tobytes() != other.means.tobytes()
    assert one.means.tobytes() == generator.means.tobytes()


def test_the_frames_are_not_changed():
    frames = np.random.default_rng(12).normal(size=(100, 2))
    before = frames.copy()
    train_ubm(frames, 3)
    np.testing.assert_array_equal(frames, before)


def test_lists_of_numbers_are_frames():
    gmm, _ = train_ubm([[0], [1], [2], [3]], 1)
    np.testing.assert_allclose(gmm.means, [[1.5]])
    np.testing.assert_allclose(gmm.variances, [[1.25]])


def test_one_frame_a_component_is_enough():
    frames = np.random.default_rng(13).normal(size=(5, 2))
    gmm, _ = train_ubm(frames, 5)
    assert gmm.n_components == 5


def test_frames_that_repeat_are_trained_on_without_a_warning():
    frames = np.repeat(np.random.default_rng(14).normal(size=(3, 2)), 20, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gmm, _ = train_ubm(frames, 6)
    assert gmm.n_components == 6


@pytest.mark.parametrize("n_components", [0, -1])
def test_a_mixture_of_no_components_is_refused(n_components):
    with pytest.raises(ConfigError, match=rf"n_components is {n_components}; expected 1 or more"):
        train_ubm(np.zeros((4, 2)), n_components)


@pytest.mark.parametrize("rng", [-1, "seed", 1.5])
def test_what_is_no_seed_is_refused(rng):
    message = f"rng is {rng!r}; expected a whole number of 0 or more, or a numpy.random.Generator"
    with pytest.raises(ConfigError, match=message):
        train_ubm(np.random.default_rng(16).normal(size=(9, 2)), 2, rng=rng)


def test_a_number_of_components_that_is_no_whole_number_is_refused():
    with pytest.raises(ConfigError, match=r"n_components is 2\.5"):
        train_ubm(np.random.default_rng(15).normal(size=(9, 2)), 2.5)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((3, 2)), "3 frames cannot train 4 components; .* one frame a component"),
        (np.empty((0, 2)), "0 frames cannot train 4 components"),
        (np.zeros(9), r"frames have shape \(9,\); expected \(n_frames, n_features\)"),
        (np.zeros((9, 0)), r"frames have shape \(9, 0\)"),
        (np.zeros((9, 1, 1)), r"frames have shape \(9, 1, 1\)"),
        (np.where(np.eye(9)[:, :2] > 0, np.nan, 1.0), "frame 0, feature 0 is nan"),
        (np.where(np.eye(9)[:, :2] > 0, np.inf, 1.0), "frame 0, feature 0 is inf"),
        (np.c_[np.arange(9.0), np.full(9, 0.1)], "feature 1 has the same value in all 9 frames"),
        (np.c_[np.zeros(9), np.arange(9.0)], "feature 0 has the same value in all 9 frames"),
        (
            np.c_[np.arange(9.0), np.full(9, 1e7)].astype(np.float32),
            "feature 1 has the same value in all 9 frames",
        ),
        (np.c_[np.arange(9.0), 1e200 * np.arange(9.0)], "feature 1 holds .* too large to square"),
        (
            np.c_[np.arange(9.0), 1e-200 * np.arange(9.0)],
            "feature 1 goes from 0 to 8e-200 alone, too little to compute its variance; expected",
        ),
    ],
)
def test_frames_that_cannot_train_are_refused(frames, message):
    with pytest.raises(FrameError, match=message):
        train_ubm(frames, 4)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("max_iterations", -1, "max_iterations is -1; expected 0 or more"),
        ("tolerance", -1e-3, "tolerance is -0.001; expected 0 or more"),
        ("tolerance", np.nan, "tolerance is nan"),
        ("variance_floor", 0.0, "variance_floor is 0.0; expected 1e-09 to 1"),
        ("variance_floor", 1.5, "variance_floor is 1.5"),
        ("weight_floor", -0.1, "weight_floor is -0.1; expected 0 to 0.99"),
        ("weight_floor", 1.0, "weight_floor is 1.0"),
        ("dead_components", "drop", "dead_components is 'drop'; expected one of 'split', 'keep'"),
        ("min_frames", -1, "min_frames is -1; expected 0 or more"),
        ("kmeans_frames", 0, "kmeans_frames is 0; expected 1 or more"),
        ("kmeans_iterations", 0, "kmeans_iterations is 0; expected 1 or more"),
        ("max_iterations", "many", "max_iterations is 'many'"),
        ("max_iterations", 2.5, "max_iterations is 2.5"),
        ("kmeans_frames", 10.5, "kmeans_frames is 10.5"),
        ("kmeans_iterations", 2.5, "kmeans_iterations is 2.5"),
    ],
)
def test_settings_out_of_range_are_refused(setting, value, message):
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(**{setting: value})


def test_no_workers_are_refused():
    with pytest.raises(ConfigError, match="jobs is 0; expected 1 or more workers"):
        train_ubm(np.random.default_rng(16).normal(size=(9, 2)), 2, jobs=0)


def test_progress_is_told_what_happens():
    class Listener:
        def __init__(self):
            self.tasks, self.steps, self.notes = [], 0, []

        def start(self, task, total=None):
            self.tasks.append((task, total))

        def advance(self, steps=1):
            self.steps += steps

        def note(self, text):
            self.notes.append(text)

    listener = Listener()
    frames = np.random.default_rng(17).normal(size=(100, 2))
    _, history = train_ubm(frames, 2, config=TrainingConfig(max_iterations=3), progress=listener)
    assert listener.tasks == [("UBM: k-means", None), ("UBM: EM", 3)]
    assert listener.steps == len(listener.notes) == len(history.floored_variances)


def test_the_number_of_components_may_be_of_eight_bits():
    # Five frames a component are looked at first, which eight bits do not hold.
    frames = np.random.default_rng(0).normal(size=(5000, 1))
    config = TrainingConfig(max_iterations=1, kmeans_iterations=1)
    few, many = (train_ubm(frames, n, config=config, jobs=1)[0] for n in (np.uint8(200), 200))
    assert np.array_equal(few.means, many.means)
