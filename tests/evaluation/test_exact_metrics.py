"""The metrics against rational arithmetic, every threshold and every pair, and at odd places."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from speakergmm import CostModel, cllr, eer, eer_interpolated, min_cllr, min_dcf
from speakergmm.errors import ConfigError, MissingError, ScoreError
from speakergmm.evaluation.cost import COST_POINTS, cost_point
from speakergmm.evaluation.detection import detect
from speakergmm.evaluation.metrics import (
    auc,
    calibration_loss,
    operating_points,
    p_fa_at,
    p_miss_at,
)
from speakergmm.evaluation.roc import roc, roc_convex_hull, score_runs

LAW = settings(derandomize=True, deadline=None, max_examples=300)
# What a change of all scores does, one example shows nearly as well as another.
CHANGE = settings(LAW, max_examples=100)

# Few distinct values, so that ties are the rule; some are infinite. Sides of unlike sizes, so that
# many nontargets lie between two targets.
SCORE = st.integers(-6, 6).map(float) | st.sampled_from([-np.inf, np.inf])
TARGET = st.lists(SCORE, min_size=1, max_size=8)
NONTARGET = st.lists(SCORE, min_size=1, max_size=24)
FINITE_TARGET = st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=8)
FINITE_NONTARGET = st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=24)
COSTS = [
    CostModel(),
    CostModel(0.5),
    CostModel(0.9, 2.0, 7.0),
    *(cost for point in COST_POINTS.values() for cost in point),
]

# Of sums of some dozens of rates.
EXACT = 1e-9
# What the library counts as the same rate.
SAME_RATE = Fraction(1, 10**12)

OF_ORDER = {
    "eer": eer,
    "eer_interpolated": eer_interpolated,
    "min_cllr": min_cllr,
    "auc": auc,
    "min_dcf": lambda target, nontarget: min_dcf(target, nontarget, CostModel(0.3)),
    "p_miss_at": lambda target, nontarget: p_miss_at(target, nontarget, 0.2),
    "p_fa_at": lambda target, nontarget: p_fa_at(target, nontarget, 0.2),
}


# --- slow oracles, in fractions ------------------------------------------------------------------


def slow_points(target, nontarget):
    """(threshold, p_miss, p_fa) of every threshold from accept all to reject all."""
    points = [
        (
            threshold,
            Fraction(sum(score < threshold for score in target), len(target)),
            Fraction(sum(score >= threshold for score in nontarget), len(nontarget)),
        )
        for threshold in sorted({*target, *nontarget})
    ]
    return [*points, (math.nan, Fraction(1), Fraction(0))]


def slow_hull(target, nontarget):
    """Lower left convex hull by Andrew's monotone chain, from (0, 1) to (1, 0)."""
    lowest = {}
    for _, miss, fa in slow_points(target, nontarget):
        lowest[miss] = min(fa, lowest.get(miss, fa))
    hull = []
    for point in sorted(lowest.items()):
        while len(hull) > 1 and turns_right(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return [(Fraction(0), Fraction(1)), *hull]


def turns_right(a, b, c):
    return (b[0] - a[0]) * (c[1] - a[1]) <= (b[1] - a[1]) * (c[0] - a[0])


def slow_eer(target, nontarget):
    for (miss, fa), (next_miss, next_fa) in pairwise(slow_hull(target, nontarget)):
        before, after = miss - fa, next_miss - next_fa
        if before <= 0 <= after and before < after:
            return miss - before / (after - before) * (next_miss - miss)
    raise AssertionError("the hull does not meet the diagonal")


def slow_cost(cost, target, nontarget):
    miss = Fraction(cost.c_miss) * Fraction(cost.p_target)
    fa = Fraction(cost.c_fa) * (1 - Fraction(cost.p_target))
    return min(miss * m + fa * f for _, m, f in slow_points(target, nontarget)) / min(miss, fa)


def slow_blocks(target, nontarget):
    """Pool adjacent violators, in whole numbers: [targets, nontargets] of each block."""
    blocks = []
    for score in sorted({*target, *nontarget}):
        blocks.append([target.count(score), nontarget.count(score)])
        while len(blocks) > 1 and blocks[-2][0] * sum(blocks[-1]) >= blocks[-1][0] * sum(
            blocks[-2]
        ):
            last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + last[0], blocks[-1][1] + last[1]]
    return blocks


