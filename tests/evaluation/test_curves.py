"""What is drawn: against the metrics at single points, plain sums, and simulated perfect ratios."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.errors import ScoreError
from speakergmm.evaluation import CostModel, actual_dcf, cllr, min_cllr, min_dcf
from speakergmm.evaluation.curves import (
    MAX_POINTS,
    N_BINS,
    cost_curves,
    entropy_curves,
    reliability,
    share_above,
    summarized,
)
from speakergmm.evaluation.pav import fit_monotone

LAW = settings(derandomize=True, deadline=None, max_examples=200)

# Of sums of some thousands of losses.
ROUNDING = 1e-12
# Of a curve from summarized values: a tenth of what a picture of a thousand points shows.
NOT_SEEN = 1e-4
# A few sorts of a million take a tenth of it; only what grows faster than they do does not pass.
QUICK_S = 10.0

# Of float32, so that what rises in float64 keeps them apart.
RATIO = st.floats(-20, 20, width=32) | st.integers(-3, 3).map(float)
SIDE = st.lists(RATIO, min_size=1, max_size=30)
ODDS = st.lists(st.floats(-12, 12), min_size=1, max_size=5)


def perfect_ratios(spread, n_target, n_nontarget, seed=0):
    """Calibrated log-likelihood ratios: normal, means ± s² / 2, variance s²."""
    rng = np.random.default_rng(seed)
    mean = spread**2 / 2
    return rng.normal(mean, spread, n_target), rng.normal(-mean, spread, n_nontarget)


def plain_entropy(target, nontarget, odds):
    """Ramos & Gonzalez-Rodriguez 2013, as it stands there."""
    p = 1 / (1 + math.exp(-odds))
    ratio = np.exp(odds)
    missing = p * np.mean(np.log2(1 + 1 / (np.exp(np.asarray(target)) * ratio)))
    return missing + (1 - p) * np.mean(np.log2(1 + np.exp(np.asarray(nontarget)) * ratio))


# --- empirical cross-entropy ---------------------------------------------------------------------


@LAW
@given(SIDE, SIDE)
def test_at_even_odds_the_entropies_are_cllr_and_min_cllr(target, nontarget):
    curves = entropy_curves(target, nontarget, [0.0])
    assert curves.actual[0] == pytest.approx(cllr(target, nontarget), abs=ROUNDING)
    assert curves.minimal[0] == pytest.approx(min_cllr(target, nontarget), abs=ROUNDING)
    assert curves.neutral[0] == pytest.approx(1.0, abs=ROUNDING)


@LAW
@given(SIDE, SIDE, ODDS)
def test_the_entropy_is_the_formula_of_the_paper(target, nontarget, odds):
    curves = entropy_curves(target, nontarget, odds)
    expected = [plain_entropy(target, nontarget, value) for value in odds]
    np.testing.assert_allclose(curves.actual, expected, rtol=1e-9, atol=ROUNDING)
    monotone = fit_monotone(target, nontarget)
    with np.errstate(divide="ignore"):
        expected = [plain_entropy(monotone(target), monotone(nontarget), value) for value in odds]
    np.testing.assert_allclose(curves.minimal, expected, rtol=1e-9, atol=ROUNDING)


@LAW
@given(SIDE, SIDE)
def test_the_neutral_entropy_is_that_of_the_prior(target, nontarget):
    curves = entropy_curves(target, nontarget)
    p = 1 / (1 + np.exp(-curves.prior_log_odds))
    expected = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    np.testing.assert_allclose(curves.neutral, expected, rtol=1e-9)


@LAW
@given(SIDE, SIDE, ODDS)
def test_no_calibration_and_no_knowledge_beats_the_best_at_any_prior(target, nontarget, odds):
    curves = entropy_curves(target, nontarget, odds)
    assert (curves.minimal <= curves.neutral + ROUNDING).all()
    assert (curves.minimal <= curves.actual + ROUNDING).all()
    assert (curves.minimal >= -ROUNDING).all()


@LAW
@given(SIDE, SIDE, ODDS)
def test_exchanged_and_negated_sides_mirror_the_entropy(target, nontarget, odds):
    there = entropy_curves(target, nontarget, odds)
    back = entropy_curves(-np.array(nontarget), -np.array(target), -np.array(odds))
    for name in ("actual", "minimal", "neutral"):
        np.testing.assert_allclose(
            getattr(there, name), getattr(back, name), rtol=1e-9, atol=ROUNDING
        )


def test_ratios_of_one_are_neutral_and_infinite_right_ones_are_perfect():
    none = entropy_curves(np.zeros(3), np.zeros(5))
    np.testing.assert_allclose(none.actual, none.neutral, rtol=ROUNDING)
    np.testing.assert_allclose(none.minimal, none.neutral, rtol=ROUNDING)
    perfect = entropy_curves([math.inf], [-math.inf])
    assert not perfect.actual.any()
    assert not perfect.minimal.any()


def test_an_infinite_wrong_ratio_costs_infinitely_at_every_prior():
    curves = entropy_curves([-math.inf, 1.0], [0.0, -1.0])
    assert (curves.actual == math.inf).all()
    assert (curves.minimal <= curves.neutral + ROUNDING).all()


@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_many_trials_are_drawn_as_if_each_had_been_summed(spread):
    target, nontarget = perfect_ratios(spread, 5_000, 100_000)
    curves = entropy_curves(target, nontarget, [-5.0, 0.0, 5.0])
    expected = [plain_entropy(target, nontarget, value) for value in (-5.0, 0.0, 5.0)]
    np.testing.assert_allclose(curves.actual, expected, atol=NOT_SEEN)
    assert curves.minimal[1] == pytest.approx(min_cllr(target, nontarget), abs=NOT_SEEN)


def test_one_trial_far_off_among_many_costs_what_it_costs():
    # As when sums over frames are taken for ratios: very sure, and once wrong.
    target = np.append(-1000.0, np.full(3999, 1000.0))
    nontarget = np.full(100, -1000.0)
    expected = cllr(target, nontarget)
    assert expected > 0.1
    assert entropy_curves(target, nontarget, [0.0]).actual[0] == pytest.approx(expected, rel=0.01)


# --- detection costs -----------------------------------------------------------------------------


@LAW
@given(
    SIDE, SIDE, st.floats(1e-4, 1 - 1e-4), st.floats(0.1, 20), st.floats(0.1, 20),
)  # fmt: skip
def test_costs_are_those_of_the_effective_prior(target, nontarget, p_target, c_miss, c_fa):
    cost = CostModel(p_target, c_miss, c_fa)
    odds = math.log(cost.effective_prior / (1 - cost.effective_prior))
    assert odds == pytest.approx(-cost.threshold, abs=1e-9)
    curves = cost_curves(target, nontarget, (target, nontarget), [-cost.threshold])
    expected = min_dcf(target, nontarget, cost)
    assert curves.minimal[0] == pytest.approx(expected, abs=ROUNDING)
    expected = actual_dcf(target, nontarget, cost)
    assert curves.actual[0] == pytest.approx(expected, rel=1e-9, abs=ROUNDING)


@LAW
@given(SIDE, SIDE)
def test_the_minimal_cost_is_below_the_actual_one_and_never_above_one(target, nontarget):
    curves = cost_curves(target, nontarget, (target, nontarget))
    assert (curves.minimal <= curves.actual + ROUNDING).all()
    assert (curves.minimal <= 1 + ROUNDING).all()
    assert (curves.minimal >= 0).all()


@LAW
@given(SIDE, SIDE)
def test_a_rising_function_of_the_scores_leaves_the_minimal_cost(target, nontarget):
    bent = [np.arctan(np.array(side) / 5) for side in (target, nontarget)]
    np.testing.assert_allclose(
        cost_curves(*bent).minimal, cost_curves(target, nontarget).minimal, atol=ROUNDING
    )


def test_costs_with_infinite_scores():
    target, nontarget = [-math.inf, 1.0, math.inf], [-math.inf, 0.0, math.inf]
    curves = cost_curves(target, nontarget, (target, nontarget), [0.0])
    # Rejected: the target at -inf; accepted: the nontargets at 0 and at +inf.
    assert curves.actual[0] == pytest.approx(1 / 3 + 2 / 3)
    assert np.isfinite(curves.minimal).all()


def test_without_ratios_there_is_no_actual_cost():
    assert cost_curves([1.0], [0.0]).actual is None


# --- reliability ---------------------------------------------------------------------------------


def far_off(spread, n_target, n_nontarget, n_lists=20):
    """How many of the bins of perfectly calibrated ratios have their intervals elsewhere."""
    n_outside = n_bins = 0
    for seed in range(n_lists):
        found = reliability(*perfect_ratios(spread, n_target, n_nontarget, seed))
        n_outside += ((found.given < found.low) | (found.given > found.high)).sum()
        n_bins += len(found.given)
    return n_outside / n_bins


# Of 240 bins 5 %, which are 12, should be outside; 24 are once in a thousand times.
MOST_OUTSIDE = 0.1


@pytest.mark.parametrize(("n_target", "n_nontarget"), [(500, 5_000), (20_000, 100_000)])
def test_perfect_ratios_that_say_little_are_worth_what_they_say(n_target, n_nontarget):
    assert far_off(1.0, n_target, n_nontarget) <= MOST_OUTSIDE


@pytest.mark.parametrize("spread", [2.0, 3.0])
def test_perfect_ratios_that_say_much_are_worth_what_they_say(spread):
    assert far_off(spread, 20_000, 100_000) <= MOST_OUTSIDE


def test_ratios_that_are_said_twice_too_large_are_found_out():
    target, nontarget = perfect_ratios(2.0, 20_000, 20_000)
    found = reliability(2 * target, 2 * nontarget)
    slope = np.polyfit(found.given, found.found, 1)[0]
    assert 0.4 < slope < 0.6


@LAW
@given(
    st.lists(st.floats(-8, 8), min_size=1, max_size=60),
    st.lists(st.floats(-8, 8), min_size=1, max_size=60),
)
def test_bins_rise_and_intervals_hold_what_was_found(target, nontarget):
    found = reliability(target, nontarget)
    assert len(found.given) <= N_BINS
    assert (np.diff(found.given) >= -ROUNDING).all()
    assert (found.low < found.found).all()
    assert (found.found < found.high).all()
    assert np.isfinite([found.given, found.found, found.low, found.high]).all()


def test_bins_weigh_the_same():
    # Of 1200 targets and as many nontargets in turn, each bin has a hundred of each.
    values = np.linspace(-1, 1, 2400)
    found = reliability(values[1::2], values[::2])
    assert len(found.given) == N_BINS
    np.testing.assert_allclose(found.found, 0, atol=0.02)
    assert np.diff(found.given) == pytest.approx(2 / N_BINS, rel=0.02)


def test_few_of_one_kind_and_many_of_the_other_weigh_as_much():
    few, many = perfect_ratios(1.0, 2_000, 200_000)
    found = reliability(few, many)
    assert len(found.given) == N_BINS
    # Whoever is as likely either way has a ratio of about 1.
    assert np.abs(found.found[N_BINS // 2 - 1 : N_BINS // 2 + 1]).max() < 0.5


def test_ties_share_a_bin():
    # A useless system says 0 of everybody, and rightly so.
    found = reliability(np.zeros(60), np.zeros(60))
    assert found.given.tolist() == [0.0]
    assert found.found.tolist() == [0.0]


def test_a_system_of_two_answers_has_two_bins():
    # e : 1 among those with a ratio of 1 and the reverse among those with -1.
    n = 10_000
    right = round(n * math.e / (1 + math.e))
    target = np.repeat([1.0, -1.0], [right, n - right])
    found = reliability(target, -target)
    np.testing.assert_allclose(found.given, [-1, 1], atol=ROUNDING)
    np.testing.assert_allclose(found.found, [-1, 1], atol=1e-3)


def test_infinite_ratios_do_not_pull_a_bin_to_zero():
    target, nontarget = perfect_ratios(1.0, 3_000, 3_000)
    target[np.argsort(target)[-200:]] = math.inf
    given = reliability(target, nontarget).given
    assert (np.diff(given) > 0).all()


def test_sides_that_never_meet_have_no_bin_to_compare():
    found = reliability(np.full(20, 5.0), np.full(20, -5.0))
    assert len(found.given) == len(found.found) == len(found.low) == len(found.high) == 0


# --- shares above --------------------------------------------------------------------------------


VALUES = st.lists(
    st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 2.0, math.inf]) | st.floats(-9, 9),
    min_size=1, max_size=50,
)  # fmt: skip


@LAW
@given(VALUES)
def test_shares_are_counted(values):
    curve = share_above(values)
    assert curve.value.tolist() == sorted(values)
    for value, share in zip(curve.value, curve.share, strict=True):
        assert share == pytest.approx(
            sum(other >= value for other in values) / len(values), abs=ROUNDING
        )


@LAW
@given(VALUES, st.integers(1, 10))
def test_few_points_of_the_curve_are_points_of_the_curve(values, most):
    curve = share_above(values, most)
    assert len(curve.value) <= most
    whole = dict(zip(*(getattr(share_above(values), n) for n in ("value", "share")), strict=True))
    for value, share in zip(curve.value.tolist(), curve.share.tolist(), strict=True):
        assert whole[value] == share
    assert curve.value[0] == min(values)
    assert curve.share[0] == 1
    if most > 1:
        assert curve.value[-1] == max(values)


# --- summaries -----------------------------------------------------------------------------------


@LAW
@given(st.lists(st.floats(-100, 100), max_size=60), st.integers(1, 20))
def test_summaries_keep_number_sum_and_order(values, most):
    means, counts = summarized(values, most)
    assert min(most, len(values)) <= len(means) == len(counts) <= len(values)
    assert counts.sum() == len(values)
    assert means @ counts == pytest.approx(sum(values), abs=1e-9)
    assert (np.diff(means) >= -1e-12).all()
    assert all(0 < count <= math.ceil(len(values) / most) for count in counts)


@LAW
@given(VALUES)
def test_few_values_stay_as_they_are(values):
    means, counts = summarized(values)
    assert means.tolist() == sorted(values)
    assert (counts == 1).all()


@LAW
@given(VALUES, st.integers(1, 5))
def test_summaries_of_infinities_are_no_nan(values, most):
    means, counts = summarized(values, most)
    assert not np.isnan(means).any()
    assert counts.sum() == len(values)


# --- what is refused, and how long it takes ------------------------------------------------------


@pytest.mark.parametrize("curve", [entropy_curves, cost_curves, reliability])
@pytest.mark.parametrize(
    ("target", "nontarget", "message"),
    [
        ([], [1.0], "there are no target scores"),
        ([1.0], [], "there are no nontarget scores"),
        ([math.nan], [1.0], "1 of 1 target scores are NaN"),
    ],
)
def test_sides_without_numbers_are_refused(curve, target, nontarget, message):
    with pytest.raises(ScoreError, match=message):
        curve(target, nontarget)


def test_ratios_that_are_nan_are_refused():
    with pytest.raises(ScoreError, match="1 of 2 nontarget scores are NaN"):
        cost_curves([1.0], [0.0, 1.0], ([1.0], [math.nan, 0.0]))


def test_a_million_trials_are_quick():
    target, nontarget = perfect_ratios(2.0, 20_000, 1_000_000)
    start = time.perf_counter()
    curves = entropy_curves(target, nontarget)
    cost_curves(target, nontarget, (target, nontarget))
    reliability(target, nontarget)
    above = share_above(nontarget)
    assert time.perf_counter() - start < QUICK_S
    assert len(above.value) == MAX_POINTS
    assert (curves.minimal <= curves.actual + NOT_SEEN).all()
