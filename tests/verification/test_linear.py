"""Linear scores: their definition, their laws, and that they are the slope of the exact score."""

from __future__ import annotations

import numpy as np
import pytest

from speakergmm import (
    DiagonalGMM,
    Statistics,
    accumulate,
    linear_score,
    log_likelihood_ratio,
    map_adapt,
)
from speakergmm.corpora import Trials, all_against_all
from speakergmm.errors import FrameError, ModelError
from speakergmm.verification import score_trials, scoring
from speakergmm.verification.linear import LinearBank

# Sums of C · D float64 terms in another order.
ROUNDING = 1e-12

# Responsibilities of float32 blocks, in a sum of some dozens of frames.
FAST = 1e-4


@pytest.fixture
def ubm():
    rng = np.random.default_rng(0)
    return DiagonalGMM(
        rng.dirichlet(np.ones(6)), 2 * rng.normal(size=(6, 4)), rng.uniform(0.5, 2, (6, 4))
    )


@pytest.fixture
def frames():
    return [np.random.default_rng(i).normal(0.1 * i, 1.5, (50 + i, 4)) for i in range(3)]


@pytest.fixture
def models(ubm):
    rng = np.random.default_rng(9)
    return [map_adapt(ubm, accumulate(ubm, rng.normal(i, 1, (200, 4)))) for i in range(2)]


def slow_score(model, ubm, frames):
    """The definition, frame by frame and component by component."""
    total = 0.0
    for x, shares in zip(frames, ubm.responsibilities(frames), strict=True):
        for c, share in enumerate(shares):
            offset = (model.means[c] - ubm.means[c]) / ubm.variances[c]
            total += share * offset @ (x - ubm.means[c])
    return total / len(frames)


def test_scores_agree_with_the_definition(ubm, models, frames):
    scores = linear_score(models, ubm, [accumulate(ubm, x) for x in frames])
    expected = [[slow_score(model, ubm, x) for x in frames] for model in models]
    np.testing.assert_allclose(scores, expected, rtol=1e-10)


def test_one_model_and_one_test_give_a_matrix_of_one(ubm, models, frames):
    statistics = accumulate(ubm, frames[0])
    score = linear_score(models[0], ubm, statistics)
    assert score.shape == (1, 1)
    assert linear_score(models, ubm, [statistics] * 3).shape == (2, 3)
    assert score[0, 0] == pytest.approx(linear_score(models, ubm, [statistics])[0, 0], rel=1e-12)


def test_no_models_or_no_tests_give_a_matrix_of_none(ubm, models, frames):
    tests = [accumulate(ubm, x) for x in frames]
    assert linear_score([], ubm, tests).shape == (0, len(tests))
    assert linear_score(models, ubm, []).shape == (len(models), 0)
    assert linear_score([], ubm, []).shape == (0, 0)


def test_an_unadapted_model_scores_zero(ubm, frames):
    assert linear_score(ubm, ubm, accumulate(ubm, frames[0])) == 0.0


def test_it_is_the_slope_of_the_exact_score_at_the_ubm(ubm, models, frames):
    step = 1e-6
    for model in models:
        near = DiagonalGMM(ubm.weights, ubm.means + step * (model.means - ubm.means), ubm.variances)
        for x in frames:
            slope = log_likelihood_ratio(near, ubm, x) / step
            score = linear_score(model, ubm, accumulate(ubm, x))[0, 0]
            assert score == pytest.approx(slope, rel=1e-4)


def test_statistics_of_parts_of_a_test_score_as_their_mean(ubm, models, frames):
    first, second = frames[0][:20], frames[0][20:]
    parts = linear_score(models, ubm, [accumulate(ubm, first), accumulate(ubm, second)])
    whole = linear_score(models, ubm, accumulate(ubm, first) + accumulate(ubm, second))
    expected = (20 * parts[:, 0] + 30 * parts[:, 1]) / 50
    np.testing.assert_allclose(whole[:, 0], expected, rtol=1e-12)


def test_what_does_not_fit_is_refused(ubm, models):
    with pytest.raises(ModelError, match=r"statistics are of \(C, D\) = \(2, 4\), the UBM has"):
        linear_score(models, ubm, Statistics.zero(2, 4))
    with pytest.raises(FrameError, match="there are no frames to score"):
        linear_score(models, ubm, Statistics.zero(6, 4))
    other = DiagonalGMM([1.0], [[0.0]], [[1.0]])
    with pytest.raises(ModelError, match=r"the speaker model has \(C, D\) = \(1, 1\)"):
        linear_score(other, ubm, [])