def slow_min_cllr(target, nontarget):
    bits = 0.0
    for n_target, n_nontarget in slow_blocks(target, nontarget):
        if n_target and n_nontarget:
            odds = Fraction(n_target, len(target)) / Fraction(n_nontarget, len(nontarget))
            bits += n_target / len(target) * math.log2(1 + 1 / odds)
            bits += n_nontarget / len(nontarget) * math.log2(1 + odds)
    return bits / 2


# --- metrics of order ----------------------------------------------------------------------------


@LAW
@given(TARGET, NONTARGET)
def test_eer_is_that_of_the_rational_hull(target, nontarget):
    found, expected = eer(target, nontarget), slow_eer(target, nontarget)
    assert found == pytest.approx(float(expected), rel=0, abs=EXACT)
    # Where a line between two points meets the diagonal, no denominator is larger.
    largest = 2 * len(target) ** 2 * len(nontarget)
    assert Fraction(found).limit_denominator(largest) == expected


@LAW
@given(TARGET, NONTARGET)
def test_the_hull_is_the_rational_one(target, nontarget):
    # Points on a straight edge may be left out or not.
    p_miss, p_fa = roc_convex_hull(target, nontarget)
    corners = np.array(slow_hull(target, nontarget), dtype=float)
    where = np.linspace(-1, 1, 101)
    along = np.interp(where, p_miss - p_fa, p_miss + p_fa)
    expected = np.interp(where, corners[:, 0] - corners[:, 1], corners.sum(axis=1))
    np.testing.assert_allclose(along, expected, rtol=0, atol=EXACT)


@LAW
@given(TARGET, NONTARGET)
@pytest.mark.parametrize("cost", COSTS, ids=str)
def test_min_dcf_is_the_cheapest_of_all_thresholds(cost, target, nontarget):
    expected = float(slow_cost(cost, target, nontarget))
    assert min_dcf(target, nontarget, cost) == pytest.approx(expected, rel=0, abs=EXACT)


@LAW
@given(TARGET, NONTARGET)
@pytest.mark.parametrize("name", COST_POINTS)
def test_the_cost_of_an_evaluation_is_the_mean_of_its_models(name, target, nontarget):
    costs = [slow_cost(cost, target, nontarget) for cost in cost_point(name)]
    found = detect(target, nontarget).min_dcf(*cost_point(name))
    assert found == pytest.approx(float(sum(costs) / len(costs)), rel=0, abs=EXACT)


@LAW
@given(TARGET, NONTARGET)
def test_min_cllr_is_that_of_blocks_pooled_in_whole_numbers(target, nontarget):
    expected = slow_min_cllr(target, nontarget)
    assert min_cllr(target, nontarget) == pytest.approx(expected, rel=0, abs=EXACT)


@LAW
@given(TARGET, NONTARGET)
def test_min_cllr_is_the_cllr_of_scipys_isotonic_regression(target, nontarget):
    scores = np.array([*target, *nontarget])
    label = np.repeat([1.0, 0.0], [len(target), len(nontarget)])
    # Of equal scores the targets stand first, so that they are pooled.
    order = np.lexsort((-label, scores))
    share = np.empty(len(scores))
    share[order] = isotonic_regression(label[order]).x
    with np.errstate(divide="ignore"):
        # A share of all but rounding is all of them.
        llr = np.log(share) - np.log(np.where(share > 1 - 1e-15, 0.0, 1 - share))
    llr -= math.log(len(target) / len(nontarget))
    expected = cllr(llr[label == 1], llr[label == 0])
    assert min_cllr(target, nontarget) == pytest.approx(expected, rel=0, abs=EXACT)


