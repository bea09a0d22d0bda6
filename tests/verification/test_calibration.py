"""Calibration and fusion: the minimum of the objective, scikit-learn's solution, what has none."""

from __future__ import annotations

import math
import re
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm import (
    Calibration,
    CostModel,
    cllr,
    eer,
    fit_calibration,
    min_cllr,
    min_dcf,
)
from speakergmm.errors import ConfigError, ScoreError
from speakergmm.verification import calibration as calibration_module
from speakergmm.verification import logistic_regression
from speakergmm.verification.calibration import SideTerm

LAW = settings(derandomize=True, deadline=None, max_examples=60)

# scikit-learn's solver stops at a gradient of 1e-10; the curvature makes that 1e-6 of a parameter.
ORACLE = 1e-6

# The objective is flat at its minimum: 1e-16 of rounding in it is 1e-8 of a parameter, or a little
# more where the curvature is small.
FLAT = 1e-6

# Of the objective's gradient in standardized predictors, a mean of terms of about unit size: at
# 1e-8, with curvatures above 0.01, parameters have six digits; at 1e-10 they have eight.
GRADIENT = 1e-10

# Of log-likelihood ratios of some nats: the order of the sums.
ROUNDING = 1e-9


def overlapping_scores(rng, *, n_target=60, n_nontarget=150, gap=2.0):
    """Draw scores that no threshold separates: either side has the lowest and the highest."""
    target, nontarget = rng.normal(gap, 1, size=n_target), rng.normal(0, 1.5, size=n_nontarget)
    both = np.concatenate([target, nontarget])
    ends = both.min() - 0.1, both.max() + 0.1
    return np.append(target, ends), np.append(nontarget, ends)


def objective(calibration, target, nontarget, p_target):
    prior = math.log(p_target / (1 - p_target))
    miss = np.logaddexp(0, -(calibration(target) + prior)).mean()
    return p_target * miss + (1 - p_target) * np.logaddexp(0, calibration(nontarget) + prior).mean()


@pytest.mark.parametrize("p_target", [0.5, 0.05, 0.9, 1e-3])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1e-3, 5.0), (300.0, -1e4)])
def test_agrees_with_scikit_learn(p_target, scale, offset):
    from sklearn.linear_model import LogisticRegression

    target, nontarget = overlapping_scores(np.random.default_rng(1))
    calibration = fit_calibration(
        scale * target + offset, scale * nontarget + offset, p_target=p_target
    )
    scores = np.concatenate([target, nontarget])
    labels = np.repeat([1, 0], [len(target), len(nontarget)])
    weights = np.where(labels, p_target / len(target), (1 - p_target) / len(nontarget))
    # C = inf: no regularization. Weights are scaled up because the solver's tolerance is absolute.
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000, solver="newton-cholesky")
    model.fit(scores[:, None], labels, sample_weight=weights * len(scores))
    # Its decision function is the posterior log-odds: the ratio plus those of the prior.
    expected = model.decision_function(scores[:, None]) - math.log(p_target / (1 - p_target))
    np.testing.assert_allclose(
        calibration(scale * scores + offset), expected, rtol=ORACLE, atol=ORACLE
    )


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(1, 80),
    st.floats(1e-4, 1 - 1e-4),
    st.sampled_from([0.0, 1.0, 5.0, 100.0, -2.0]),
)
def test_is_a_minimum_of_the_objective(seed, n_target, n_nontarget, p_target, gap):
    rng = np.random.default_rng(seed)
    target, nontarget = overlapping_scores(rng, n_target=n_target, n_nontarget=n_nontarget, gap=gap)
    fitted = fit_calibration(target, nontarget, p_target=p_target)
    reached = objective(fitted, target, nontarget, p_target)
    center = np.concatenate([target, nontarget]).mean()
    for step in (1e-3, -1e-3):
        steeper = Calibration(fitted.scale + step, fitted.offset - step * center)
        moved = Calibration(fitted.scale, fitted.offset + step)
        for other in (steeper, moved):
            assert objective(other, target, nontarget, p_target) >= reached - 1e-12


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.01, 100) | st.floats(-100, -0.01),
    st.floats(-1000, 1000),
    st.floats(0.01, 0.99),
)
def test_units_and_sign_of_the_scores_do_not_matter(seed, scale, offset, p_target):
    target, nontarget = overlapping_scores(np.random.default_rng(seed))
    plain = fit_calibration(target, nontarget, p_target=p_target)
    other = fit_calibration(scale * target + offset, scale * nontarget + offset, p_target=p_target)
    scores = np.linspace(-3, 3, 7)
    np.testing.assert_allclose(other(scale * scores + offset), plain(scores), rtol=0, atol=1e-6)


