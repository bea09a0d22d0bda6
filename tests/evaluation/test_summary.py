"""An evaluation: all numbers of a trial list, and its way to a file and back."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from speakergmm import CostModel, eer, min_dcf
from speakergmm.corpora import Scores, all_against_all
from speakergmm.errors import ConfigError, ScoreError
from speakergmm.evaluation import Estimate, EvaluationConfig, evaluate_scores
from speakergmm.evaluation.summary import Evaluation


def random_scores(n_speakers=8, *, calibrated=True):
    trials = all_against_all(
        {f"m{i}": f"speaker{i}" for i in range(n_speakers)},
        {f"t{i}": f"speaker{i % n_speakers}" for i in range(3 * n_speakers)},
    )
    score = np.random.default_rng(1).normal(size=len(trials)) + 2 * trials.is_target
    return Scores(trials, score, 2 * score - 2 if calibrated else None)


def test_numbers_are_those_of_the_list():
    scores = random_scores()
    config = EvaluationConfig(p_target=0.2, n_resamples=20)
    evaluation = evaluate_scores(scores, config, rng=3)
    assert evaluation.n_target == 24
    assert evaluation.n_nontarget == 8 * 24 - 24
    assert (evaluation.n_models, evaluation.n_tests, evaluation.n_speakers) == (8, 24, 8)
    sides = scores.target(), scores.nontarget()
    assert evaluation.metrics["eer"].value == pytest.approx(eer(*sides))
    expected = min_dcf(*sides, CostModel(0.2))
    assert evaluation.metrics["min_dcf"].value == pytest.approx(expected)
    point = evaluation.thresholds["min_dcf"]
    assert CostModel(0.2).dcf(point.p_miss, point.p_fa) == pytest.approx(expected)
    assert evaluate_scores(scores, config, rng=3) == evaluation
    assert evaluate_scores(scores, config, rng=4) != evaluation


def test_without_ratios_there_are_no_metrics_of_ratios():
    evaluation = evaluate_scores(random_scores(calibrated=False), EvaluationConfig(n_resamples=0))
    assert set(evaluation.metrics) == {"eer", "eer_interpolated", "min_dcf", "min_cllr"}


@pytest.mark.parametrize("n_resamples", [0, 20])
def test_there_and_back_through_json(n_resamples):
    evaluation = evaluate_scores(random_scores(), EvaluationConfig(n_resamples=n_resamples))
    # Strict JSON: no word for infinity.
    text = json.dumps(evaluation.to_json(), allow_nan=False)
    assert Evaluation.from_json(json.loads(text)) == evaluation
    entry = json.loads(text)["eer"]
    assert set(entry) == ({"value", "low", "high"} if n_resamples else {"value"})


def test_infinity_comes_back_from_json():
    evaluation = evaluate_scores(random_scores(), EvaluationConfig(n_resamples=0))
    metrics = evaluation.metrics | {"cllr": Estimate(math.inf, 1.5, math.inf)}
    infinite = dataclasses.replace(evaluation, metrics=metrics)
    text = json.dumps(infinite.to_json(), allow_nan=False)
    assert Evaluation.from_json(json.loads(text)) == infinite


def test_a_target_at_minus_infinity_is_an_infinite_cllr():
    scores = random_scores()
    llr = scores.llr.copy()
    llr[scores.trials.is_target] = -np.inf
    evaluation = evaluate_scores(
        Scores(scores.trials, scores.score, llr), EvaluationConfig(n_resamples=20)
    )
    assert evaluation.metrics["cllr"] == Estimate(math.inf, math.inf, math.inf)


def test_scores_without_metrics_are_refused():
    scores = random_scores()
    trials = scores.trials
    none = dataclasses.replace(trials, is_target=np.zeros(len(trials), dtype=bool))
    with pytest.raises(ScoreError, match="there are no target scores"):
        evaluate_scores(Scores(none, scores.score))
    nan = scores.score.copy()
    nan[~trials.is_target] = np.nan
    with pytest.raises(ScoreError, match="168 of 168 nontarget scores are NaN"):
        evaluate_scores(Scores(trials, nan))


def test_ratios_that_are_nan_are_refused():
    scores = random_scores()
    llr = scores.llr.copy()
    llr[np.flatnonzero(scores.trials.is_target)[0]] = np.nan
    with pytest.raises(ScoreError, match=r"1 of 24 target .* NaN"):
        evaluate_scores(Scores(scores.trials, scores.score, llr))


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("p_target", 0.0, "p_target is 0.0; expected"),
        ("c_miss", -1.0, "c_miss is -1.0; expected"),
        ("c_fa", 0.0, "c_fa is 0.0; expected"),
        ("n_resamples", -1, "n_resamples is -1; expected 0 to 100000"),
        ("n_resamples", 10.5, "n_resamples is 10.5; expected"),
    ],
)
def test_settings_out_of_range_are_refused(setting, value, message):
    with pytest.raises(ConfigError, match=message):
        EvaluationConfig(**{setting: value})
