"""Operating points and their convex hull, against scikit-learn and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.errors import ScoreError
from speakergmm.evaluation.roc import check_scores, hull_groups, rates, roc, roc_convex_hull

LAW = settings(derandomize=True, deadline=None, max_examples=150)

# Few distinct values, so that ties are the rule.
SIDE = st.lists(st.integers(-4, 4), min_size=1, max_size=12)
COUNTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=10)

ROUNDING = 1e-12


def error_rates(target, nontarget, threshold):
    p_miss = sum(score < threshold for score in target) / len(target)
    p_fa = sum(score >= threshold for score in nontarget) / len(nontarget)
    return p_miss, p_fa


@LAW
@given(SIDE, SIDE)
def test_every_point_is_what_its_threshold_does(target, nontarget):
    curve = roc(target, nontarget)
    assert len(curve.threshold) == len({*target, *nontarget}) + 1
    for threshold, p_miss, p_fa in zip(curve.threshold, curve.p_miss, curve.p_fa, strict=True):
        assert (p_miss, p_fa) == pytest.approx(error_rates(target, nontarget, threshold))


@LAW
@given(SIDE, SIDE)
def test_the_curve_leads_from_accept_all_to_reject_all(target, nontarget):
    curve = roc(target, nontarget)
    for p_miss, p_fa in ((curve.p_miss, curve.p_fa), roc_convex_hull(target, nontarget)):
        assert (p_miss[0], p_fa[0]) == (0.0, 1.0)
        assert (p_miss[-1], p_fa[-1]) == (1.0, 0.0)
        assert (np.diff(p_miss) >= 0).all()
        assert (np.diff(p_fa) <= 0).all()
    assert (np.diff(curve.threshold) > 0).all()
    assert curve.threshold[0] == -np.inf
    assert curve.threshold[-1] == np.inf


@LAW
@given(SIDE, SIDE)
def test_agrees_with_scikit_learn(target, nontarget):
    from sklearn.metrics import det_curve

    labels = np.repeat([1, 0], [len(target), len(nontarget)])
    p_fa, p_miss, thresholds = det_curve(labels, np.array([*target, *nontarget]))
    curve = roc(target, nontarget)
    ours = set(zip(curve.p_miss.round(9), curve.p_fa.round(9), strict=True))
    # scikit-learn leaves out what lies at the ends; what it has, we have.
    assert set(zip(p_miss.round(9), p_fa.round(9), strict=True)) <= ours
    for threshold, miss, fa in zip(thresholds, p_miss, p_fa, strict=True):
        if np.isfinite(threshold):
            assert error_rates(target, nontarget, threshold) == pytest.approx((miss, fa))


@LAW
@given(SIDE, SIDE)
def test_the_hull_is_convex_and_below_every_point(target, nontarget):
    p_miss, p_fa = roc_convex_hull(target, nontarget)
    slopes = np.diff(p_miss)[:, None] * -np.diff(p_fa)[None]
    # Each edge is at least as steep in misses as the one before.
    for i in range(len(slopes) - 1):
        assert slopes[i, i + 1] <= slopes[i + 1, i] + ROUNDING
    curve = roc(target, nontarget)
    points = set(zip(curve.p_miss.round(9), curve.p_fa.round(9), strict=True))
    assert set(zip(p_miss.round(9), p_fa.round(9), strict=True)) <= points
    for miss, fa in points:
        # The hull's smallest p_miss at this p_fa, by straight lines; the flat start is at 0.
        at = p_miss[p_fa == fa].min() if fa in p_fa else np.interp(-fa, -p_fa, p_miss)
        assert at <= miss + 1e-8


@LAW
@given(COUNTS)
def test_groups_agree_with_scikit_learns_isotonic_regression(counts):
    from sklearn.isotonic import IsotonicRegression

    n_target, n_nontarget = np.array([pair for pair in counts if any(pair)] or [(1, 1)]).T
    total = n_target + n_nontarget
    # One row a trial, labelled 1 for a target, at its group's place.
    place = np.repeat(np.arange(len(total)), total)
    label = np.concatenate(
        [np.repeat([1.0, 0.0], pair) for pair in zip(n_target, n_nontarget, strict=True)]
    )
    fitted = IsotonicRegression().fit(place, label).predict(np.arange(len(total)))
    merged_target, merged_nontarget = hull_groups(n_target.astype(float), n_nontarget.astype(float))
    share = merged_target / (merged_target + merged_nontarget)
    assert (np.diff(share) > 0).all()
    ends = np.cumsum(merged_target + merged_nontarget)
    of_group = np.searchsorted(ends, np.cumsum(total) - 0.5)
    np.testing.assert_allclose(share[of_group], fitted, rtol=0, atol=ROUNDING)
    assert merged_target.sum() == n_target.sum()
    assert merged_nontarget.sum() == n_nontarget.sum()


def test_hull_by_hand():
    # Targets {2, 0}, nontargets {0, 0, -1}: -1 is all nontarget, 0 is mixed, 2 is all target.
    p_miss, p_fa = roc_convex_hull([2, 0], [0, 0, -1])
    np.testing.assert_allclose(p_miss, [0, 0, 0.5, 1])
    np.testing.assert_allclose(p_fa, [1, 2 / 3, 0, 0])


def test_groups_by_hand():
    # Shares 0, 1, ½, 1: the second and third violate the order and are pooled to ⅔.
    n_target, n_nontarget = hull_groups(np.array([0.0, 1, 1, 2]), np.array([3.0, 0, 1, 0]))
    np.testing.assert_array_equal(n_target, [0, 2, 2])
    np.testing.assert_array_equal(n_nontarget, [3, 1, 0])


def test_points_by_hand():
    curve = roc([2, 0], [0, 0, -1])
    np.testing.assert_array_equal(curve.threshold, [-np.inf, 0, 2, np.inf])
    np.testing.assert_allclose(curve.p_miss, [0, 0, 0.5, 1])
    np.testing.assert_allclose(curve.p_fa, [1, 2 / 3, 0, 0])


def test_rates_end_exactly_at_zero_and_one():
    # Thirds and sevenths do not add up to 1 in floating point; the ends are exact all the same.
    for n in (3, 7, 10, 49, 1_000):
        p_miss, p_fa = rates(np.ones(n) / n, np.ones(n) / n)
        assert (p_miss[0], p_miss[-1], p_fa[0], p_fa[-1]) == (0.0, 1.0, 1.0, 0.0)
        assert (p_fa >= 0).all()


def test_infinite_scores_are_scores():
    curve = roc([np.inf, 0.0], [-np.inf, 1.0])
    np.testing.assert_allclose(curve.p_miss, [0, 0, 0.5, 0.5, 1])
    np.testing.assert_allclose(curve.p_fa, [1, 0.5, 0.5, 0, 0])
    # Nothing is above +inf, so "reject all" has no threshold: NaN accepts nothing.
    assert curve.threshold[0] == -np.inf
    assert np.isnan(curve.threshold[-1])
    for threshold, p_miss, p_fa in list(
        zip(curve.threshold, curve.p_miss, curve.p_fa, strict=True)
    )[:-1]:
        assert (p_miss, p_fa) == error_rates([np.inf, 0.0], [-np.inf, 1.0], threshold)


def test_sides_become_float64_vectors():
    target, nontarget = check_scores([[1, 2], [3, 4]], np.float32([0.5]))
    assert target.dtype == nontarget.dtype == np.float64
    assert target.shape == (4,)


@pytest.mark.parametrize("function", [check_scores, roc, roc_convex_hull])
@pytest.mark.parametrize(
    ("target", "nontarget", "message"),
    [
        ([], [1.0], "there are no target scores; error rates need trials of both kinds"),
        ([1.0], [], "there are no nontarget scores"),
        ([1.0, np.nan, np.nan], [0.0], "2 of 3 target scores are NaN; score them again"),
        ([1.0], [np.nan], "1 of 1 nontarget scores are NaN"),
    ],
)
def test_scores_without_error_rates_are_refused(function, target, nontarget, message):
    with pytest.raises(ScoreError, match=message):
        function(target, nontarget)