@LAW
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.99))
def test_swapped_sides_change_the_sign(seed, p_target):
    target, nontarget = overlapping_scores(np.random.default_rng(seed))
    fitted = fit_calibration(target, nontarget, p_target=p_target)
    swapped = fit_calibration(nontarget, target, p_target=1 - p_target)
    assert swapped.scale == pytest.approx(-fitted.scale, abs=FLAT)
    assert swapped.offset == pytest.approx(-fitted.offset, abs=FLAT)


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(2, 5))
def test_repeated_trials_change_nothing(seed, k, m):
    target, nontarget = overlapping_scores(np.random.default_rng(seed), n_target=20, n_nontarget=30)
    plain = fit_calibration(target, nontarget)
    repeated = fit_calibration(np.repeat(target, k), np.tile(nontarget, m))
    assert repeated.scale == pytest.approx(plain.scale, abs=FLAT)
    assert repeated.offset == pytest.approx(plain.offset, abs=FLAT)


@LAW
@given(st.integers(0, 2**32 - 1))
def test_a_second_calibration_is_the_identity(seed):
    target, nontarget = overlapping_scores(np.random.default_rng(seed))
    fitted = fit_calibration(target, nontarget)
    again = fit_calibration(fitted(target), fitted(nontarget))
    assert again.scale == pytest.approx(1.0, abs=1e-6)
    assert again.offset == pytest.approx(0.0, abs=1e-6)


@LAW
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3))
def test_never_worse_than_knowing_nothing_nor_than_the_scores_themselves(seed, gap):
    target, nontarget = overlapping_scores(np.random.default_rng(seed), gap=gap)
    fitted = fit_calibration(target, nontarget)
    calibrated = cllr(fitted(target), fitted(nontarget))
    # With p = ½ the objective is Cllr.
    assert calibrated <= min(1.0, cllr(target, nontarget)) + 1e-12


def test_scores_that_are_ratios_already_are_kept():
    # Targets N(½s², s²), nontargets N(-½s², s²) are their own log-likelihood ratios; 20,000 trials
    # tell scale and offset to some hundredths.
    rng = np.random.default_rng(2)
    target, nontarget = 2 + 2 * rng.normal(size=10_000), -2 + 2 * rng.normal(size=10_000)
    for p_target in (0.5, 0.05):
        fitted = fit_calibration(target, nontarget, p_target=p_target)
        assert fitted.scale == pytest.approx(1.0, abs=0.1)
        assert fitted.offset == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize("p_target", [0.5, 0.05, 0.01])
def test_newton_needs_few_passes_over_the_trials(p_target):
    # Passes that gain nothing any more would take minutes on the usual list of a million trials.
    for seed in range(20):
        rng = np.random.default_rng(seed)
        target, nontarget = 2 + 2 * rng.normal(size=300), -2 + 2 * rng.normal(size=300)
        with mock.patch("numpy.logaddexp", wraps=np.logaddexp) as counted:
            fit_calibration(target, nontarget, p_target=p_target)
        assert counted.call_count < 200


def test_a_change_of_the_prior_does_not_shift_the_ratios_but_the_posterior_odds():
    # Two scores only: the ratio is that of their shares, log(3/4 : 1/4) and back, at every prior.
    target, nontarget = [1, 1, 1, 0], [0, 0, 0, 1]
    for p_target in (0.1, 0.5, 0.9):
        fitted = fit_calibration(target, nontarget, p_target=p_target)
        np.testing.assert_allclose(fitted([1, 0]), [math.log(3), -math.log(3)], atol=FLAT)


def test_two_scores_with_other_shares_by_hand():
    # Score 1: 4 of 5 targets, 1 of 10 nontargets; score 0: 1 of 5, 9 of 10.
    fitted = fit_calibration([1] * 4 + [0], [1] + [0] * 9)
    np.testing.assert_allclose(fitted([1, 0]), [math.log(8), math.log(2 / 9)], atol=FLAT)


def test_inverted_scores_get_a_negative_scale():
    target, nontarget = overlapping_scores(np.random.default_rng(3))
    assert fit_calibration(-target, -nontarget).scale < 0


def test_one_wild_score_among_many_is_no_obstacle():
    rng = np.random.default_rng(4)
    target = np.append(rng.normal(50, 1, size=1_000), -1e3)
    nontarget = np.append(rng.normal(-50, 1, size=1_000), 1e3)
    fitted = fit_calibration(target, nontarget, p_target=0.01)
    assert math.isfinite(fitted.scale)
    reached = objective(fitted, target, nontarget, 0.01)
    for scale in np.linspace(-0.1, 0.1, 41):
        for offset in np.linspace(-3, 3, 13):
            other = Calibration(float(scale), float(offset))
            assert objective(other, target, nontarget, 0.01) >= reached - 1e-12


@pytest.mark.parametrize("exponent", [-100, -10, 10, 100])
def test_scores_of_extreme_size(exponent):
    scores = np.array([1.0, 3.0]), np.array([0.0, 2.0])
    plain = fit_calibration(*scores)
    size = 10.0**exponent
    extreme = fit_calibration(size * scores[0], size * scores[1])
    np.testing.assert_allclose(extreme(size * scores[0]), plain(scores[0]), rtol=1e-9)


def test_is_an_affine_map_of_float64():
    llr = Calibration(2.0, -1.0)([0, 1.5, np.inf])
    assert llr.dtype == np.float64
    np.testing.assert_array_equal(llr, [-1.0, 2.0, np.inf])