@LAW
@given(TARGET, NONTARGET)
def test_auc_counts_all_pairs(target, nontarget):
    pairs = [(t, n) for t in target for n in nontarget]
    won = sum(Fraction(t > n) + Fraction(t == n, 2) for t, n in pairs)
    assert auc(target, nontarget) == float(won / len(pairs))


@LAW
@given(TARGET, NONTARGET, st.floats(0, 1) | st.integers(0, 24))
def test_one_rate_at_another_is_the_lowest_of_all_thresholds(target, nontarget, allowed):
    # Whole numbers stand for rates that are met exactly.
    n_side = {"p_fa": len(nontarget), "p_miss": len(target)}
    limit = {
        side: min(1.0, allowed / n) if isinstance(allowed, int) else allowed
        for side, n in n_side.items()
    }
    points = slow_points(target, nontarget)
    lowest_miss = min(m for _, m, f in points if f <= Fraction(limit["p_fa"]) + SAME_RATE)
    lowest_fa = min(f for _, m, f in points if m <= Fraction(limit["p_miss"]) + SAME_RATE)
    assert p_miss_at(target, nontarget, limit["p_fa"]) == pytest.approx(float(lowest_miss))
    assert p_fa_at(target, nontarget, limit["p_miss"]) == pytest.approx(float(lowest_fa))


@pytest.mark.parametrize("n", [10, 49, 100, 500])
def test_a_rate_that_is_met_exactly_is_met(n):
    # k / n is rarely the float that a difference of rates gives: both must count as the same rate.
    nontarget = np.arange(n)
    # Target k is rejected where fewer than k nontargets are accepted.
    target = n - 0.5 - np.arange(n + 1)
    for k in range(n + 1):
        assert p_miss_at(target, nontarget, k / n) == pytest.approx((n - k) / (n + 1))
        assert p_fa_at(nontarget, target, k / n) == pytest.approx((n - k) / (n + 1))


@LAW
@given(TARGET, NONTARGET)
def test_the_equal_point_is_the_closest_of_all_thresholds(target, nontarget):
    found = operating_points(target, nontarget)["eer"]
    points = slow_points(target, nontarget)
    closest = min(abs(m - f) for _, m, f in points)
    assert abs(found.p_miss - found.p_fa) == pytest.approx(float(closest), rel=0, abs=EXACT)
    # And the rates are those of its threshold; NaN accepts nobody.
    assert found.p_miss == np.mean(~(np.array(target) >= found.score))
    assert found.p_fa == np.mean(np.array(nontarget) >= found.score)


@LAW
@given(TARGET, NONTARGET)
@pytest.mark.parametrize("cost", COSTS[:4], ids=str)
def test_the_cheapest_point_is_what_its_threshold_does(cost, target, nontarget):
    found = operating_points(target, nontarget, cost)["min_dcf"]
    lowest = float(slow_cost(cost, target, nontarget))
    assert float(cost.dcf(found.p_miss, found.p_fa)) == pytest.approx(lowest, rel=0, abs=EXACT)
    assert found.p_miss == np.mean(~(np.array(target) >= found.score))
    assert found.p_fa == np.mean(np.array(nontarget) >= found.score)


# --- curves --------------------------------------------------------------------------------------


@LAW
@given(FINITE_TARGET, FINITE_NONTARGET)
def test_curves_are_those_of_scikit_learn(target, nontarget):
    from sklearn.metrics import det_curve

    label = np.repeat([1, 0], [len(target), len(nontarget)])
    p_fa, p_miss, _ = det_curve(label, np.array([*target, *nontarget]))
    for curve in (roc(target, nontarget), score_runs(target, nontarget).points()):
        # As p_miss + p_fa over p_miss - p_fa: a function, where a step down has none of p_miss.
        at = np.interp(p_miss - p_fa, curve.p_miss - curve.p_fa, curve.p_miss + curve.p_fa)
        np.testing.assert_allclose(at, p_miss + p_fa, rtol=0, atol=EXACT)


