"""Resamples: who the speakers are, what a weight means, and intervals and p-values made of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student

from speakergmm import (
    CostModel,
    actual_dcf,
    cllr,
    eer,
    eer_interpolated,
    min_cllr,
    min_dcf,
)
from speakergmm.corpora import Scores, Trials, trial_speakers
from speakergmm.evaluation.bootstrap import (
    MAX_LEFT_OUT,
    MIN_SPEAKERS,
    Resampler,
    bootstrap,
    draw_speakers,
    leave_speakers_out,
    resampled_rates,
)
from speakergmm.evaluation.detection import (
    auc_of_groups,
    diagonal_crossing,
    min_cllr_of_groups,
)
from speakergmm.evaluation.draws import Draws, Estimate
from speakergmm.evaluation.metrics import auc
from speakergmm.evaluation.pair_sums import PairSums, TrialSpeakers, in_lanes
from speakergmm.evaluation.roc import hull_groups, rates

LAW = settings(derandomize=True, deadline=None, max_examples=200)

# The second has a threshold of exactly 0, which some of the ratios below have.
COSTS = (CostModel(), CostModel(0.25, 3.0, 1.0), CostModel(0.9))
RATIOS = (0.1, 1.0, 7.0)

OF_ORDER = {
    "eer": eer,
    "eer_interpolated": eer_interpolated,
    "min_cllr": min_cllr,
    "auc": auc,
    **{
        f"min_dcf:{k}": lambda target, nontarget, cost=cost: min_dcf(target, nontarget, cost)
        for k, cost in enumerate(COSTS)
    },
}
OF_LLR = {
    "cllr": cllr,
    **{
        f"actual_dcf:{k}": lambda target, nontarget, cost=cost: actual_dcf(target, nontarget, cost)
        for k, cost in enumerate(COSTS)
    },
}

# Of sums of some dozens of rates, added up in another order.
ROUNDING = 1e-9

# --- made-up scores ------------------------------------------------------------------------------

# Few distinct values, so that ties are the rule; and some that are infinite.
SCORE = st.integers(-3, 3).map(float) | st.sampled_from([-np.inf, np.inf])
N_SPEAKERS = 4
SPEAKER = st.integers(0, N_SPEAKERS - 1)
ROWS = st.lists(st.tuples(SPEAKER, SPEAKER, SCORE, SCORE), min_size=2, max_size=25).filter(
    lambda rows: {model == test for model, test, _, _ in rows} == {True, False}
)
COUNTS = st.lists(st.integers(0, 3), min_size=N_SPEAKERS, max_size=N_SPEAKERS)


def scores_of(rows):
    """Scores and ratios of (model's speaker, test's speaker, score, llr); the speakers are told."""
    model, test, score, llr = (np.array(column) for column in zip(*rows, strict=True))
    trials = Trials(
        tuple(f"m{i}" for i in range(N_SPEAKERS)),
        tuple(f"t{i}" for i in range(len(rows))),
        model.astype(np.int32),
        np.arange(len(rows), dtype=np.int32),
        model == test,
        np.arange(N_SPEAKERS),
        test,
    )
    return Scores(trials, score, llr)


def weights_of(rows, counts):
    """How often each trial is there: as its one speaker, or as both of its speakers."""
    return np.array([counts[m] * (1 if m == t else counts[t]) for m, t, _, _ in rows])


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


def drawn_from(scores, n_resamples=50, rng=0, **options):
    return bootstrap(scores, COSTS, n_resamples, rng, ratios=RATIOS, **options)


def estimates(scores, n_resamples=50, rng=0):
    return {name: d.estimate() for name, d in drawn_from(scores, n_resamples, rng).items()}


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


# --- draws of speakers ---------------------------------------------------------------------------


@LAW
@given(st.integers(MIN_SPEAKERS, 50), st.integers(0, 20), st.integers(0, 9))
def test_as_many_speakers_are_drawn_as_there_are(n_speakers, n_resamples, seed):
    counts = draw_speakers(n_speakers, n_resamples, seed)
    assert counts.shape == (n_resamples, n_speakers)
    assert (counts >= 0).all()
    np.testing.assert_array_equal(counts, counts.round())
    np.testing.assert_array_equal(counts.sum(axis=1), n_speakers)
    np.testing.assert_array_equal(counts, draw_speakers(n_speakers, n_resamples, seed))


def test_every_speaker_is_drawn_as_often_as_another():
    counts = draw_speakers(10, 20_000, 0)
    # A count has the variance 0.9 of 10 draws with a share of 0.1; its mean is known to 0.0067.
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.03)
    np.testing.assert_allclose(counts.var(axis=0), 0.9, atol=0.05)


@LAW
@given(st.integers(2, 3 * MAX_LEFT_OUT))
def test_every_speaker_is_left_out_once(n_speakers):
    counts = leave_speakers_out(n_speakers)
    assert counts.shape == (min(n_speakers, MAX_LEFT_OUT), n_speakers)
    np.testing.assert_array_equal((counts == 0).sum(axis=0), 1)
    n_left = (counts == 0).sum(axis=1)
    assert n_left.max() - n_left.min() <= 1
    assert set(np.unique(counts)) <= {0.0, 1.0}


# --- weights -------------------------------------------------------------------------------------


@LAW
@given(ROWS, COUNTS)
def test_a_weight_is_a_number_of_repeats(rows, counts):
    scores, weights = scores_of(rows), weights_of(rows, counts)
    is_target = scores.trials.is_target
    assume(weights[is_target].any() and weights[~is_target].any())
    found = Resampler(scores, COSTS).values(np.array([counts], dtype=float))
    for metrics, values in ((OF_ORDER, scores.score), (OF_LLR, scores.llr)):
        target = np.repeat(values[is_target], weights[is_target])
        nontarget = np.repeat(values[~is_target], weights[~is_target])
        for name, metric in metrics.items():
            expected = metric(target, nontarget)
            assert found[name] == pytest.approx([expected], abs=ROUNDING), name


@LAW
@given(ROWS)
def test_counts_of_one_change_nothing(rows):
    scores = scores_of(rows)
    is_target = scores.trials.is_target
    found = Resampler(scores, COSTS).values(np.ones((1, N_SPEAKERS)))
    for metrics, values in ((OF_ORDER, scores.score), (OF_LLR, scores.llr)):
        for name, metric in metrics.items():
            expected = metric(values[is_target], values[~is_target])
            assert found[name] == pytest.approx([expected], abs=ROUNDING), name


def slow_values(score, is_target, weights):
    """What the compiled pass computes, from one group a distinct score."""
    distinct = sorted({s for s, w in zip(score, weights, strict=True) if w})
    n_target, n_nontarget = (
        np.array([weights[(score == s) & side].sum() for s in distinct], dtype=float)
        for side in (is_target, ~is_target)
    )
    merged = hull_groups(n_target, n_nontarget)
    p_miss, p_fa = rates(*merged)
    values = {
        "eer_interpolated": diagonal_crossing(*rates(n_target, n_nontarget)),
        "min_cllr": min_cllr_of_groups(*merged),
        "auc": auc_of_groups(n_target, n_nontarget),
        "eer": diagonal_crossing(p_miss, p_fa),
    }
    values |= {f"min_dcf:{k}": cost.dcf(p_miss, p_fa).min() for k, cost in enumerate(COSTS)}
    # p_miss = ratio · p_fa, as p_miss on the curve whose p_fa is stretched.
    return values | {
        f"p_fa:{ratio:g}": diagonal_crossing(p_miss, ratio * p_fa) / ratio
        for ratio in RATIOS
        if ratio != 1
    }


@LAW
@given(ROWS, st.lists(COUNTS, min_size=1, max_size=20))
def test_the_compiled_pass_agrees_with_a_slow_one(rows, every_counts):
    scores = scores_of(rows)
    is_target = scores.trials.is_target
    found = Resampler(scores, COSTS, RATIOS).values(np.array(every_counts, dtype=float))
    for i, counts in enumerate(every_counts):
        weights = weights_of(rows, counts)
        if weights[is_target].any() and weights[~is_target].any():
            for name, expected in slow_values(scores.score, is_target, weights).items():
                assert found[name][i] == pytest.approx(expected, abs=ROUNDING), name
        else:
            assert all(np.isnan(values[i]) for values in found.values())


@LAW
@given(ROWS, COUNTS)
def test_all_that_is_read_off_is_in_its_range(rows, counts):
    found = Resampler(scores_of(rows), COSTS, RATIOS).values(np.array([counts], dtype=float))
    for name, (value,) in found.items():
        highest = {"eer": 0.5, "cllr": np.inf}.get(name, 1.0)
        if not name.startswith("actual_dcf") and not np.isnan(value):
            assert 0 <= value <= highest + ROUNDING, name


def test_names_are_those_of_the_values():
    scores = random_scores()
    resampler = Resampler(scores, COSTS[:2], RATIOS)
    of_order = ["eer_interpolated", "min_cllr", "auc", "min_dcf:0", "min_dcf:1"]
    of_order += ["p_fa:0.1", "eer", "p_fa:7"]
    assert list(resampler.names) == of_order
    assert list(resampler.values(np.ones((1, 12)))) == of_order
    calibrated = Resampler(random_scores(calibrated=True), COSTS[:2], RATIOS)
    assert list(calibrated.names) == [*of_order, "cllr", "actual_dcf:0", "actual_dcf:1"]
    assert Resampler(scores, ()).names == ("eer_interpolated", "min_cllr", "auc", "eer")


@pytest.mark.parametrize("n_resamples", [1, 15, 16, 17, 40])
def test_what_is_worked_on_side_by_side_does_not_mix(n_resamples):
    resampler = Resampler(random_scores(calibrated=True), COSTS, RATIOS)
    counts = draw_speakers(12, n_resamples, 1)
    together = resampler.values(counts)
    for i, row in enumerate(counts):
        alone = resampler.values(row[None])
        assert all(together[name][i] == alone[name][0] for name in resampler.names)


@LAW
@given(ROWS, COUNTS, COUNTS)
def test_both_sides_of_a_nontarget_trial_are_drawn(rows, counts, flags):
    scores = scores_of(rows)
    chosen = np.array([flags[m] > 1 for m, _, _, _ in rows])
    values = np.stack([np.ones(len(rows)), chosen], axis=1)
    is_target = scores.trials.is_target
    pairs = PairSums(TrialSpeakers(scores.trials), is_target, values.T)
    sums = pairs.sums(in_lanes(np.array([counts], dtype=float)))
    weights = weights_of(rows, counts)
    for side, found in zip((scores.trials.is_target, ~scores.trials.is_target), sums, strict=True):
        np.testing.assert_array_equal(found[:, 0], weights[side] @ values[side])
        assert not found[:, 1:].any()


# --- intervals and p-values of numbers -----------------------------------------------------------


def skewed_draws(seed, n_speakers=20, n_resamples=500):
    """A rate with a long tail, drawn with some bias."""
    rng = np.random.default_rng(seed)
    observed = rng.uniform(0.01, 0.3)
    drawn = observed * rng.gamma(20, rng.uniform(0.8, 1.2) / 20, size=n_resamples)
    return Draws(observed, drawn, observed * rng.gamma(400, 1 / 400, size=n_speakers), n_speakers)


SEED = st.integers(0, 2**32 - 1)


@LAW
@given(SEED, st.integers(MIN_SPEAKERS, 300))
def test_an_estimate_holds_what_was_observed_and_stays_in_its_range(seed, n_speakers):
    draws = skewed_draws(seed, n_speakers)
    found = draws.estimate(highest=0.31)
    assert found.value == draws.observed
    assert 0 <= found.low <= found.value <= found.high <= 0.31


@LAW
@given(SEED, st.sampled_from([0.001, 0.5, 3.0, 1e6]))
@pytest.mark.parametrize("is_free", [False, True])
def test_a_change_of_unit_changes_the_unit_of_the_interval(is_free, seed, scale):
    draws = dataclasses.replace(skewed_draws(seed), is_free_of_bias=is_free)
    scaled = Draws(scale * draws.observed, scale * draws.drawn, scale * draws.left_out, 20, is_free)
    low, high = draws.interval()
    expected = scale * low, scale * high
    assert scaled.interval() == pytest.approx(expected)
    assert scaled.p_value() == pytest.approx(draws.p_value())


@LAW
@given(SEED, st.floats(-10, 10))
def test_the_interval_of_a_difference_moves_with_the_difference(seed, shift):
    draws = dataclasses.replace(skewed_draws(seed), is_free_of_bias=True)
    moved = Draws(draws.observed + shift, draws.drawn + shift, draws.left_out + shift, 20, True)
    low, high = draws.interval()
    expected = pytest.approx((low + shift, high + shift), abs=ROUNDING)
    assert moved.interval() == expected


@LAW
@given(SEED, SEED)
def test_exchanged_systems_differ_as_much_the_other_way(seed, other_seed):
    one, other = skewed_draws(seed), skewed_draws(other_seed)
    there, back = one.compared_to(other), other.compared_to(one)
    assert there.observed == -back.observed
    assert there.p_value() == pytest.approx(back.p_value())
    assert 0 < there.p_value() <= 1
    low, high = there.interval()
    # From below and from above, a share of the resamples ends at neighbors.
    rising = there.without_bias()
    back_low, back_high = back.interval()
    for mine, theirs in ((low, -back_high), (high, -back_low)):
        between = np.searchsorted(rising, [mine - ROUNDING, theirs - ROUNDING])
        assert abs(between[1] - between[0]) <= 1


@LAW
@given(SEED, st.integers(20, 100))
def test_a_difference_is_significant_where_its_interval_excludes_zero(seed, n_speakers):
    rng = np.random.default_rng(seed)
    observed = 3.0 * rng.normal()
    drawn, left_out = observed + rng.normal(size=4000), rng.exponential(size=n_speakers)
    difference = Draws(observed, drawn, left_out, n_speakers, is_free_of_bias=True)
    p = difference.p_value()
    # One resample more or less below 0 moves a p-value near 0.05 by less than that. (Of fewer than
    # 20 speakers, the ends of an interval may lie beyond the last resample.)
    assume(abs(p - 0.05) > 0.02)
    low, high = difference.interval()
    assert (p < 0.05) == (low > 0 or high < 0)


def test_no_difference_has_a_p_value_of_one():
    draws = skewed_draws(0)
    assert draws.compared_to(draws).p_value() == 1.0
    even = Draws(0.0, np.array([-1.0, 1.0] * 50), np.zeros(9), 9, is_free_of_bias=True)
    assert even.p_value() == pytest.approx(1.0)


def test_a_difference_in_every_resample_has_a_small_p_value_that_is_not_0():
    rng = np.random.default_rng(0)
    sure = Draws(9.0, rng.normal(9.0, 1.0, size=1000), np.full(40, 9.0), 40, is_free_of_bias=True)
    # Half of one more resample lies beyond 0.
    expected = 2 * student.sf(-norm.ppf(0.5 / 1001) * np.sqrt(39 / 40), 39)
    assert sure.p_value() == pytest.approx(expected)


@pytest.mark.parametrize("n_speakers", [5, 20, 10_000])
def test_the_interval_of_a_normal_number_is_that_of_student(n_speakers):
    # Ranks of a normal distribution about what was observed: no bias, no skewness.
    drawn = 0.2 + 0.01 * norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    draws = Draws(0.2, drawn, np.array([0.19, 0.21] * 10), n_speakers)
    reach = 0.01 * student.ppf(0.975, n_speakers - 1) * np.sqrt(n_speakers / (n_speakers - 1))
    # A resample is a hundred thousandth; at 3.1 deviations, their spacing is a 200th of one.
    assert draws.interval() == pytest.approx((0.2 - reach, 0.2 + reach), abs=2e-4)
    free = dataclasses.replace(draws, is_free_of_bias=True)
    assert free.interval() == pytest.approx(draws.interval())


def test_bias_is_taken_off():
    drawn = np.array([0.1, 0.3, 0.2])
    draws = Draws(0.1, drawn, np.zeros(5), 5)
    # Drawn twice as high as observed, which is four times as high as the population.
    np.testing.assert_allclose(draws.without_bias(), [0.0125, 0.025, 0.0375])
    free = dataclasses.replace(draws, is_free_of_bias=True)
    np.testing.assert_array_equal(free.without_bias(), [0.1, 0.2, 0.3])


def test_a_difference_of_systems_is_scaled_as_both_and_lies_about_what_was_observed():
    one = Draws(0.3, np.array([0.2, 0.1, 0.3]), np.zeros(5), 5)
    other = Draws(0.1, np.array([0.1, 0.05, 0.05]), np.zeros(5), 5)
    difference = one.compared_to(other)
    # Together 0.4 where resamples have 0.8 / 3: half as high again, and its cube.
    spread = 1.5**3 * (np.array([0.1, 0.05, 0.25]) - 0.4 / 3)
    np.testing.assert_allclose(difference.drawn, 0.2 + spread)
    assert difference.without_bias().mean() == pytest.approx(difference.observed)


def test_a_difference_of_metrics_is_that_of_what_each_is_without_bias():
    one = Draws(0.1, np.array([0.1, 0.3, 0.2]), np.zeros(5), 5)
    other = Draws(0.05, np.array([0.05, 0.04, 0.06]), np.zeros(5), 5)
    difference = one.minus(other)
    np.testing.assert_allclose(difference.drawn, [0.0125 - 0.05, 0.0375 - 0.04, 0.025 - 0.06])
    assert difference.observed == pytest.approx(0.05)


def test_acceleration_of_a_mean_is_a_sixth_of_its_skewness():
    x = np.random.default_rng(1).exponential(size=30)
    left_out = (x.sum() - x) / 29
    away = x - x.mean()
    skewness = (away**3).mean() / (away**2).mean() ** 1.5
    found = Draws(x.mean(), x, left_out, 30).acceleration
    assert found == pytest.approx(skewness / (6 * np.sqrt(30)))
    assert Draws(1.0, x, np.ones(30), 30).acceleration == 0.0
    assert Draws(1.0, x, np.array([1.0, np.inf]), 30).acceleration == 0.0


@pytest.mark.parametrize("drawn", [[], [0.0, 0.0]])
def test_where_nothing_was_drawn_there_is_no_interval(drawn):
    assert Draws(0.0, np.array(drawn), np.zeros(5), 5).estimate() == Estimate(0.0)


# --- intervals of metrics ------------------------------------------------------------------------


@pytest.mark.parametrize("n_resamples", [0, 20])
@pytest.mark.parametrize("calibrated", [False, True])
def test_observed_are_the_metrics(n_resamples, calibrated):
    scores = random_scores(calibrated=calibrated)
    found = drawn_from(scores, n_resamples)
    is_target = scores.trials.is_target
    of_values = [(OF_ORDER, scores.score), *([(OF_LLR, scores.llr)] if calibrated else [])]
    for metrics, values in of_values:
        for name, metric in metrics.items():
            expected = metric(values[is_target], values[~is_target])
            assert found[name].observed == pytest.approx(expected, abs=ROUNDING), name
            assert len(found[name].drawn) == n_resamples
            assert len(found[name].left_out) == (12 if n_resamples else 0)
    assert set(OF_LLR) <= set(found) if calibrated else not set(OF_LLR) & set(found)


@pytest.mark.parametrize("metric", ["eer", "min_cllr"])
def test_resamples_are_those_of_the_drawn_speakers(metric):
    scores = random_scores()
    resampler = Resampler(scores, COSTS)
    found = bootstrap(scores, COSTS, 30, 5)[metric]
    counts = draw_speakers(12, 30, 5)
    np.testing.assert_array_equal(found.drawn, resampler.values(counts)[metric])
    left_out = resampler.values(leave_speakers_out(12))[metric]
    np.testing.assert_array_equal(found.left_out, left_out)


def test_speakers_who_differ_widen_the_interval():
    def width(speaker_effect):
        rng = np.random.default_rng(3)
        trials = speaker_trials(20)
        noise = rng.normal(size=len(trials)) + 2 * trials.is_target
        effect = speaker_effect * rng.normal(size=20)[trials.model_index] * trials.is_target
        found = estimates(Scores(trials, noise + effect), 200)["eer"]
        return found.high - found.low

    assert width(3.0) > 1.3 * width(0.0)


def test_more_speakers_narrow_the_interval():
    def width(n_speakers):
        found = estimates(random_scores(n_speakers), 200)["eer"]
        return found.high - found.low

    assert width(60) < 0.7 * width(10)


def test_same_seed_same_interval_and_another_seed_another():
    scores = random_scores(calibrated=True)
    one, again, other = (estimates(scores, rng=rng) for rng in (1, 1, 2))
    assert one == again
    assert one["eer"] != other["eer"]
    assert estimates(scores, rng=np.random.default_rng(1)) == one


def test_jobs_do_not_matter():
    scores = random_scores(calibrated=True)
    one, many = (drawn_from(scores, 70, jobs=jobs) for jobs in (1, 4))
    for name in one:
        np.testing.assert_array_equal(one[name].drawn, many[name].drawn)
        np.testing.assert_array_equal(one[name].left_out, many[name].left_out)


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
    one, other = drawn_from(scores), drawn_from(shuffled)
    for name, draws in one.items():
        np.testing.assert_allclose(other[name].drawn, draws.drawn, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(("n_speakers", "has_interval"), [(4, False), (5, True)])
def test_fewer_than_five_speakers_give_no_interval(n_speakers, has_interval):
    assert MIN_SPEAKERS == 5
    for estimate in estimates(random_scores(n_speakers, gap=0.5), 20).values():
        assert (estimate.low is not None) == has_interval
        assert (estimate.high is not None) == has_interval


def test_no_resamples_no_interval():
    found = estimates(random_scores(), 0)
    assert all((estimate.low, estimate.high) == (None, None) for estimate in found.values())


def test_an_infinite_cllr_has_an_interval_without_nan():
    scores = random_scores(calibrated=True)
    llr = scores.llr.copy()
    # One speaker's target trial; where that speaker is not drawn, Cllr is finite.
    llr[np.flatnonzero(scores.trials.is_target)[0]] = -np.inf
    found = estimates(Scores(scores.trials, scores.score, llr))
    assert found["cllr"].value == np.inf
    assert found["cllr"].high == np.inf
    assert 0 < found["cllr"].low < np.inf
    assert found["actual_dcf:0"].high < np.inf


def test_resamples_that_lack_a_kind_of_trial_are_left_out():
    # One speaker alone has a target trial; whoever does not draw him has nothing to measure.
    trials = speaker_trials(6)
    speakers = trial_speakers(trials)[:2]
    first = np.flatnonzero(trials.is_target)[0]
    is_target = np.arange(len(trials)) == first
    trials = Trials(
        trials.model_ids,
        trials.test_ids,
        trials.model_index,
        trials.test_index,
        is_target,
        *speakers,
    )
    scores = Scores(trials, np.where(is_target, 2.0, np.arange(len(trials)) % 4))
    counts = draw_speakers(6, 300, 0)
    # Nontarget trials need a second speaker, or another of the first's own tests, which are none.
    n_kept = int((counts[:, speakers[0][0]] > 0).sum())
    for draws in drawn_from(scores, 300).values():
        assert len(draws.drawn) == n_kept
        assert not np.isnan(draws.drawn).any()
        assert len(draws.left_out) == 5


# --- rates of decisions --------------------------------------------------------------------------


@LAW
@given(ROWS)
def test_rates_are_the_shares_of_wrong_trials(rows):
    scores = scores_of(rows)
    is_target = scores.trials.is_target
    wrong = (scores.score >= 0) != is_target
    p_miss, p_fa = resampled_rates(scores.trials, wrong, 10, 0)
    assert p_miss.observed == pytest.approx(wrong[is_target].mean())
    assert p_fa.observed == pytest.approx(wrong[~is_target].mean())
    # Four speakers have no interval.
    assert len(p_miss.drawn) == len(p_fa.left_out) == 0


def test_rates_are_resampled_as_their_cost_is():
    scores = random_scores(calibrated=True, gap=1.0)
    cost = CostModel(0.5)
    wrong = (scores.llr >= cost.threshold) != scores.trials.is_target
    p_miss, p_fa = resampled_rates(scores.trials, wrong, 100, 7)
    found = bootstrap(scores, [cost], 100, 7)["actual_dcf:0"]
    np.testing.assert_allclose(p_miss.drawn + p_fa.drawn, found.drawn, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(p_miss.left_out + p_fa.left_out, found.left_out, atol=ROUNDING)
    assert p_miss.n_speakers == p_fa.n_speakers == 12


def test_equally_infinite_numbers_do_not_differ():
    infinite = Draws(np.inf, np.full(50, np.inf), np.full(12, np.inf), 12)
    assert infinite.minus(infinite).p_value() == 1.0
    assert infinite.compared_to(infinite).p_value() == 1.0


def test_any_numbers_tell_speakers_apart():
    scores = random_scores()
    model, test, _ = trial_speakers(scores.trials)
    far = dataclasses.replace(scores.trials, model_speaker=10 * model, test_speaker=10 * test)
    one, other = drawn_from(scores), drawn_from(Scores(far, scores.score))
    np.testing.assert_array_equal(one["eer"].drawn, other["eer"].drawn)
