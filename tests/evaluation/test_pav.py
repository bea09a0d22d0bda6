"""Monotone calibration: against isotonic regression trial by trial, and no rising one is better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression
from scipy.special import logit

from speakergmm.errors import ScoreError
from speakergmm.evaluation import cllr, min_cllr
from speakergmm.evaluation.pav import fit_monotone
from speakergmm.evaluation.roc import group_ratios, hull_groups, hull_starts, score_runs

LAW = settings(derandomize=True, deadline=None, max_examples=200)

# Few distinct values, so that ties are the rule; and some that are infinite.
SCORE = st.integers(-4, 4).map(float) | st.sampled_from([-np.inf, np.inf])
SIDE = st.lists(SCORE, min_size=1, max_size=15)
FINITE = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=15)
COUNTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(any), min_size=1, max_size=10
).filter(lambda rows: all(map(sum, zip(*rows, strict=True))))

# Logarithms of shares of a few dozen trials, which two ways round differently.
ROUNDING = 1e-12


def ratios_by_regression(target, nontarget):
    """Fit labels to scores trial by trial, and take the prior out: the oracle.

    Of equal scores the targets stand first, so that the regression makes them one.
    """
    scores = np.concatenate([target, nontarget])
    labels = np.repeat([1.0, 0.0], [len(target), len(nontarget)])
    order = np.lexsort((-labels, scores))
    share = isotonic_regression(labels[order]).x
    ratios = np.empty(len(scores))
    # A share of all but rounding is all of them.
    ratios[order] = logit(np.where(share > 1 - 1e-15, 1.0, share))
    return ratios - np.log(len(target) / len(nontarget))


@LAW
@given(SIDE, SIDE)
def test_ratios_are_those_of_isotonic_regression(target, nontarget):
    fitted = fit_monotone(target, nontarget)([*target, *nontarget])
    expected = ratios_by_regression(target, nontarget)
    np.testing.assert_allclose(fitted, expected, rtol=0, atol=ROUNDING)


@LAW
@given(SIDE, SIDE)
def test_its_cllr_on_its_own_trials_is_min_cllr(target, nontarget):
    fitted = fit_monotone(target, nontarget)
    ours = cllr(fitted(target), fitted(nontarget))
    assert ours == pytest.approx(min_cllr(target, nontarget), abs=ROUNDING)
    assert ours <= 1 + ROUNDING


@LAW
@given(FINITE, FINITE, st.lists(st.floats(-5, 5), min_size=9, max_size=9))
def test_no_rising_calibration_is_better(target, nontarget, values):
    rising = np.sort(values)
    other = cllr(*(rising[np.array(side, dtype=int) + 4] for side in (target, nontarget)))
    fitted = fit_monotone(target, nontarget)
    assert cllr(fitted(target), fitted(nontarget)) <= other + ROUNDING


@LAW
@given(SIDE, SIDE)
def test_it_rises(target, nontarget):
    fitted = fit_monotone(target, nontarget)
    assert fitted.start.shape == fitted.llr.shape
    assert (fitted.start[1:] > fitted.start[:-1]).all()
    assert (fitted.llr[1:] >= fitted.llr[:-1]).all()
    assert not np.isnan(fitted.llr).any()
    assert np.isfinite(fitted.llr[1:-1]).all()


@LAW
@given(SIDE, SIDE, st.sampled_from([np.arctan, np.exp, lambda s: 3 * s - 7, np.cbrt]))
def test_a_rising_change_of_all_scores_changes_no_ratio(target, nontarget, change):
    sides = np.array(target), np.array(nontarget)
    fitted = fit_monotone(*sides)
    changed = fit_monotone(*map(change, sides))
    for side in sides:
        np.testing.assert_array_equal(changed(change(side)), fitted(side))


@LAW
@given(SIDE, SIDE)
def test_swapped_labels_of_reversed_scores_swap_the_sign(target, nontarget):
    fitted = fit_monotone(target, nontarget)
    reverse = fit_monotone(np.negative(nontarget), np.negative(target))
    for side in (target, nontarget):
        np.testing.assert_allclose(reverse(np.negative(side)), -fitted(side), rtol=0, atol=ROUNDING)


@LAW
@given(SIDE, SIDE, st.integers(2, 5))
def test_all_trials_several_times_are_the_same_trials(target, nontarget, times):
    fitted = fit_monotone(target, nontarget)
    again = fit_monotone(target * times, nontarget * times)
    np.testing.assert_allclose(again(target), fitted(target), rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(again(nontarget), fitted(nontarget), rtol=0, atol=ROUNDING)


def test_by_hand():
    # 0 | 1 2 | 3 of 3 targets and 4 nontargets: the target at 1 stands below the nontarget at 2.
    fitted = fit_monotone([1.0, 3.0, 3.0], [0.0, 0.0, 2.0, 3.0])
    assert fitted.start.tolist() == [0.0, 1.0, 3.0]
    expected = [-np.inf, np.log(1 / 3) - np.log(1 / 4), np.log(2 / 3) - np.log(1 / 4)]
    np.testing.assert_allclose(fitted.llr, expected, rtol=ROUNDING)


def test_between_the_steps_and_beyond_them():
    fitted = fit_monotone([1.0, 3.0, 3.0], [0.0, 0.0, 2.0, 3.0])
    low, middle, high = fitted.llr
    np.testing.assert_array_equal(
        fitted([-np.inf, -9.0, 0.0, 0.99, 1.0, 1.5, 2.99, 3.0, 9.0, np.inf]),
        [low, low, low, low, middle, middle, middle, high, high, high],
    )
    assert fitted([]).shape == (0,)


def test_a_score_that_is_no_number_is_no_evidence():
    # As an affine calibration has it; never the ratio of the highest scores.
    fitted = fit_monotone([2.0, 1.0], [0.0, -1.0])
    np.testing.assert_array_equal(fitted([np.nan, 2.0]), [np.nan, np.inf])


def test_parted_scores_are_certain():
    fitted = fit_monotone([2.0, 1.0], [0.0, -1.0])
    assert fitted.llr.tolist() == [-np.inf, np.inf]
    assert fitted.start.tolist() == [-1.0, 1.0]


def test_inverted_and_equal_scores_say_nothing():
    for target, nontarget in (([0.0, 1.0], [2.0, 3.0]), ([1.0], [1.0, 1.0])):
        assert fit_monotone(target, nontarget).llr.tolist() == [0.0]


@pytest.mark.parametrize(
    ("target", "nontarget", "message"),
    [
        ([], [1.0], "there are no target scores; error rates need trials of both kinds"),
        ([1.0], [], "there are no nontarget scores"),
        ([1.0, np.nan], [0.0], "1 of 2 target scores are NaN; score them again"),
        ([1.0], [np.nan, 0.0, np.nan], "2 of 3 nontarget scores are NaN"),
    ],
)
def test_sides_that_cannot_be_used(target, nontarget, message):
    with pytest.raises(ScoreError, match=message):
        fit_monotone(target, nontarget)


# --- the groups ----------------------------------------------------------------------------------


@LAW
@given(COUNTS)
def test_merged_groups_begin_with_the_first_and_their_shares_rise(rows):
    n_target, n_nontarget = np.array(rows, dtype=float).T
    starts = hull_starts(n_target, n_nontarget)
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    assert starts[-1] < len(rows)
    merged = hull_groups(n_target, n_nontarget)
    np.testing.assert_array_equal(merged[0], np.add.reduceat(n_target, starts))
    assert merged[0].sum() == n_target.sum()
    assert merged[1].sum() == n_nontarget.sum()
    share = merged[0] / (merged[0] + merged[1])
    assert (np.diff(share) > -ROUNDING).all()
    # Within a group no cut would part it into a lower and a higher share.
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        for cut in range(start + 1, stop):
            low, high = (
                n_target[part].sum() / (n_target[part].sum() + n_nontarget[part].sum())
                for part in (slice(start, cut), slice(cut, stop))
            )
            assert low >= high - ROUNDING


@LAW
@given(COUNTS)
def test_ratios_of_groups_are_their_shares_of_the_two_kinds(rows):
    n_target, n_nontarget = np.array(rows, dtype=float).T
    ratios = group_ratios(n_target, n_nontarget)
    for ratio, t, n in zip(ratios, n_target, n_nontarget, strict=True):
        if t == 0 or n == 0:
            assert ratio == (np.inf if t else -np.inf)
        else:
            expected = np.log(t / n_target.sum() / (n / n_nontarget.sum()))
            assert ratio == pytest.approx(expected, abs=ROUNDING)


def test_runs_of_scores_by_hand():
    # -3 and -2 are both nontargets before the first target; 1 ties; 2 and 3 stand between targets.
    runs = score_runs([1.0, np.inf, 1.0], [-2.0, -3.0, 1.0, np.inf, 3.0, 2.0])
    assert runs.n_target.tolist() == [0, 2, 0, 1]
    assert runs.n_nontarget.tolist() == [2, 1, 2, 1]
    assert runs.lowest.tolist() == [-3.0, 1.0, 2.0, np.inf]
    assert runs.target.tolist() == [1.0, 1.0, np.inf]


@LAW
@given(SIDE, SIDE)
def test_runs_hold_all_trials_and_rise(target, nontarget):
    runs = score_runs(target, nontarget)
    assert runs.n_target.sum() == len(target)
    assert runs.n_nontarget.sum() == len(nontarget)
    assert (runs.n_target + runs.n_nontarget > 0).all()
    # No score is in two runs, and a run of two scores has no targets.
    assert (np.diff(runs.lowest) > 0).all()
    for g, lowest in enumerate(runs.lowest):
        mine = [
            {*scores[ends[g] : ends[g + 1]]}
            for scores, ends in (
                (runs.target, runs.target_ends),
                (runs.nontarget, runs.nontarget_ends),
            )
        ]
        assert min(mine[0] | mine[1]) == lowest
        assert len(mine[0] | mine[1]) == 1 or not mine[0]