def test_lists_and_integers_are_scores():
    assert fit_calibration([3, 1, 2], [0, 2]) == fit_calibration(
        np.array([3.0, 1.0, 2.0]), np.array([0.0, 2.0])
    )


@pytest.mark.parametrize(
    ("target", "nontarget", "message"),
    [
        ([], [1.0], "there are no target scores; calibration needs trials of both kinds"),
        ([1.0], [], "there are no nontarget scores"),
        ([1.0, np.nan], [0.0], r"1 of \d target scores are NaN or infinite, the first of trial"),
        ([1.0], [np.inf, 0.0], "1 of 2 nontarget scores are NaN or infinite, the first of trial 0"),
        ([-np.inf], [0.0], r"1 of \d target scores are NaN or infinite, the first of trial"),
        ([2.0, 2.0], [2.0], "all scores are equal"),
        ([2.0, 3.0], [0.0, 1.0], "the 2 target and 2 nontarget scores are perfectly separated"),
        ([0.0], [1.0], "the 1 target and 1 nontarget scores are perfectly separated"),
        # Touching sides have no finite solution either: a steeper scale is always better.
        ([1.0, 2.0], [0.0, 1.0], "perfectly separated: no finite calibration exists"),
        ([0.0, 1.0], [1.0, 2.0], "perfectly separated"),
    ],
)
def test_scores_without_a_calibration_are_refused(target, nontarget, message):
    with pytest.raises(ScoreError, match=message):
        fit_calibration(target, nontarget)


def test_one_score_that_both_sides_share_is_enough_for_separation_to_end():
    # One target below one nontarget: finite, if barely.
    fitted = fit_calibration([0.0, 2.0], [-1.0, 0.1])
    assert math.isfinite(fitted.scale)
    assert fitted.scale > 0


@pytest.mark.parametrize("p_target", [0.0, 1.0, -0.5, 2.0, np.nan])
def test_prior_out_of_range_is_refused(p_target):
    with pytest.raises(ConfigError, match=f"p_target is {p_target!r}; expected"):
        fit_calibration([1, 3], [0, 2], p_target=p_target)


# --- fusion of several systems -------------------------------------------------------------------


def systems_scores(rng, *, n_target=80, n_nontarget=200, n_systems=3):
    """Draw correlated scores of several systems, in units of their own, that overlap."""
    units = 10.0 ** rng.uniform(-2, 2, size=n_systems)
    mix = rng.normal(size=(n_systems, n_systems)) + 2 * np.eye(n_systems)
    shift = rng.uniform(0.3, 1.5, size=n_systems)
    target = (rng.normal(size=(n_target, n_systems)) + shift) @ mix
    nontarget = 1.2 * rng.normal(size=(n_nontarget, n_systems)) @ mix
    # A pair of either kind that no weights tell apart, on both ends.
    ends = np.array([[20.0] * n_systems, [-20.0] * n_systems])
    return np.vstack([target, ends]) * units, np.vstack([nontarget, ends]) * units


def log_odds_of_scikit_learn(target, nontarget, p_target):
    """Fit prior-weighted logistic regression on columns; give the ratios of all rows."""
    from sklearn.linear_model import LogisticRegression

    rows = np.vstack([target, nontarget])
    # It does not standardize; its solution would be the same, its digits would not.
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    labels = np.repeat([1, 0], [len(target), len(nontarget)])
    weights = np.where(labels, p_target / len(target), (1 - p_target) / len(nontarget))
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000, solver="newton-cholesky")
    model.fit(rows, labels, sample_weight=weights * len(rows))
    return model.decision_function(rows) - math.log(p_target / (1 - p_target))


@pytest.mark.parametrize("n_systems", [2, 3, 5])
@pytest.mark.parametrize("p_target", [0.5, 0.05, 0.9])
def test_fusion_agrees_with_scikit_learn(n_systems, p_target):
    target, nontarget = systems_scores(np.random.default_rng(10), n_systems=n_systems)
    fused = fit_calibration(target, nontarget, p_target=p_target)
    assert fused.n_systems == len(fused.scale) == n_systems
    np.testing.assert_allclose(
        fused(np.vstack([target, nontarget])),
        log_odds_of_scikit_learn(target, nontarget, p_target),
        rtol=ORACLE,
        atol=ORACLE,
    )


def gradient(llr, columns, is_target, p_target):
    """Slope of the objective along standardized columns and a constant."""
    prior = math.log(p_target / (1 - p_target))
    # Derivative of log(1 + exp(-x)) at x = ±(llr + prior), from both sides.
    error = np.where(is_target, -1, 1) / (1 + np.exp(np.where(is_target, 1, -1) * (llr + prior)))
    weights = np.where(is_target, p_target / is_target.sum(), (1 - p_target) / (~is_target).sum())
    standardized = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    return (weights * error) @ np.column_stack([standardized, np.ones(len(llr))])


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.floats(1e-3, 1 - 1e-3))
def test_the_gradient_at_the_solution_is_zero(seed, n_systems, p_target):
    target, nontarget = systems_scores(np.random.default_rng(seed), n_systems=n_systems)
    fitted = fit_calibration(target, nontarget, p_target=p_target)
    scores = np.vstack([target, nontarget])
    is_target = np.arange(len(scores)) < len(target)
    slope = gradient(fitted(scores), scores, is_target, p_target)
    np.testing.assert_allclose(slope, 0, atol=GRADIENT)


