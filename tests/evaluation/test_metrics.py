"""The metrics: what no change of scale may move, brute force in fractions, and hand examples."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise, product

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
from speakergmm.errors import ConfigError, ScoreError
from speakergmm.evaluation import OperatingPoint, operating_points

LAW = settings(derandomize=True, deadline=None, max_examples=150)

# Few distinct values, so that ties are the rule.
SIDE = st.lists(st.integers(-4, 4), min_size=1, max_size=9)
LLRS = st.lists(st.floats(-30, 30), min_size=1, max_size=15)
COSTS = st.builds(
    CostModel,
    p_target=st.floats(0.001, 0.999),
    c_miss=st.floats(0.1, 10),
    c_fa=st.floats(0.1, 10),
)

# Of sums of some dozens of rates.
ROUNDING = 1e-12

METRICS = [eer, eer_interpolated, min_dcf, actual_dcf, cllr, min_cllr]
OF_ORDER = [eer, eer_interpolated, min_dcf, min_cllr]


# --- slow oracles, in fractions ------------------------------------------------------------------


def slow_points(target, nontarget):
    """(p_miss, p_fa) of every threshold, from accept all to reject all, as fractions."""
    thresholds = [*sorted({*target, *nontarget}), math.inf]
    return [
        (
            Fraction(sum(score < threshold for score in target), len(target)),
            Fraction(sum(score >= threshold for score in nontarget), len(nontarget)),
        )
        for threshold in thresholds
    ]


def slow_crossing(one, other):
    """Where the straight line between two points meets p_miss = p_fa, if it does."""
    before, after = one[0] - one[1], other[0] - other[1]
    if before * after > 0:
        return None
    if before == after:
        return min(one[0], other[0])
    share = before / (before - after)
    return one[0] + share * (other[0] - one[0])


def slow_eer(target, nontarget):
    """Compute the lowest crossing of any line between two points: that of the convex hull."""
    points = slow_points(target, nontarget)
    crossings = (slow_crossing(one, other) for one, other in product(points, points))
    return min(crossing for crossing in crossings if crossing is not None)


def slow_eer_interpolated(target, nontarget):
    """Compute the first crossing of a line between neighboring points."""
    lines = pairwise(slow_points(target, nontarget))
    return next(c for c in (slow_crossing(*line) for line in lines) if c is not None)


def slow_min_cllr(target, nontarget):
    """Cllr of ratios from isotonic regression by its min-max formula."""
    distinct = sorted({*target, *nontarget})
    counts = [(target.count(score), nontarget.count(score)) for score in distinct]

    def share(first, last):
        group = counts[first : last + 1]
        return Fraction(sum(t for t, _ in group), sum(t + n for t, n in group))

    n_groups = len(distinct)
    total = 0.0
    for i, (n_target, n_nontarget) in enumerate(counts):
        posterior = max(min(share(j, k) for k in range(i, n_groups)) for j in range(i + 1))
        if n_target and posterior < 1:
            odds = posterior / (1 - posterior) * Fraction(len(nontarget), len(target))
            total += n_target / len(target) * math.log2(1 + 1 / odds)
        if n_nontarget and posterior > 0:
            odds = posterior / (1 - posterior) * Fraction(len(nontarget), len(target))
            total += n_nontarget / len(nontarget) * math.log2(1 + odds)
    return total / 2


@LAW
@given(SIDE, SIDE)
def test_eer_agrees_with_brute_force(target, nontarget):
    assert eer(target, nontarget) == pytest.approx(
        float(slow_eer(target, nontarget)), rel=0, abs=ROUNDING
    )


@LAW
@given(SIDE, SIDE)
def test_eer_interpolated_agrees_with_brute_force(target, nontarget):
    assert eer_interpolated(target, nontarget) == pytest.approx(
        float(slow_eer_interpolated(target, nontarget)), rel=0, abs=ROUNDING
    )


@LAW
@given(SIDE, SIDE, COSTS)
def test_min_dcf_agrees_with_brute_force(target, nontarget, cost):
    miss, fa = cost.c_miss * cost.p_target, cost.c_fa * (1 - cost.p_target)
    lowest = min(miss * m + fa * f for m, f in slow_points(target, nontarget)) / min(miss, fa)
    assert min_dcf(target, nontarget, cost) == pytest.approx(float(lowest), abs=ROUNDING)


@LAW
@given(SIDE, SIDE)
def test_min_cllr_agrees_with_brute_force(target, nontarget):
    assert min_cllr(target, nontarget) == pytest.approx(
        slow_min_cllr(target, nontarget), rel=0, abs=ROUNDING
    )


@LAW
@given(LLRS, LLRS, COSTS)
def test_actual_dcf_and_cllr_agree_with_their_definitions(target, nontarget, cost):
    odds = cost.c_fa * (1 - cost.p_target) / (cost.c_miss * cost.p_target)
    threshold = math.log(odds)
    misses = sum(llr < threshold for llr in target) / len(target)
    false_alarms = sum(llr >= threshold for llr in nontarget) / len(nontarget)
    expected = (misses + odds * false_alarms) / min(1, odds)
    assert actual_dcf(target, nontarget, cost) == pytest.approx(expected, rel=1e-9)
    bits = [math.log2(1 + math.exp(-llr)) for llr in target]
    false_bits = [math.log2(1 + math.exp(llr)) for llr in nontarget]
    mean = math.fsum(bits) / len(bits) / 2 + math.fsum(false_bits) / len(false_bits) / 2
    # 1 + exp(-30) has no more than three digits of exp(-30).
    assert cllr(target, nontarget) == pytest.approx(mean, rel=1e-9, abs=1e-12)


# --- laws ----------------------------------------------------------------------------------------


@LAW
@given(SIDE, SIDE, st.integers(-1000, 1000))
@pytest.mark.parametrize("metric", OF_ORDER)
def test_no_increasing_transform_moves_what_depends_on_order(metric, target, nontarget, shift):
    target, nontarget = np.array(target, dtype=float), np.array(nontarget, dtype=float)
    value = metric(target, nontarget)
    for transform in (
        lambda x: x + shift,
        lambda x: 0.125 * x,
        lambda x: x**3 + 5 * x,
        np.exp,
        np.arctan,
        lambda x: np.where(x == 4, np.inf, np.where(x == -4, -np.inf, x)),
    ):
        assert metric(transform(target), transform(nontarget)) == value


@LAW
@given(SIDE, SIDE, st.randoms(use_true_random=False))
@pytest.mark.parametrize("metric", METRICS)
def test_the_order_of_the_trials_does_not_matter(metric, target, nontarget, random):
    shuffled = random.sample(target, len(target)), random.sample(nontarget, len(nontarget))
    assert metric(*shuffled) == pytest.approx(metric(target, nontarget), abs=ROUNDING)


@LAW
@given(SIDE, SIDE, st.integers(2, 4), st.integers(2, 4))
@pytest.mark.parametrize("metric", METRICS)
def test_repeating_the_trials_of_a_side_does_not_matter(metric, target, nontarget, k, m):
    repeated = metric(target * k, nontarget * m)
    assert repeated == pytest.approx(metric(target, nontarget), abs=ROUNDING)


@LAW
@given(SIDE, SIDE)
def test_swapped_and_negated_sides_are_the_same_problem(target, nontarget):
    mirrored = [-score for score in nontarget], [-score for score in target]
    for metric in (eer, cllr, min_cllr):
        assert metric(*mirrored) == pytest.approx(metric(target, nontarget), abs=ROUNDING)
    mirrored_cost = CostModel(0.7, 1.0, 3.0)
    cost = CostModel(1 - mirrored_cost.p_target, mirrored_cost.c_fa, mirrored_cost.c_miss)
    assert min_dcf(*mirrored, mirrored_cost) == pytest.approx(min_dcf(target, nontarget, cost))


@LAW
@given(SIDE, SIDE, COSTS)
def test_ranges(target, nontarget, cost):
    assert 0 <= eer(target, nontarget) <= 0.5
    assert eer(target, nontarget) <= eer_interpolated(target, nontarget) + ROUNDING
    assert eer_interpolated(target, nontarget) <= 1
    assert 0 <= min_dcf(target, nontarget, cost) <= 1
    assert 0 <= min_cllr(target, nontarget) <= 1 + ROUNDING
    assert cllr(target, nontarget) > 0


@LAW
@given(LLRS, LLRS, COSTS)
def test_no_threshold_beats_the_best_and_no_calibration_the_ideal_one(target, nontarget, cost):
    assert actual_dcf(target, nontarget, cost) >= min_dcf(target, nontarget, cost) - ROUNDING
    assert cllr(target, nontarget) >= min_cllr(target, nontarget) - ROUNDING


@LAW
@given(SIDE, SIDE, COSTS, st.integers(-4, 4))
def test_min_dcf_is_at_most_the_cost_of_any_threshold(target, nontarget, cost, threshold):
    p_miss = np.mean(np.array(target) < threshold)
    p_fa = np.mean(np.array(nontarget) >= threshold)
    assert min_dcf(target, nontarget, cost) <= cost.dcf(p_miss, p_fa) + ROUNDING


@LAW
@given(st.floats(0.001, 0.999))
def test_costs_count_through_the_effective_prior_alone(p_target):
    rng = np.random.default_rng(1)
    target, nontarget = rng.normal(1.5, 1, size=50), rng.normal(size=90)
    cost = CostModel(p_target, 10.0, 1.0)
    plain = CostModel(cost.effective_prior)
    assert plain.threshold == pytest.approx(cost.threshold, abs=1e-9)
    assert min_dcf(target, nontarget, cost) == pytest.approx(min_dcf(target, nontarget, plain))


@LAW
@given(SIDE, SIDE)
def test_a_perfect_system_has_no_cost(target, nontarget):
    perfect = [score + 10 for score in target], [score - 10 for score in nontarget]
    assert eer(*perfect) == eer_interpolated(*perfect) == 0.0
    assert min_dcf(*perfect) == min_cllr(*perfect) == 0.0
    best = [np.inf] * len(target), [-np.inf] * len(nontarget)
    for metric in METRICS:
        assert metric(*best) == 0.0


@LAW
@given(SIDE, SIDE)
def test_an_inverted_system_is_useless_to_the_hull_and_worse_without_it(target, nontarget):
    inverted = [score - 10 for score in target], [score + 10 for score in nontarget]
    assert eer(*inverted) == 0.5
    assert eer_interpolated(*inverted) == 1.0
    assert min_dcf(*inverted) == 1.0
    assert min_cllr(*inverted) == pytest.approx(1.0, abs=ROUNDING)


@LAW
@given(st.integers(1, 9), st.integers(1, 9), st.floats(allow_nan=False))
def test_equal_scores_are_useless(n_target, n_nontarget, score):
    equal = [score] * n_target, [score] * n_nontarget
    assert eer(*equal) == eer_interpolated(*equal) == 0.5
    assert min_dcf(*equal) == 1.0
    assert min_cllr(*equal) == pytest.approx(1.0, abs=ROUNDING)


# --- by hand -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "nontarget", "expected", "interpolated"),
    [
        # Hull from (0, 2/3) to (1/2, 0), as points (p_miss, p_fa): they meet at 2/7.
        ([2, 0], [0, 0, -1], 2 / 7, 2 / 7),
        # (0, 1/3) to (1/2, 0).
        ([2, 0], [0, -1, -1], 1 / 5, 1 / 5),
        # Points (0, 1), (1/2, 1), (1/2, 0), (1, 0): the hull cuts from (0, 1) to (1/2, 0).
        ([0, 2], [1, 1], 1 / 3, 1 / 2),
        # One target below all: steps through (1/4, 1) and (1/4, 0); the hull from (0, 1).
        ([0, 3, 3, 3], [1, 2], 1 / 5, 1 / 4),
        ([1], [0], 0.0, 0.0),
        ([0], [1], 0.5, 1.0),
        ([0], [0], 0.5, 0.5),
        ([0, 1], [0, 1], 0.5, 0.5),
        # p_miss = p_fa = 1/4 at a threshold of 1.5; the hull cuts from (0, 1/4) to (1/4, 0).
        ([1, 2, 3, 4], [0, 0.5, 0.7, 1.5], 1 / 8, 1 / 4),
    ],
)
def test_eer_by_hand(target, nontarget, expected, interpolated):
    assert eer(target, nontarget) == pytest.approx(expected, abs=1e-15)
    assert eer_interpolated(target, nontarget) == pytest.approx(interpolated, abs=1e-15)


def test_min_dcf_by_hand():
    # Points (0, 1), (0, 2/3), (1/2, 0), (1, 0).
    target, nontarget = [2, 0], [0, 0, -1]
    assert min_dcf(target, nontarget, CostModel(0.5)) == pytest.approx(0.5)
    assert min_dcf(target, nontarget, CostModel(0.9)) == pytest.approx(2 / 3)
    assert min_dcf(target, nontarget, CostModel(0.01)) == pytest.approx(0.5)
    assert min_dcf(target, nontarget) == min_dcf(target, nontarget, CostModel(0.01, 1, 1))


@pytest.mark.parametrize("p_target", [0.001, 0.3, 0.5, 0.9, 0.999])
def test_min_dcf_knows_accept_all_and_reject_all(p_target):
    # Inverted scores: every threshold in between is worse than either.
    assert min_dcf([0, 0], [1, 1], CostModel(p_target)) == 1.0
    assert CostModel(p_target).dcf(0, 1) >= 1.0
    assert CostModel(p_target).dcf(1, 0) >= 1.0
    assert min(CostModel(p_target).dcf([0, 1], [1, 0])) == 1.0


def test_actual_dcf_accepts_at_the_threshold():
    cost = CostModel(0.5)
    assert cost.threshold == 0.0
    assert actual_dcf([0.0], [-1.0], cost) == 0.0
    assert actual_dcf([0.0], [0.0], cost) == 1.0
    assert actual_dcf([-1e-300], [-1.0], cost) == 1.0
    # 2 of 4 targets missed, 1 of 3 nontargets accepted.
    assert actual_dcf([-2, -1, 1, 2], [-1, -2, 3], cost) == pytest.approx(1 / 2 + 1 / 3)
    # p = 1/4: one miss costs a third of a false alarm.
    assert actual_dcf([0, 5], [0, 5], CostModel(0.25)) == pytest.approx(1 / 2 + 3 * 1 / 2)


def test_badly_calibrated_ratios_cost_more_than_1():
    assert actual_dcf([10.0], [10.0], CostModel(0.01)) == pytest.approx(99.0)


def test_cllr_by_hand():
    assert cllr([0.0], [0.0]) == pytest.approx(1.0, abs=1e-15)
    assert cllr([0.0] * 5, [0.0] * 3) == pytest.approx(1.0, abs=1e-15)
    # log2(1 + 1/3) for the target, log2(1 + 1/3) for the nontarget.
    assert cllr([math.log(3)], [-math.log(3)]) == pytest.approx(math.log2(4 / 3))
    assert cllr([1000.0], [-1000.0]) == 0.0
    # Linear for large errors: 1,000 nats in bits, half of it from each side.
    assert cllr([-1000.0], [1000.0]) == pytest.approx(1000 / math.log(2))
    assert cllr([1e308], [-1e308]) == 0.0


@pytest.mark.parametrize(
    ("target", "nontarget", "expected"),
    [
        ([-np.inf], [0.0], np.inf),
        ([0.0], [np.inf], np.inf),
        ([-np.inf, np.inf], [np.inf, -np.inf], np.inf),
        ([np.inf], [-np.inf], 0.0),
        ([np.inf], [0.0], 0.5),
        ([0.0], [-np.inf], 0.5),
    ],
)
def test_cllr_of_infinite_ratios_is_never_nan(target, nontarget, expected):
    assert cllr(target, nontarget) == expected


def test_min_cllr_by_hand():
    # Groups: {1 nontarget}, {1 target, 1 nontarget}, {1 target}; the mixed one has ratio 1 and
    # costs one bit to half of either side.
    assert min_cllr([0, 1], [0, -1]) == pytest.approx(0.5)
    assert min_cllr([0, 0, 0, 1], [0, -1]) == pytest.approx(
        (3 / 4 * math.log2(1 + 2 / 3) + 1 / 2 * math.log2(1 + 3 / 2)) / 2
    )


def test_infinite_scores():
    assert eer([np.inf], [-np.inf]) == 0.0
    assert eer([-np.inf], [np.inf]) == 0.5
    assert eer([np.inf, np.inf], [np.inf, -np.inf]) == pytest.approx(1 / 3)
    assert eer([np.inf, -np.inf], [np.inf, -np.inf]) == 0.5
    assert min_dcf([np.inf], [np.inf]) == 1.0
    assert min_cllr([-np.inf], [np.inf]) == pytest.approx(1.0)
    assert actual_dcf([np.inf], [-np.inf]) == 0.0
    assert actual_dcf([-np.inf], [-np.inf]) == 1.0


def test_float32_scores_and_arrays_of_any_shape():
    target, nontarget = np.float32([[2.5], [0.5]]), np.float32([1.0, -1.0])
    for metric in METRICS:
        assert metric(target, nontarget) == metric([2.5, 0.5], [1.0, -1.0])


def test_many_trials_agree_with_theory():
    # Two Gaussians two deviations apart: EER Φ(-1); 200,000 trials a side tell it to 0.0006.
    rng = np.random.default_rng(2)
    target, nontarget = rng.normal(2, 1, size=200_000), rng.normal(size=200_000)
    expected = 0.5 * math.erfc(1 / math.sqrt(2))
    assert eer(target, nontarget) == pytest.approx(expected, abs=0.003)
    assert eer_interpolated(target, nontarget) == pytest.approx(expected, abs=0.003)
    # Their log-likelihood ratio is 2x - 2, so its calibration is perfect up to chance.
    llr = 2 * target - 2, 2 * nontarget - 2
    assert cllr(*llr) - min_cllr(*llr) == pytest.approx(0, abs=0.001)
    assert actual_dcf(*llr, CostModel(0.3)) - min_dcf(*llr, CostModel(0.3)) < 0.01


# --- operating points ----------------------------------------------------------------------------


@LAW
@given(SIDE, SIDE, COSTS)
def test_operating_points_do_what_they_say(target, nontarget, cost):
    points = operating_points(target, nontarget, cost)
    assert set(points) == {"eer", "min_dcf"}
    for point in points.values():
        assert point.p_miss == pytest.approx(np.mean(np.array(target) < point.score))
        assert point.p_fa == pytest.approx(np.mean(np.array(nontarget) >= point.score))
    lowest = points["min_dcf"]
    assert cost.dcf(lowest.p_miss, lowest.p_fa) == pytest.approx(min_dcf(target, nontarget, cost))
    gap = min(abs(m - f) for m, f in slow_points(target, nontarget))
    assert abs(points["eer"].p_miss - points["eer"].p_fa) == pytest.approx(float(gap))


def test_operating_points_by_hand():
    points = operating_points([1, 2, 3, 4], [0, 0.5, 0.7, 1.5], CostModel(0.9))
    assert points == {
        "eer": OperatingPoint(1.5, 0.25, 0.25),
        "min_dcf": OperatingPoint(1.0, 0.0, 0.25),
    }


# --- costs, and what is refused ------------------------------------------------------------------


def test_cost_model_by_hand():
    cost = CostModel(0.01, 10.0, 1.0)
    assert cost.threshold == pytest.approx(math.log(0.99 / 0.1))
    assert cost.effective_prior == pytest.approx(0.1 / (0.1 + 0.99))
    assert cost.dcf(0.5, 0.1) == pytest.approx((0.05 + 0.099) / 0.1)
    assert CostModel() == CostModel(0.01, 1.0, 1.0)
    assert CostModel(0.25).threshold == pytest.approx(math.log(3))


def test_a_tiny_effective_prior_keeps_its_digits():
    assert CostModel(1e-9, 1e-9, 1e9).effective_prior == pytest.approx(1e-27, rel=1e-8, abs=0)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("p_target", 0.0),
        ("p_target", 1.0),
        ("p_target", -0.1),
        ("p_target", math.nan),
        ("c_miss", 0.0),
        ("c_miss", -1.0),
        ("c_miss", math.inf),
        ("c_fa", 0.0),
        ("c_fa", math.nan),
        ("c_fa", math.inf),
        ("c_fa", "much"),
    ],
)
def test_cost_models_out_of_range_are_refused(setting, value):
    with pytest.raises(ConfigError, match=f"{setting} is {value!r}; expected"):
        CostModel(**{setting: value})


@pytest.mark.parametrize("metric", [*METRICS, operating_points])
@pytest.mark.parametrize(
    ("target", "nontarget", "message"),
    [
        ([], [1.0], "there are no target scores"),
        ([1.0], [], "there are no nontarget scores"),
        ([np.nan], [1.0], "1 of 1 target scores are NaN"),
        ([1.0], [0.0, np.nan], "1 of 2 nontarget scores are NaN"),
    ],
)
def test_scores_without_metrics_are_refused(metric, target, nontarget, message):
    with pytest.raises(ScoreError, match=message):
        metric(target, nontarget)
