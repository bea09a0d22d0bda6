"""An evaluation: all numbers of a trial list, and its way to a file and back."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from speakergmm import CostModel, actual_dcf, eer, min_dcf
from speakergmm.corpora import Scores, all_against_all
from speakergmm.errors import ConfigError, ScoreError
from speakergmm.evaluation import Estimate, EvaluationConfig, evaluate_scores
from speakergmm.evaluation.cost import COST_POINTS
from speakergmm.evaluation.detection import diagonal_crossing
from speakergmm.evaluation.metrics import (
    auc,
    calibration_loss,
    p_fa_at,
    p_miss_at,
)
from speakergmm.evaluation.roc import roc_convex_hull
from speakergmm.evaluation.summary import FIXED_RATES, METRICS, Evaluation

# Of sums of some dozens of rates, added up in another order.
ROUNDING = 1e-9


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
    assert list(evaluation.metrics) == ["eer", "eer_interpolated", "auc", "min_dcf", "min_cllr"]
    assert all(set(point) == {"min_dcf"} for point in evaluation.points.values())


def test_every_metric_has_an_interval_that_holds_it_and_stays_in_its_range():
    evaluation = evaluate_scores(random_scores(), EvaluationConfig(n_resamples=50))
    assert list(evaluation.metrics) == list(METRICS)
    points = [found for point in evaluation.points.values() for found in point.items()]
    for name, found in [*evaluation.metrics.items(), *points]:
        assert 0 <= found.low <= found.value <= found.high <= METRICS[name], name


def test_the_area_and_the_calibration_loss_are_those_of_the_list():
    scores = random_scores()
    evaluation = evaluate_scores(scores, EvaluationConfig(n_resamples=50))
    is_target = scores.trials.is_target
    area = auc(scores.target(), scores.nontarget())
    assert evaluation.metrics["auc"].value == pytest.approx(area)
    loss = calibration_loss(scores.llr[is_target], scores.llr[~is_target])
    assert evaluation.metrics["calibration_loss"].value == pytest.approx(loss)
    parts = evaluation.metrics["cllr"].value - evaluation.metrics["min_cllr"].value
    assert loss == pytest.approx(parts)


def test_points_are_the_mean_cost_of_known_evaluations():
    scores = random_scores()
    evaluation = evaluate_scores(scores, EvaluationConfig(p_target=0.3, n_resamples=0))
    is_target = scores.trials.is_target
    assert list(evaluation.points) == list(COST_POINTS)
    for name, costs in COST_POINTS.items():
        least = [min_dcf(scores.target(), scores.nontarget(), cost) for cost in costs]
        actual = [actual_dcf(scores.llr[is_target], scores.llr[~is_target], c) for c in costs]
        assert evaluation.points[name]["min_dcf"].value == pytest.approx(np.mean(least))
        assert evaluation.points[name]["actual_dcf"].value == pytest.approx(np.mean(actual))


def test_rates_of_one_error_are_given_for_rates_of_the_other():
    scores = random_scores()
    evaluation = evaluate_scores(scores, EvaluationConfig(n_resamples=0))
    assert list(evaluation.p_miss_at) == list(evaluation.p_fa_at) == ["0.001", "0.01", "0.1"]
    sides = scores.target(), scores.nontarget()
    for rate in FIXED_RATES:
        assert evaluation.p_miss_at[f"{rate:g}"] == p_miss_at(*sides, rate)
        assert evaluation.p_fa_at[f"{rate:g}"] == p_fa_at(*sides, rate)


def test_the_band_lies_around_the_curve_and_holds_the_interval_of_the_eer():
    scores = random_scores()
    evaluation = evaluate_scores(scores, EvaluationConfig(n_resamples=50))
    band = evaluation.band
    assert (np.diff(band.ratio) > 0).all()
    assert (band.p_fa_low <= band.p_fa_high).all()
    # The more misses are allowed for each false alarm, the fewer false alarms.
    p_miss, p_fa = roc_convex_hull(scores.target(), scores.nontarget())
    for ratio, low, high in zip(band.ratio, band.p_fa_low, band.p_fa_high, strict=True):
        on_curve = diagonal_crossing(p_miss, ratio * p_fa) / ratio
        assert low - ROUNDING <= on_curve <= high + ROUNDING
    equal = int(np.flatnonzero(band.ratio == 1.0)[0])
    found = evaluation.metrics["eer"]
    assert (band.p_fa_low[equal], band.p_fa_high[equal]) == (found.low, found.high)
    assert evaluate_scores(scores, EvaluationConfig(n_resamples=0)).band is None


def test_without_an_error_the_rule_of_three_bounds_the_eer():
    trials = random_scores().trials
    perfect = Scores(trials, 5.0 * trials.is_target)
    evaluation = evaluate_scores(perfect, EvaluationConfig(n_resamples=50))
    # Eight speakers.
    assert evaluation.metrics["eer"] == Estimate(0.0, 0.0, 3 / 8)
    assert evaluation.metrics["eer_interpolated"] == Estimate(0.0, 0.0, 3 / 8)
    without = evaluate_scores(perfect, EvaluationConfig(n_resamples=0))
    assert without.metrics["eer"] == Estimate(0.0)


@pytest.mark.parametrize("jobs", [1, 3])
def test_jobs_do_not_matter(jobs):
    config = EvaluationConfig(n_resamples=50)
    alone = evaluate_scores(random_scores(), config, rng=1)
    assert evaluate_scores(random_scores(), config, rng=1, jobs=jobs) == alone


@pytest.mark.parametrize("n_resamples", [0, 20])
def test_there_and_back_through_json(n_resamples):
    evaluation = evaluate_scores(random_scores(), EvaluationConfig(n_resamples=n_resamples))
    # Strict JSON: no word for infinity.
    text = json.dumps(evaluation.to_json(), allow_nan=False)
    assert Evaluation.from_json(json.loads(text)) == evaluation
    entry = json.loads(text)["eer"]
    assert set(entry) == ({"value", "low", "high"} if n_resamples else {"value"})
    assert set(json.loads(text)["points"]["sre16"]["min_dcf"]) == set(entry)


def test_an_entry_without_newer_numbers_is_read():
    entry = evaluate_scores(random_scores(), EvaluationConfig(n_resamples=20)).to_json()
    for name in ("auc", "calibration_loss", "points", "p_miss_at", "p_fa_at"):
        del entry[name]
    evaluation = Evaluation.from_json(entry)
    assert evaluation.points == evaluation.p_miss_at == evaluation.p_fa_at == {}
    assert set(METRICS) - set(evaluation.metrics) == {"auc", "calibration_loss"}


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
