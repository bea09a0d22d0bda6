"""Calibration: the minimum of its objective, scikit-learn's solution, and what has none."""

from __future__ import annotations

import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm import Calibration, cllr, fit_calibration
from speakergmm.errors import ConfigError, ScoreError

LAW = settings(derandomize=True, deadline=None, max_examples=60)

# scikit-learn's solver stops at a gradient of 1e-10; the curvature makes that 1e-6 of a parameter.
ORACLE = 1e-6

# The objective is flat at its minimum: 1e-16 of rounding in it is 1e-8 of a parameter, or a little
# more where the curvature is small.
FLAT = 1e-6


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