def test_one_system_in_a_column_is_the_same_as_without():
    target, nontarget = overlapping_scores(np.random.default_rng(11))
    plain = fit_calibration(target, nontarget)
    column = fit_calibration(target[:, None], nontarget[:, None])
    assert column == Calibration((plain.scale,), plain.offset)
    assert column.n_systems == plain.n_systems == 1
    np.testing.assert_allclose(column(target[:, None]), plain(target), rtol=0, atol=ROUNDING)


@LAW
@given(st.integers(0, 2**32 - 1))
def test_units_signs_and_order_of_the_systems_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    target, nontarget = systems_scores(rng)
    plain = fit_calibration(target, nontarget)(target)
    scale, offset = rng.uniform(0.1, 10, size=3) * [1, -1, 1], rng.uniform(-5, 5, size=3)
    order = rng.permutation(3)
    changed = [((scale * side + offset)[:, order]) for side in (target, nontarget)]
    np.testing.assert_allclose(fit_calibration(*changed)(changed[0]), plain, rtol=0, atol=FLAT)


def test_a_useless_second_system_gets_no_weight():
    rng = np.random.default_rng(12)
    n_target, n_nontarget = 5_000, 20_000
    target = np.column_stack([rng.normal(2, 1, size=n_target), rng.normal(size=n_target)])
    nontarget = np.column_stack([rng.normal(0, 1, size=n_nontarget), rng.normal(size=n_nontarget)])
    fused = fit_calibration(target, nontarget)
    # Its standard error: that of the mean gradient along it, over the curvature. Both by noise that
    # is independent of all else and has unit variance.
    error = [1 / (1 + np.exp(sign * fused(side))) for sign, side in ((1, target), (-1, nontarget))]
    curvature = np.mean([np.mean(e * (1 - e)) for e in error])
    variance = sum(np.mean(0.25 * e**2) / len(e) for e in error)
    standard_error = math.sqrt(variance) / curvature
    assert standard_error < 0.05
    assert abs(fused.scale[1]) < 3 * standard_error
    single = fit_calibration(target[:, 0], nontarget[:, 0])
    assert fused.scale[0] == pytest.approx(single.scale, abs=3 * standard_error)


def test_independent_systems_add_their_ratios():
    # Scores that are ratios already and independent given the class: both have weight 1.
    rng = np.random.default_rng(13)
    target, nontarget = (side + 2 * rng.normal(size=(20_000, 2)) for side in (2, -2))
    fused = fit_calibration(target, nontarget)
    # 20,000 trials a side, of which few err, tell a weight to some hundredths.
    np.testing.assert_allclose(fused.scale, [1, 1], atol=0.1)
    assert fused.offset == pytest.approx(0, abs=0.1)
    alone = cllr(target[:, 0], nontarget[:, 0])
    assert cllr(fused(target), fused(nontarget)) < 0.6 * alone


@pytest.mark.parametrize("copies", [2, 3])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (-7.0, 3.0)])
def test_a_system_that_is_there_twice_counts_once(copies, scale, offset):
    target, nontarget = overlapping_scores(np.random.default_rng(14))
    single = fit_calibration(target, nontarget)
    sides = [
        np.column_stack([side] + [scale * side + offset] * (copies - 1))
        for side in (target, nontarget)
    ]
    fused = fit_calibration(*sides)
    assert np.isfinite(fused.scale).all()
    # Neither copy gets a large weight that the other takes off again.
    assert np.abs(fused.scale).max() < 2 * abs(single.scale)
    np.testing.assert_allclose(fused(sides[0]), single(target), rtol=0, atol=FLAT)
    np.testing.assert_allclose(fused(sides[1]), single(nontarget), rtol=0, atol=FLAT)


@LAW
@given(st.integers(0, 2**32 - 1))
def test_fusion_is_not_worse_than_any_of_its_systems(seed):
    target, nontarget = systems_scores(np.random.default_rng(seed))
    fused = fit_calibration(target, nontarget)
    reached = cllr(fused(target), fused(nontarget))
    for one, other in zip(target.T, nontarget.T, strict=True):
        single = fit_calibration(one, other)
        assert reached <= cllr(single(one), single(other)) + ROUNDING


# --- separation of several systems' scores -------------------------------------------------------


def separated_pair(rng, *, n=30):
    """Draw scores of two systems whose difference, and no single one, tells the classes apart."""
    a, b = 3 * rng.normal(size=(2, n))
    return np.column_stack([a, a + rng.uniform(1, 2, n)]), np.column_stack(
        [b, b - rng.uniform(1, 2, n)]
    )


