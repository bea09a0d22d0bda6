"""Intervals: who the speakers are, what a weight means, and that the interval is seeded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm import (
    CostModel,
    actual_dcf,
    cllr,
    eer,
    eer_interpolated,
    min_cllr,
    min_dcf,
)
from speakergmm.corpora import Scores, Trials
from speakergmm.evaluation.bootstrap import (
    MIN_SPEAKERS,
    Estimate,
    _SortedTrials,
    estimates,
    llr_values,
    metric_values,
    resampled_weights,
    trial_speakers,
)

LAW = settings(derandomize=True, deadline=None, max_examples=100)
# A threshold of exactly 0, which some of the ratios below have.
COST = CostModel(0.25, 3.0, 1.0)
OF_ORDER = {
    "eer": eer,
    "eer_interpolated": eer_interpolated,
    "min_dcf": lambda target, nontarget: min_dcf(target, nontarget, COST),
    "min_cllr": min_cllr,
}
OF_LLR = {
    "actual_dcf": lambda target, nontarget: actual_dcf(target, nontarget, COST),
    "cllr": cllr,
}

# Of sums of some dozens of rates.
ROUNDING = 1e-12

# Trials as (is target, score, weight), few distinct scores, so that ties are the rule.
WEIGHTED = st.lists(
    st.tuples(st.booleans(), st.integers(-3, 3), st.integers(0, 3)), min_size=2, max_size=20
).filter(lambda rows: {bool(t) for t, _, w in rows if w} == {True, False})


def make_trials(rows, n_models, n_tests):
    rows = np.array(rows, dtype=np.int32).reshape(-1, 3)
    return Trials(
        tuple(f"m{i}" for i in range(n_models)),
        tuple(f"t{i}" for i in range(n_tests)),
        rows[:, 0],
        rows[:, 1],
        rows[:, 2].astype(bool),
    )


def speaker_trials(n_speakers, tests_each=3):
    """Give one model and some tests to each speaker, all against all."""
    rows = [
        (model, test, test // tests_each == model)
        for model in range(n_speakers)
        for test in range(n_speakers * tests_each)
    ]
    return make_trials(rows, n_speakers, n_speakers * tests_each)


def random_scores(n_speakers=12, seed=0, *, gap=2.0, calibrated=False):
    """Scores in which speakers differ in how well they are told apart."""
    rng = np.random.default_rng(seed)
    trials = speaker_trials(n_speakers)
    score = rng.normal(size=len(trials)) + 0.7 * rng.normal(size=n_speakers)[trials.model_index]
    score += gap * trials.is_target
    return Scores(trials, score, 2 * score - 2 if calibrated else None)


# --- speakers ------------------------------------------------------------------------------------


def test_target_trials_tell_who_is_who():
    rows = [(0, 0, 1), (0, 1, 1), (1, 1, 1), (2, 2, 1), (0, 2, 0), (3, 0, 0), (2, 3, 0)]
    model, test, n_speakers = trial_speakers(make_trials(rows, 4, 4))
    # Models 0 and 1 share test 1; model 2 is test 2; model 3 and test 3 are no one's target.
    assert n_speakers == 4
    assert model[0] == model[1] == test[0] == test[1]
    assert model[2] == test[2]
    assert len({model[0], model[2], model[3], test[3]}) == 4


def test_without_target_trials_all_are_different():
    model, test, n_speakers = trial_speakers(make_trials([(0, 0, 0), (1, 1, 0)], 2, 2))
    assert n_speakers == 4
    assert sorted([*model, *test]) == [0, 1, 2, 3]


@LAW
@given(st.integers(1, 8), st.integers(1, 4), st.randoms(use_true_random=False))
def test_speakers_of_a_full_list_are_found_in_any_order(n_speakers, tests_each, random):
    trials = speaker_trials(n_speakers, tests_each)
    rows = list(zip(trials.model_index, trials.test_index, trials.is_target, strict=True))
    random.shuffle(rows)
    model, test, found = trial_speakers(make_trials(rows, n_speakers, n_speakers * tests_each))
    assert found == n_speakers
    assert len(set(model)) == n_speakers
    np.testing.assert_array_equal(test, np.repeat(model, tests_each))


# --- weights -------------------------------------------------------------------------------------


@LAW
@given(WEIGHTED)
def test_a_weight_is_a_number_of_repeats(rows):
    is_target, score, weight = (np.array(column) for column in zip(*rows, strict=True))
    score = score.astype(float)
    values = metric_values(_SortedTrials(score, is_target).groups(weight.astype(float)), COST)
    values |= llr_values(score, is_target, weight.astype(float), COST)
    target = np.repeat(score[is_target], weight[is_target])
    nontarget = np.repeat(score[~is_target], weight[~is_target])
    for name, metric in (OF_ORDER | OF_LLR).items():
        assert values[name] == pytest.approx(metric(target, nontarget), abs=ROUNDING), name


@LAW
@given(WEIGHTED)
def test_weights_of_one_change_nothing(rows):
    is_target, score, _ = (np.array(column) for column in zip(*rows, strict=True))
    score = score.astype(float)
    ones = np.ones(len(score))
    values = metric_values(_SortedTrials(score, is_target).groups(ones), COST)
    values |= llr_values(score, is_target, ones, COST)
    for name, metric in (OF_ORDER | OF_LLR).items():
        expected = metric(score[is_target], score[~is_target])
        assert values[name] == pytest.approx(expected, abs=ROUNDING), name


@LAW
@given(WEIGHTED, st.sampled_from([-np.inf, np.inf]))
def test_an_infinite_ratio_counts_when_it_is_drawn_and_not_otherwise(rows, infinity):
    is_target, llr, weight = (np.array(column) for column in zip(*rows, strict=True))
    llr = np.where(np.abs(llr) == 3, infinity, llr.astype(float))
    value = llr_values(llr, is_target, weight.astype(float), COST)["cllr"]
    target = np.repeat(llr[is_target], weight[is_target])
    nontarget = np.repeat(llr[~is_target], weight[~is_target])
    assert value == pytest.approx(cllr(target, nontarget), abs=ROUNDING)


def test_weights_are_those_of_drawn_speakers():
    trials = speaker_trials(6)
    model, test, n_speakers = trial_speakers(trials)
    n_seen = 0
    for weights in resampled_weights(trials, 30, np.random.default_rng(1)):
        # A target trial's weight is how often its speaker was drawn.
        drawn = np.zeros(n_speakers)
        drawn[model[trials.model_index[trials.is_target]]] = weights[trials.is_target]
        assert drawn.sum() == n_speakers
        expected = drawn[model[trials.model_index]] * np.where(
            trials.is_target, 1, drawn[test[trials.test_index]]
        )
        np.testing.assert_array_equal(weights, expected)
        n_seen += 1
    assert n_seen == 30


def test_resamples_without_both_kinds_of_trials_are_left_out():
    # Two speakers: half of the draws are twice the same one, and then no nontarget trial is left.
    resamples = list(resampled_weights(speaker_trials(2), 200, np.random.default_rng(2)))
    assert 60 < len(resamples) < 140
    trials = speaker_trials(2)
    assert all(weights[~trials.is_target].any() for weights in resamples)


# --- intervals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_resamples", [0, 20])
@pytest.mark.parametrize("calibrated", [False, True])
def test_values_are_the_metrics(n_resamples, calibrated):
    scores = random_scores(calibrated=calibrated)
    found = estimates(scores, COST, n_resamples=n_resamples, rng=0)
    for name, metric in OF_ORDER.items():
        expected = metric(scores.target(), scores.nontarget())
        assert found[name].value == pytest.approx(expected, abs=ROUNDING), name
    if calibrated:
        is_target = scores.trials.is_target
        for name, metric in OF_LLR.items():
            expected = metric(scores.llr[is_target], scores.llr[~is_target])
            assert found[name].value == pytest.approx(expected, abs=ROUNDING), name
    assert set(found) == {*OF_ORDER, *(OF_LLR if calibrated else ())}


def test_interval_holds_the_value_typically():
    inside = 0
    for seed in range(20):
        scores = random_scores(15, seed, calibrated=True)
        found = estimates(scores, COST, n_resamples=100, rng=seed)
        for estimate in found.values():
            assert estimate.low <= estimate.high
            inside += estimate.low <= estimate.value <= estimate.high
    # Six metrics, twenty lists.
    assert inside >= 110


def test_interval_covers_the_truth_typically():
    # 40 speakers, all alike: scores of two Gaussians two deviations apart have an EER of 15.87 %.
    covered = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        trials = speaker_trials(40, 2)
        scores = Scores(trials, rng.normal(size=len(trials)) + 2 * trials.is_target)
        found = estimates(scores, COST, n_resamples=100, rng=seed)["eer_interpolated"]
        covered += found.low <= 0.1587 <= found.high
    # 95 % of 30 is 28.5; the bootstrap of 40 speakers is known to be a little too narrow.
    assert covered >= 24


def test_speakers_who_differ_widen_the_interval():
    def width(speaker_effect):
        rng = np.random.default_rng(3)
        trials = speaker_trials(20)
        noise = rng.normal(size=len(trials)) + 2 * trials.is_target
        effect = speaker_effect * rng.normal(size=20)[trials.model_index] * trials.is_target
        found = estimates(Scores(trials, noise + effect), COST, n_resamples=200, rng=0)["eer"]
        return found.high - found.low

    assert width(3.0) > 1.3 * width(0.0)


def test_more_speakers_narrow_the_interval():
    def width(n_speakers):
        found = estimates(random_scores(n_speakers), COST, n_resamples=200, rng=0)["eer"]
        return found.high - found.low

    assert width(60) < 0.7 * width(10)


def test_same_seed_same_interval_and_another_seed_another():
    scores = random_scores(calibrated=True)
    one, again, other = (estimates(scores, COST, n_resamples=50, rng=rng) for rng in (1, 1, 2))
    assert one == again
    assert one["eer"] != other["eer"]
    generator = np.random.default_rng(1)
    assert estimates(scores, COST, n_resamples=50, rng=generator) == one


def test_order_of_the_trials_does_not_matter():
    scores = random_scores()
    order = np.random.default_rng(4).permutation(len(scores.trials))
    trials = scores.trials
    shuffled = Scores(
        Trials(
            trials.model_ids,
            trials.test_ids,
            trials.model_index[order],
            trials.test_index[order],
            trials.is_target[order],
        ),
        scores.score[order],
    )
    one = estimates(scores, COST, n_resamples=50, rng=1)
    other = estimates(shuffled, COST, n_resamples=50, rng=1)
    for name, estimate in one.items():
        assert other[name].value == pytest.approx(estimate.value, abs=ROUNDING)
        assert other[name].low == pytest.approx(estimate.low, abs=ROUNDING)
        assert other[name].high == pytest.approx(estimate.high, abs=ROUNDING)


def test_perfect_scores_have_a_sure_eer_of_zero():
    trials = speaker_trials(8)
    found = estimates(Scores(trials, 5.0 * trials.is_target), COST, n_resamples=50, rng=0)
    assert found["eer"] == Estimate(0.0, 0.0, 0.0)


@pytest.mark.parametrize(("n_speakers", "has_interval"), [(4, False), (5, True)])
def test_fewer_than_five_speakers_give_no_interval(n_speakers, has_interval):
    assert MIN_SPEAKERS == 5
    found = estimates(random_scores(n_speakers), COST, n_resamples=20, rng=0)
    for estimate in found.values():
        assert (estimate.low is not None) == has_interval
        assert (estimate.high is not None) == has_interval


def test_no_resamples_no_interval():
    found = estimates(random_scores(), COST, n_resamples=0, rng=0)
    assert all((estimate.low, estimate.high) == (None, None) for estimate in found.values())


def test_an_infinite_cllr_has_an_interval_without_nan():
    scores = random_scores(calibrated=True)
    llr = scores.llr.copy()
    # One speaker's target trial; where that speaker is not drawn, Cllr is finite.
    llr[np.flatnonzero(scores.trials.is_target)[0]] = -np.inf
    found = estimates(Scores(scores.trials, scores.score, llr), COST, n_resamples=50, rng=0)
    assert found["cllr"].value == np.inf
    assert found["cllr"].high == np.inf
    assert 0 < found["cllr"].low < np.inf
    assert found["actual_dcf"].high < np.inf


def test_resamples_that_never_hold_both_kinds_leave_no_interval():
    # One speaker alone has a target trial; whoever does not draw him has nothing to measure.
    trials = speaker_trials(6)
    first = np.flatnonzero(trials.is_target)[0]
    is_target = np.arange(len(trials)) == first
    trials = Trials(
        trials.model_ids, trials.test_ids, trials.model_index, trials.test_index, is_target
    )
    scores = Scores(trials, np.where(is_target, 2.0, 0.0))
    for seed in range(10):
        found = estimates(scores, COST, n_resamples=1, rng=seed)["eer"]
        assert found in (Estimate(0.0), Estimate(0.0, 0.0, 0.0))