# --- lists of trials -----------------------------------------------------------------------------


@pytest.fixture
def many_models(ubm):
    rng = np.random.default_rng(10)
    parameters = ("means", "means+variances", "means+weights", "all")
    return [
        map_adapt(
            ubm, accumulate(ubm, rng.normal(0.2 * i, 1, (50, 4))), parameters=parameters[i % 4]
        )
        for i in range(7)
    ]


def listed(n_models, frames):
    trials = all_against_all(
        {f"m{i}": f"s{i}" for i in range(n_models)}, {f"t{i}": "s0" for i in range(len(frames))}
    )
    tests = {f"t{i}": x for i, x in enumerate(frames)}
    return trials, tests.__getitem__


def test_a_bank_gives_the_scores_of_some_models(ubm, many_models, frames):
    bank = LinearBank.of(many_models, ubm)
    assert bank.n_models == 7
    for x in frames:
        expected = linear_score(many_models, ubm, accumulate(ubm, x))[:, 0]
        for chosen in ([0, 1, 2, 3, 4, 5, 6], [5], [6, 0, 6], []):
            scores = bank.scores(x, np.array(chosen, dtype=np.int32))
            np.testing.assert_allclose(scores, expected[chosen], rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize(("dtype", "limit"), [(np.float64, ROUNDING), (np.float32, FAST)])
def test_a_list_is_scored_as_its_matrix(ubm, many_models, frames, dtype, limit):
    trials, load = listed(7, [x.astype(dtype) for x in frames])
    scores = score_trials(many_models, ubm, load, trials, scorer="linear")
    expected = linear_score(many_models, ubm, [accumulate(ubm, x) for x in frames])
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores.reshape(7, 3), expected, rtol=limit, atol=limit)


def test_trials_that_are_not_listed_are_not_scored(ubm, many_models, frames):
    rng = np.random.default_rng(0)
    every, load = listed(7, frames)
    keep = rng.permutation(len(every))[:9]
    trials = Trials(
        every.model_ids, every.test_ids, every.model_index[keep], every.test_index[keep],
        every.is_target[keep],
    )  # fmt: skip
    some = score_trials(many_models, ubm, load, trials, scorer="linear")
    whole = score_trials(many_models, ubm, load, every, scorer="linear")
    np.testing.assert_array_equal(some, whole[keep])


@pytest.mark.parametrize("bank_values", [1, 100, 160])
def test_cuts_into_banks_do_not_matter(monkeypatch, ubm, many_models, frames, bank_values):
    trials, load = listed(7, frames)
    whole = score_trials(many_models, ubm, load, trials, scorer="linear")
    monkeypatch.setattr(scoring, "BANK_VALUES", bank_values)
    cut = score_trials(many_models, ubm, load, trials, scorer="linear")
    np.testing.assert_allclose(cut, whole, rtol=ROUNDING, atol=ROUNDING)


def test_number_of_workers_changes_no_byte(ubm, many_models):
    rng = np.random.default_rng(1)
    frames = [rng.normal(0, 1.5, (100, 4)).astype(np.float32) for _ in range(11)]
    trials, load = listed(7, frames)
    scores = [
        score_trials(many_models, ubm, load, trials, scorer="linear", jobs=jobs).tobytes()
        for jobs in (1, 2, 4, None)
    ]
    assert len(set(scores)) == 1


def test_a_list_of_the_unadapted_model_scores_zero(ubm, models, frames):
    trials, load = listed(3, frames)
    scores = score_trials([ubm, models[0], ubm], ubm, load, trials, scorer="linear").reshape(3, 3)
    assert (scores[[0, 2]] == 0.0).all()
    assert (scores[1] != 0.0).all()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.empty((0, 4)), "test t0: there are no frames to score; expected one or more"),
        (np.zeros((3, 2)), r"test t0: frames have shape \(3, 2\); the model expects"),
        (np.full((3, 4), np.nan), "test t0: frame 0, feature 0 is nan"),
    ],
)
def test_frames_that_cannot_be_scored_name_their_test(ubm, models, x, message):
    trials, load = listed(2, [x])
    with pytest.raises(FrameError, match=message):
        score_trials(models, ubm, load, trials, scorer="linear")


def test_models_of_another_size_are_refused_in_a_list(ubm, models, frames):
    trials, load = listed(2, frames)
    other = DiagonalGMM([1.0], [[0.0] * 4], [[1.0] * 4])
    with pytest.raises(ModelError, match=r"the speaker model has \(C, D\) = \(1, 4\), the UBM"):
        score_trials([models[0], other], ubm, load, trials, scorer="linear")