@pytest.mark.parametrize("p_target", [0.5, 0.01, 0.99])
@pytest.mark.parametrize("n", [5, 30, 1_000])
def test_systems_that_separate_only_together_are_refused(n, p_target):
    target, nontarget = separated_pair(np.random.default_rng(15), n=n)
    for system in range(2):
        fit_calibration(target[:, system], nontarget[:, system], p_target=p_target)
    message = f"the {n:,} target and {n:,} nontarget scores are perfectly separated: no finite"
    with pytest.raises(ScoreError, match=message):
        fit_calibration(target, nontarget, p_target=p_target)


@pytest.mark.parametrize("p_target", [0.5, 0.01])
@pytest.mark.parametrize("n", [5, 30, 300])
def test_systems_that_separate_together_but_for_ties_are_refused(n, p_target):
    # A target and a nontarget on the border: larger weights are still always better.
    border = np.zeros((1, 2))
    target, nontarget = separated_pair(np.random.default_rng(16), n=n)
    sides = np.vstack([target, border]), np.vstack([nontarget, border])
    with pytest.raises(ScoreError, match="perfectly separated: no finite calibration exists"):
        fit_calibration(*sides, p_target=p_target)


def test_systems_that_separate_but_for_one_trial_are_fused():
    target, nontarget = separated_pair(np.random.default_rng(17))
    # Amid the nontargets, so that no weights can spare it.
    wrong = nontarget.mean(axis=0, keepdims=True)
    sides = np.vstack([target, wrong]), nontarget
    fused = fit_calibration(*sides)
    assert np.isfinite([*fused.scale, fused.offset]).all()
    scores, n_target = np.vstack(sides), len(sides[0])
    slope = gradient(fused(scores), scores, np.arange(len(scores)) < n_target, 0.5)
    np.testing.assert_allclose(slope, 0, atol=GRADIENT)


# --- side information ----------------------------------------------------------------------------


def trials_of_length(rng, n, *, low=0.25, high=4.0):
    """Draw trials whose scores are ±1 with noise of variance 1 / q, which is what q is worth.

    Their log-likelihood ratio is 2 q s: a scale that is proportional to q, and no offset.
    """
    length = np.exp(rng.uniform(np.log(low), np.log(high), size=(2, n)))
    noise = rng.normal(size=(2, n)) / np.sqrt(length)
    return 1 + noise[0], noise[1] - 1, length[0][:, None], length[1][:, None]


def fitted_with(target, nontarget, target_side, nontarget_side, side=("test_speech",), **options):
    return fit_calibration(
        target,
        nontarget,
        side=side,
        target_side=target_side,
        nontarget_side=nontarget_side,
        **options,
    )


@pytest.mark.parametrize("n_quantities", [1, 2, 4])
@pytest.mark.parametrize("p_target", [0.5, 0.05])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (0.01, 20.0)])
def test_side_information_agrees_with_scikit_learn(n_quantities, p_target, scale, offset):
    rng = np.random.default_rng(20)
    target, nontarget = overlapping_scores(rng)
    sides = [scale * rng.normal(size=(len(s), n_quantities)) + offset for s in (target, nontarget)]
    names = [f"q{i}" for i in range(n_quantities)]
    fitted = fitted_with(target, nontarget, *sides, names, p_target=p_target)
    assert [term.name for term in fitted.side] == names
    columns = [
        np.column_stack([s, q, s[:, None] * (q - offset)])
        for s, q in zip((target, nontarget), sides, strict=True)
    ]
    scores, quantities = np.concatenate([target, nontarget]), np.vstack(sides)
    np.testing.assert_allclose(
        fitted(scores, quantities),
        log_odds_of_scikit_learn(*columns, p_target),
        rtol=ORACLE,
        atol=ORACLE,
    )


@LAW
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.99))
def test_the_gradient_with_side_information_is_zero(seed, p_target):
    rng = np.random.default_rng(seed)
    target, nontarget = overlapping_scores(rng)
    sides = [rng.normal(1, 2, size=(len(s), 2)) for s in (target, nontarget)]
    fitted = fitted_with(target, nontarget, *sides, ("a", "b"), p_target=p_target)
    scores, quantities = np.concatenate([target, nontarget]), np.vstack(sides)
    columns = np.column_stack([scores, quantities, scores[:, None] * quantities])
    is_target = np.arange(len(scores)) < len(target)
    slope = gradient(fitted(scores, quantities), columns, is_target, p_target)
    np.testing.assert_allclose(slope, 0, atol=GRADIENT)


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.01, 100) | st.floats(-100, -0.01),
    st.floats(-100, 100),
)
def test_units_of_the_side_information_do_not_matter(seed, scale, offset):
    rng = np.random.default_rng(seed)
    target, nontarget, *sides = trials_of_length(rng, 150)
    plain = fitted_with(target, nontarget, *sides)(target, sides[0])
    other = [scale * q + offset for q in sides]
    changed = fitted_with(target, nontarget, *other)(target, other[0])
    np.testing.assert_allclose(changed, plain, rtol=0, atol=FLAT)