@LAW
@given(TARGET, NONTARGET)
def test_runs_leave_out_only_points_on_straight_lines(target, nontarget):
    every, few = roc(target, nontarget), score_runs(target, nontarget).points()
    of_every = list(zip(every.threshold, every.p_miss, every.p_fa, strict=True))
    for point in zip(few.threshold, few.p_miss, few.p_fa, strict=True):
        assert any(np.array_equal(point, other, equal_nan=True) for other in of_every)
    at = np.interp(every.p_miss - every.p_fa, few.p_miss - few.p_fa, few.p_miss + few.p_fa)
    np.testing.assert_allclose(at, every.p_miss + every.p_fa, rtol=0, atol=EXACT)


# --- ratios --------------------------------------------------------------------------------------


@LAW
@given(
    st.lists(st.floats(-40, 40), min_size=1, max_size=12),
    st.lists(st.floats(-40, 40), min_size=1, max_size=12),
)
def test_calibration_loss_is_what_the_order_does_not_cost(target, nontarget):
    loss = calibration_loss(target, nontarget)
    assert loss == pytest.approx(cllr(target, nontarget) - slow_min_cllr(target, nontarget))
    assert loss >= -EXACT
    # Ratios that say no more than the order can bear lose nothing.
    assert calibration_loss([0.0], [0.0]) == pytest.approx(0.0, abs=EXACT)


def test_infinite_loss_by_hand():
    assert calibration_loss([-np.inf, 1.0], [0.0]) == np.inf
    assert calibration_loss([np.inf], [-np.inf]) == 0.0


# --- laws ----------------------------------------------------------------------------------------


@CHANGE
@given(TARGET, NONTARGET, st.randoms(use_true_random=False))
def test_the_order_of_the_trials_does_not_matter(target, nontarget, random):
    shuffled = random.sample(target, len(target)), random.sample(nontarget, len(nontarget))
    for name, metric in OF_ORDER.items():
        assert metric(*shuffled) == metric(target, nontarget), name


@CHANGE
@given(TARGET, NONTARGET)
@pytest.mark.parametrize(
    "change",
    [
        np.arctan,
        np.cbrt,
        lambda x: 1e300 * x / 6,
        # Denormal numbers.
        lambda x: np.where(np.isinf(x), x, 5e-324 * x),
        lambda x: np.where(np.isinf(x), x, 1e15 + x),
    ],
)
def test_a_rising_change_of_all_scores_changes_nothing(change, target, nontarget):
    sides = np.array(target), np.array(nontarget)
    for name, metric in OF_ORDER.items():
        assert metric(*map(change, sides)) == metric(*sides), name


@CHANGE
@given(TARGET, NONTARGET)
def test_swapped_sides_of_negated_scores_swap_the_errors(target, nontarget):
    mirrored = np.negative(nontarget), np.negative(target)
    for metric in (eer, eer_interpolated, min_cllr, auc):
        expected = pytest.approx(metric(target, nontarget), rel=0, abs=EXACT)
        assert metric(*mirrored) == expected
    for rate in (0.0, 0.2, 0.5, 1.0):
        # A threshold that accepts no nontarget at +inf does not exist; reject all stands for it.
        expected = pytest.approx(p_fa_at(target, nontarget, rate), rel=0, abs=EXACT)
        assert p_miss_at(*mirrored, rate) == expected


@CHANGE
@given(TARGET, NONTARGET)
def test_zeros_of_either_sign_tie(target, nontarget):
    assume(0.0 in target or 0.0 in nontarget)
    signed = [[-score if score == 0 else score for score in side] for side in (target, nontarget)]
    for name, metric in OF_ORDER.items():
        expected = metric(target, nontarget)
        assert metric(signed[0], nontarget) == expected, name
        assert metric(target, signed[1]) == expected, name


@CHANGE
@given(TARGET, NONTARGET)
def test_parted_scores_are_perfect_and_inverted_ones_useless(target, nontarget):
    high, low = np.arctan(target) + 9, np.arctan(nontarget) - 9
    values = {name: metric(high, low) for name, metric in OF_ORDER.items()}
    assert values == dict.fromkeys(OF_ORDER, 0.0) | {"auc": 1.0}
    values = {name: metric(low, high) for name, metric in OF_ORDER.items()}
    useless = {"eer": 0.5, "min_dcf": 1.0, "auc": 0.0, "eer_interpolated": 1.0}
    useless |= {"min_cllr": 1.0, "p_miss_at": 1.0, "p_fa_at": 1.0}
    assert values == pytest.approx(useless, abs=EXACT)


