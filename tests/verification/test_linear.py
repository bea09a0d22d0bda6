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
from speakergmm.errors import FrameError, ModelError


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