def test_what_the_length_of_a_test_is_worth_is_found():
    target, nontarget, *sides = trials_of_length(np.random.default_rng(21), 20_000)
    fitted = fitted_with(target, nontarget, *sides)
    (term,) = fitted.side
    # 20,000 trials a side tell these to some hundredths.
    assert fitted.scale == pytest.approx(0.0, abs=0.1)
    assert fitted.offset == pytest.approx(0.0, abs=0.1)
    assert (term.scale, term.offset) == pytest.approx((2.0, 0.0), abs=0.1)
    plain = fit_calibration(target, nontarget)
    with_length = cllr(fitted(target, sides[0]), fitted(nontarget, sides[1]))
    without = cllr(plain(target), plain(nontarget))
    assert with_length < 0.95 * without


def test_short_tests_get_ratios_nearer_to_zero():
    rng = np.random.default_rng(22)
    target, nontarget, *sides = trials_of_length(rng, 5_000)
    fitted = fitted_with(target, nontarget, *sides)
    scores = np.array([-1.0, 1.0])
    short, long = (np.abs(fitted(scores, np.full((2, 1), q))) for q in (0.3, 3.0))
    assert (short < 0.2 * long).all()
    # And so they are on average, over tests that were not fitted on.
    target, nontarget, *sides = trials_of_length(rng, 5_000)
    llr, length = fitted(target, sides[0]), sides[0][:, 0]
    assert np.abs(llr[length < 0.5]).mean() < 0.5 * np.abs(llr[length > 2]).mean()


def test_side_information_that_says_nothing_changes_little():
    rng = np.random.default_rng(23)
    target, nontarget = 2 + 2 * rng.normal(size=10_000), -2 + 2 * rng.normal(size=10_000)
    sides = rng.normal(size=(2, 10_000, 1))
    fitted, plain = fitted_with(target, nontarget, *sides), fit_calibration(target, nontarget)
    (term,) = fitted.side
    # Standard errors of scale and offset are of 0.02 to 0.05 here.
    assert (term.scale, term.offset) == pytest.approx((0.0, 0.0), abs=0.15)
    gained = cllr(plain(target), plain(nontarget)) - cllr(
        fitted(target, sides[0]), fitted(nontarget, sides[1])
    )
    # Two more parameters gain about one nat over all trials, a mean of 1e-4 bits.
    assert -ROUNDING <= gained < 1e-3


def test_side_information_by_hand():
    fitted = Calibration(2.0, -1.0, (SideTerm("a", 0.5, 0.0), SideTerm("b", -1.0, 3.0)))
    # Scales 2, 2.5 and 1; offsets -1, -1 and 2.
    llr = fitted([4.0, 4.0, 4.0], [[0, 0], [1, 0], [0, 1]])
    np.testing.assert_array_equal(llr, [7.0, 9.0, 6.0])
    assert llr.dtype == np.float64
    assert fitted.n_systems == 1


# --- what a calibration leaves as it is, and posteriors ------------------------------------------


@LAW
@given(st.integers(0, 2**32 - 1), st.floats(0.001, 1000), st.floats(-100, 100))
def test_metrics_of_order_stay_as_they_are(seed, scale, offset):
    # Whole numbers, so that ties are the rule and stay ties.
    rng = np.random.default_rng(seed)
    target, nontarget = rng.integers(-3, 9, size=30), rng.integers(-9, 4, size=60)
    calibration = Calibration(scale, offset)
    for metric in (eer, min_cllr, lambda *s: min_dcf(*s, CostModel(0.05))):
        assert metric(calibration(target), calibration(nontarget)) == metric(target, nontarget)


@LAW
@given(st.integers(0, 2**32 - 1), st.floats(-5, 5), st.floats(-5, 5))
def test_no_other_scale_and_offset_lower_cllr_of_the_trials_of_the_fit(seed, scale, offset):
    target, nontarget = overlapping_scores(np.random.default_rng(seed))
    fitted, other = fit_calibration(target, nontarget), Calibration(scale, offset)
    assert cllr(fitted(target), fitted(nontarget)) <= cllr(other(target), other(nontarget)) + 1e-12
    assert min_cllr(target, nontarget) <= cllr(fitted(target), fitted(nontarget)) + 1e-12


@LAW
@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=9),
    st.floats(1e-3, 1 - 1e-3),
    st.floats(1e-3, 1 - 1e-3),
)
def test_another_prior_shifts_the_log_odds_of_the_posterior(llr, p_target, other):
    def log_odds(p):
        return np.log(p / (1 - p))

    calibration = Calibration(1.0, 0.0)
    shift = log_odds(calibration.posterior(llr, other)) - log_odds(
        calibration.posterior(llr, p_target)
    )
    # A posterior of 1 - 1e-7 keeps nine digits of what it is short of 1.
    np.testing.assert_allclose(shift, log_odds(other) - log_odds(p_target), rtol=0, atol=1e-6)


def test_posterior_by_hand():
    calibration = Calibration(2.0, 1.0)
    scores = (np.log([1, 3, 1 / 3]) - 1) / 2
    np.testing.assert_allclose(calibration.posterior(scores, 0.5), [1 / 2, 3 / 4, 1 / 4])
    # Odds of 3 to 1 for, times 1 to 3 against.
    np.testing.assert_allclose(calibration.posterior(scores, 0.25), [1 / 4, 1 / 2, 1 / 10])
    with np.errstate(all="raise"):
        certain = calibration.posterior([np.inf, -np.inf, 1e4, -1e4], 0.01)
    np.testing.assert_array_equal(certain, [1, 0, 1, 0])