@pytest.mark.parametrize("score", [-np.inf, -1e300, -0.0, 5e-324, 7.0, np.inf])
@pytest.mark.parametrize(("n_target", "n_nontarget"), [(1, 1), (3, 1), (1, 4)])
def test_equal_scores_say_nothing(score, n_target, n_nontarget):
    sides = [score] * n_target, [score] * n_nontarget
    values = {name: metric(*sides) for name, metric in OF_ORDER.items()}
    nothing = {"eer": 0.5, "eer_interpolated": 0.5, "auc": 0.5}
    nothing |= {"min_dcf": 1.0, "min_cllr": 1.0, "p_miss_at": 1.0, "p_fa_at": 1.0}
    assert values == pytest.approx(nothing, abs=EXACT)
    point = operating_points(*sides)["min_dcf"]
    assert (point.p_miss, point.p_fa) == (1.0, 0.0)
    # Nothing is above +inf.
    assert np.isnan(point.score) == (score == np.inf)


@pytest.mark.parametrize(
    ("target", "nontarget", "expected"),
    [
        ([1e300], [-1e300], 0.0),
        ([5e-324], [0.0], 0.0),
        ([0.0], [5e-324], 0.5),
        ([1.0, 1e-320], [1e-321, 1e300], 1 / 3),
        ([np.nextafter(1.0, 2.0)], [1.0], 0.0),
        ([1.7e308, -1.7e308], [0.0], 1 / 3),
    ],
)
def test_scores_far_apart_in_size_by_hand(target, nontarget, expected):
    assert eer(target, nontarget) == pytest.approx(expected, abs=EXACT)
    assert float(slow_eer(target, nontarget)) == pytest.approx(expected, abs=EXACT)


# --- costs, and what is refused ------------------------------------------------------------------


def test_cost_points_are_those_of_their_plans():
    assert cost_point("sre08") == (CostModel(0.01, 10.0, 1.0),)
    assert cost_point("sre10") == (CostModel(0.001, 1.0, 1.0),)
    assert cost_point("sre16") == (CostModel(0.01), CostModel(0.005))
    assert cost_point("voxceleb") == (CostModel(0.01),)
    assert cost_point("voxsrc") == (CostModel(0.05),)
    # NIST 2008 gives 9.9 as the normalized cost of accepting everybody.
    assert float(cost_point("sre08")[0].dcf(0, 1)) == pytest.approx(9.9)
    with pytest.raises(MissingError, match="no cost point 'sre99'; known are sre08, sre10, sre16"):
        cost_point("sre99")
    with pytest.raises(TypeError, match="does not support item assignment"):
        COST_POINTS["mine"] = (CostModel(),)


@pytest.mark.parametrize(("function", "setting"), [(p_miss_at, "p_fa"), (p_fa_at, "p_miss")])
@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, "some"])
def test_what_is_no_rate_is_refused(function, setting, value):
    with pytest.raises(ConfigError, match=f"{setting} is {value!r}; expected"):
        function([1.0], [0.0], value)


@pytest.mark.parametrize("metric", [*OF_ORDER.values(), calibration_loss, detect, score_runs])
@pytest.mark.parametrize(
    ("target", "nontarget", "message"),
    [
        ([], [1.0], "there are no target scores"),
        ([1.0], [], "there are no nontarget scores"),
        ([np.nan, 0.0], [1.0], "1 of 2 target scores are NaN"),
        ([1.0], [np.nan], "1 of 1 nontarget scores are NaN"),
    ],
)
def test_scores_without_metrics_are_refused(metric, target, nontarget, message):
    with pytest.raises(ScoreError, match=message):
        metric(target, nontarget)