def test_a_tiny_posterior_keeps_its_digits():
    llr = np.array([-1.0, -20.0, -40.0, -700.0])
    odds = np.exp(llr)
    found = Calibration(1.0, 0.0).posterior(llr, 0.5)
    np.testing.assert_allclose(found, odds / (1 + odds), rtol=1e-12)


def test_posterior_with_side_information_and_of_several_systems():
    side = Calibration(1.0, 0.0, (SideTerm("q", 0.0, 1.0),))
    np.testing.assert_allclose(side.posterior([0.0], 0.5, [[math.log(3)]]), [3 / 4])
    fused = Calibration((1.0, 1.0), 0.0)
    np.testing.assert_allclose(fused.posterior([[math.log(3), math.log(3)]], 0.1), [1 / 2])


@pytest.mark.parametrize("p_target", [0.0, 1.0, -0.1, math.nan, "half"])
def test_posterior_refuses_priors_out_of_range(p_target):
    with pytest.raises(ConfigError, match=f"p_target is {p_target!r}; expected"):
        Calibration(1.0, 0.0).posterior([0.0], p_target)


# --- blocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1, 7, 64])
def test_blocks_of_trials_do_not_change_the_result(block, monkeypatch):
    rng = np.random.default_rng(24)
    target, nontarget = systems_scores(rng, n_target=30, n_nontarget=50)
    one, other, *sides = trials_of_length(rng, 60)
    expected = [
        fit_calibration(target, nontarget)(target),
        fitted_with(one, other, *sides)(one, sides[0]),
    ]
    monkeypatch.setattr(calibration_module, "BLOCK_TRIALS", block)
    monkeypatch.setattr(logistic_regression, "BLOCK_TRIALS", block)
    found = [
        fit_calibration(target, nontarget)(target),
        fitted_with(one, other, *sides)(one, sides[0]),
    ]
    for values, whole in zip(found, expected, strict=True):
        np.testing.assert_allclose(values, whole, rtol=0, atol=ROUNDING)


def test_separation_is_seen_across_blocks(monkeypatch):
    monkeypatch.setattr(logistic_regression, "BLOCK_TRIALS", 4)
    target, nontarget = separated_pair(np.random.default_rng(25))
    with pytest.raises(ScoreError, match="perfectly separated"):
        fit_calibration(target, nontarget)
    # The one trial that is on the wrong side is in the first block only.
    fit_calibration(np.vstack([nontarget.mean(axis=0), target]), nontarget)


# --- messages ------------------------------------------------------------------------------------

PAIRS = [[0.0, 1.0], [2.0, 0.5], [1.0, 3.0]]


@pytest.mark.parametrize(
    ("target", "nontarget", "message"),
    [
        (np.empty((0, 2)), PAIRS, "there are no target scores; calibration needs trials of both"),
        (PAIRS, np.empty((0, 2)), "there are no nontarget scores; calibration needs trials"),
        (PAIRS, [[0.0], [1.0]], "target scores are of 2 systems, nontarget scores of 1; expected"),
        (PAIRS, [1.0, 2.0], "target scores are of 2 systems, nontarget scores of 1"),
        ([1.0, 2.0], [PAIRS], "nontarget scores have shape (1, 3, 2); expected (N,) or (N,"),
        (
            [*PAIRS, [np.nan, np.inf]],
            PAIRS,
            (
                "2 of 8 target scores are NaN or infinite, the first of trial 3; expected finite "
                "scores: score these trials again, or leave them out"
            ),
        ),
        (
            PAIRS,
            [[0.0, -np.inf]],
            "1 of 2 nontarget scores are NaN or infinite, the first of trial",
        ),
        (
            [[1.0, 7.0], [2.0, 7.0]],
            [[0.0, 7.0], [1.5, 7.0]],
            "scores of system 1 are equal; they hold nothing that could be calibrated",
        ),
        ([[5.0, 1.0]], [[5.0, 0.0], [5.0, 2.0]], "scores of system 0 are equal"),
        # Equal in all but the last bit.
        (
            [0.3, 0.1 + 0.2],
            [0.3],
            "all scores are equal; they hold nothing that could be calibrated",
        ),
    ],
)
def test_systems_without_a_fusion_are_refused(target, nontarget, message):
    with pytest.raises(ScoreError, match=re.escape(message)):
        fit_calibration(target, nontarget)


@pytest.mark.parametrize("size", [1e200, 1.5e308, 1e-200])
def test_scores_that_cannot_be_squared_are_refused(size):
    message = "scores or side information go beyond what can be squared; expected numbers of"
    with pytest.raises(ScoreError, match=message):
        fit_calibration([size, -size], [0.0, size / 2])


def test_fusion_with_side_information_is_refused():
    message = "side information is for the scores of one system; fuse without it"
    with pytest.raises(ScoreError, match=message):
        fitted_with(PAIRS, PAIRS, np.zeros((3, 1)), np.zeros((3, 1)))


@pytest.mark.parametrize(
    ("target_side", "nontarget_side", "message"),
    [
        (
            None,
            [[1.0], [2.0]],
            (
                "target side information has shape (0,); expected a row for each of the 2 trials "
                "and a column for each of test_speech"
            ),
        ),
        ([[1.0], [2.0]], None, "nontarget side information has shape (0,); expected a row for"),
        ([1.0, 2.0], [[1.0], [2.0]], "target side information has shape (2,); expected a row for"),
        ([[1.0], [2.0]], [[1.0]], "nontarget side information has shape (1, 1); expected a row"),
        ([[1, 2], [2, 3]], [[1.0], [2.0]], "target side information has shape (2, 2); expected"),
        (
            [[1.0], [2.0]],
            [[1.0], [-np.inf]],
            (
                "nontarget side information 'test_speech' is NaN or infinite for a trial; expected "
                "finite values: leave that trial out, or do without this quantity"
            ),
        ),
        ([[np.nan], [2.0]], [[1.0], [2.0]], "target side information 'test_speech' is NaN or"),
        ([[3.0], [3.0]], [[3.0], [3.0]], "values of 'test_speech' are equal; they hold nothing"),
    ],
)
def test_side_information_that_cannot_be_used_is_refused(target_side, nontarget_side, message):
    with pytest.raises(ScoreError, match=re.escape(message)):
        fitted_with([1.0, 3.0], [0.0, 2.0], target_side, nontarget_side)


def test_the_quantity_that_cannot_be_used_is_named():
    side = ("enrollment_snr", "test_snr")
    good, bad = [[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, np.nan]]
    with pytest.raises(ScoreError, match="target side information 'test_snr' is NaN"):
        fitted_with([1.0, 3.0], [0.0, 2.0], bad, good, side)
    with pytest.raises(ScoreError, match="values of 'test_snr' are equal"):
        fitted_with([1.0, 3.0], [0.0, 2.0], [[1, 5], [3, 5]], [[1, 5], [2, 5]], side)
    with pytest.raises(ScoreError, match="a column for each of enrollment_snr, test_snr"):
        fitted_with([1.0, 3.0], [0.0, 2.0], [[1], [3]], [[1], [2]], side)


SIDED = Calibration(1.0, 0.0, (SideTerm("test_speech", 1.0, 0.0), SideTerm("test_snr", 0.0, 1.0)))


@pytest.mark.parametrize(
    ("fitted", "scores", "side", "message"),
    [
        (
            Calibration((1.0, 2.0), 0.0),
            [1.0, 2.0],
            None,
            "scores have shape (2,); this calibration fuses 2 systems: expected (N, 2)",
        ),
        (Calibration((1.0, 2.0), 0.0), [[1.0, 2.0, 3.0]], None, "scores have shape (1, 3); this"),
        (
            Calibration((1.0,), 0.0),
            [1.0],
            None,
            "calibration fuses 1 systems: expected (N, 1)",
        ),
        # What is known of each trial needs a list of trials.
        (SIDED, [[1.0, 2.0]], [[1.0, 0.0]], "scores have shape (1, 2); with side information"),
        (
            SIDED,
            [1.0, 2.0],
            None,
            (
                "side information has shape (2, 0); this calibration was fitted with 2 quantities "
                "(test_speech, test_snr): give those of each trial"
            ),
        ),
        (SIDED, [1.0], [[1.0]], "side information has shape (1, 1); this calibration was fitted"),
        (SIDED, [1.0, 2.0], [1.0, 2.0], "side information has shape (2,); this calibration was"),
        # A row for each trial, neither fewer nor one for all.
        (SIDED, [1.0, 2.0, 3.0], [[1.0, 0.0]] * 2, "side information has shape (2, 2)"),
        (SIDED, [1.0, 2.0, 3.0], [[1.0, 0.0]], "side information has shape (1, 2)"),
        (
            Calibration(2.0, 0.0),
            [1.0],
            [[1.0]],
            (
                "side information has shape (1, 1); this calibration was fitted with 0 quantities "
                "(none)"
            ),
        ),
        (
            Calibration((1.0, 2.0), 0.0),
            [[1.0, 2.0]],
            [[1.0]],
            "side information has shape (1, 1)",
        ),
    ],
)
def test_scores_of_other_systems_and_other_quantities_are_refused(fitted, scores, side, message):
    with pytest.raises(ScoreError, match=re.escape(message)):
        fitted(scores, side)


def test_a_single_score_is_a_score():
    assert Calibration(2.0, -1.0)(1.5) == 2.0
    assert Calibration(2.0, 0.0).posterior(0.0, 0.25) == pytest.approx(0.25)


def test_no_trials_have_no_ratios():
    assert Calibration(2.0, -1.0)([]).shape == (0,)
    assert Calibration((2.0, 1.0), -1.0)(np.empty((0, 2))).shape == (0,)
    assert SIDED([], np.empty((0, 2))).shape == (0,)


def test_a_matrix_of_one_systems_scores_is_mapped_cell_by_cell():
    matrix = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(Calibration(2.0, -1.0)(matrix), 2.0 * matrix - 1.0)
