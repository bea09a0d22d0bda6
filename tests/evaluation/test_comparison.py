"""Systems in pairs: differences and their p-values, and what is refused or left out."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.corpora import Scores, all_against_all
from speakergmm.errors import ScoreError
from speakergmm.evaluation import EvaluationConfig, cllr, eer
from speakergmm.evaluation.comparison import Difference, _adjusted, compare_scores
from speakergmm.evaluation.draws import Draws
from speakergmm.evaluation.summary import METRICS

FEW = settings(derandomize=True, deadline=None, max_examples=10)
LAW = settings(derandomize=True, deadline=None, max_examples=200)
SMALL = EvaluationConfig(p_target=0.1, n_resamples=200)

# Of sums of some hundreds of losses.
ROUNDING = 1e-12
# Percentiles of negated draws may fall on the next draw, of which there are 200.
NEXT_DRAW = 0.1

OF_LLR = {"actual_dcf", "cllr", "calibration_loss"}


def full_trials(n_speakers, tests_each=3):
    models = {f"m{i}": f"s{i}" for i in range(n_speakers)}
    tests = {f"t{i}-{k}": f"s{i}" for i in range(n_speakers) for k in range(tests_each)}
    return all_against_all(models, tests)


def system(trials, gap, seed, *, calibrated=True, common=0.0):
    """Scores of normal noise; ``common`` is the share of it that all systems meet."""
    shared = np.random.default_rng(99).normal(size=len(trials))
    own = np.random.default_rng(seed).normal(size=len(trials))
    noise = np.sqrt(common) * shared + np.sqrt(1 - common) * own
    score = noise + gap * trials.is_target
    return Scores(trials, score, gap * (score - gap / 2) if calibrated else None)


def two(n_speakers=12, gaps=(1.0, 2.0), **kwargs):
    trials = full_trials(n_speakers)
    return {name: system(trials, gap, seed, **kwargs) for seed, (name, gap) in
            enumerate(zip("ab", gaps, strict=True))}  # fmt: skip


def found_between(systems, config=SMALL, **kwargs):
    (comparison,) = compare_scores(systems, config, **kwargs)
    return comparison.differences


# --- what a difference is ------------------------------------------------------------------------


def test_values_are_the_metrics_of_the_second_less_those_of_the_first():
    systems = two()
    found = found_between(systems)
    first, second = systems.values()
    expected = eer(second.target(), second.nontarget()) - eer(first.target(), first.nontarget())
    assert found["eer"].value == pytest.approx(expected, abs=ROUNDING)
    is_target = first.trials.is_target
    expected = cllr(second.llr[is_target], second.llr[~is_target]) - cllr(
        first.llr[is_target], first.llr[~is_target]
    )
    assert found["cllr"].value == pytest.approx(expected, abs=ROUNDING)
    assert list(found) == list(METRICS)


@FEW
@given(st.integers(5, 12), st.integers(0, 1000), st.floats(0.2, 3), st.floats(0.2, 3))
def test_exchanged_systems_have_negated_differences_and_the_same_p_values(n, seed, one, other):
    trials = full_trials(n)
    systems = {"a": system(trials, one, seed), "b": system(trials, other, seed + 1)}
    there = found_between(systems, rng=seed)
    back = found_between(dict(reversed(systems.items())), rng=seed)
    for metric, difference in there.items():
        mirrored = back[metric]
        assert mirrored.value == -difference.value, metric
        # Where 0 itself was drawn, a rounded sum may fall on either side of it.
        assert mirrored.p_value == pytest.approx(difference.p_value, rel=1e-6), metric
        width = difference.high - difference.low
        tolerance = NEXT_DRAW * width + ROUNDING
        assert mirrored.low == pytest.approx(-difference.high, abs=tolerance), metric
        assert mirrored.high == pytest.approx(-difference.low, abs=tolerance), metric


def test_identical_systems_differ_in_nothing():
    scores = two()["a"]
    for difference in found_between({"a": scores, "copy": scores}).values():
        assert difference == Difference(0.0, 0.0, 0.0, 1.0, 1.0)
        assert not difference.is_significant


def test_a_rising_function_of_the_scores_changes_ratios_alone():
    first = two()["a"]
    bent = Scores(first.trials, np.exp(first.score), 3 * first.llr)
    for metric, difference in found_between({"a": first, "bent": bent}).items():
        if metric in OF_LLR:
            assert difference.value > 0, metric
        else:
            assert difference == Difference(0.0, 0.0, 0.0, 1.0, 1.0), metric


@FEW
@given(st.integers(0, 1000))
def test_the_difference_lies_in_its_interval_and_p_values_are_probabilities(seed):
    for difference in found_between(two(8, gaps=(1.5, 1.7)), rng=seed).values():
        assert difference.low <= difference.value <= difference.high
        assert 0 < difference.p_value <= 1
        # Of one pair there is nothing to adjust.
        assert difference.adjusted_p_value == difference.p_value


def test_what_both_find_hard_cancels_out():
    def width(common):
        found = found_between(two(20, gaps=(1.5, 1.5), common=common))["eer"]
        return found.high - found.low

    assert width(0.95) < 0.5 * width(0.0)


def test_a_clear_difference_is_found_and_accident_is_not():
    assert found_between(two(20, gaps=(0.5, 3.0)))["eer"].is_significant
    # Of 40 pairs of equal systems, each at a risk of 5 %: more than 7 once in 500 times.
    trials = full_trials(15)
    n_found = sum(
        found_between(
            {"a": system(trials, 1.5, 2 * i), "b": system(trials, 1.5, 2 * i + 1)}, rng=i
        )["eer"].is_significant
        for i in range(40)
    )
    assert n_found <= 7


@LAW
@given(
    st.integers(0, 10_000),
    st.floats(-3, 3),
    # Of fewer, the end of an interval may lie beyond the last resample.
    st.integers(20, 50),
    st.lists(st.floats(-1, 1), min_size=20, max_size=50),
)
def test_the_p_value_is_where_the_interval_just_reaches_zero(seed, shift, n_speakers, left_out):
    drawn = np.random.default_rng(seed).normal(size=400) + shift
    draws = Draws(shift, drawn, np.array(left_out), n_speakers, is_free_of_bias=True)
    low, high = draws.interval()
    p_value = draws.p_value()
    # One draw more or less beyond 0 is what the two may differ by.
    if p_value < 0.03:
        assert low > 0 or high < 0
    if p_value > 0.08:
        assert low <= 0 <= high


def test_the_same_seed_gives_the_same_and_another_another():
    systems = two()
    assert compare_scores(systems, SMALL, rng=1) == compare_scores(systems, SMALL, rng=1)
    assert found_between(systems, rng=1)["eer"] != found_between(systems, rng=2)["eer"]


# --- several pairs -------------------------------------------------------------------------------


def test_every_two_systems_are_compared_those_with_the_first_first():
    trials = full_trials(6)
    systems = {name: system(trials, 1.0 + i, i) for i, name in enumerate("abcd")}
    pairs = [(found.first, found.second) for found in compare_scores(systems, SMALL)]
    assert pairs == [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]


def test_differences_of_differences_add_up():
    trials = full_trials(8)
    systems = {name: system(trials, 1.0 + i, i) for i, name in enumerate("abc")}
    ab, ac, bc = (found.differences for found in compare_scores(systems, SMALL))
    for metric in METRICS:
        total = ab[metric].value + bc[metric].value
        assert ac[metric].value == pytest.approx(total, abs=ROUNDING)


def test_holm_by_hand():
    p_values = [0.01, 0.04, 0.03, 0.005, None]
    pairs = [{"eer": Difference(1.0, p_value=p)} for p in p_values]
    adjusted = [pair["eer"].adjusted_p_value for pair in _adjusted(pairs)]
    # Rising: 4 · 0.005, 3 · 0.01, 2 · 0.03; 0.04 itself would be less than the one before it.
    assert adjusted == [pytest.approx(0.03), pytest.approx(0.06), pytest.approx(0.06),
                        pytest.approx(0.02), None]  # fmt: skip
    assert [pair["eer"].is_significant for pair in _adjusted(pairs)] == [
        True, False, False, True, False,
    ]  # fmt: skip


@LAW
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=10))
def test_holm_rejects_what_its_step_down_rejects(p_values):
    found = _adjusted([{"eer": Difference(0.0, p_value=p)} for p in p_values])
    adjusted = [pair["eer"].adjusted_p_value for pair in found]
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for level in (0.01, 0.05, 0.3):
        # Holm 1979: go on while p is at most level over the number that is left.
        rejected = set()
        for k, i in enumerate(order):
            if (len(order) - k) * p_values[i] > level:
                break
            rejected.add(i)
        assert {i for i, p in enumerate(adjusted) if p <= level} == rejected
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))


def test_metrics_are_adjusted_each_by_itself():
    pairs = [
        {"eer": Difference(0.0, p_value=0.01), "cllr": Difference(0.0, p_value=0.04)},
        {"eer": Difference(0.0, p_value=0.5)},
    ]
    first, second = _adjusted(pairs)
    assert first["eer"].adjusted_p_value == 0.02
    assert first["cllr"].adjusted_p_value == 0.04
    assert second["eer"].adjusted_p_value == 0.5


# --- what lacks ----------------------------------------------------------------------------------


def test_metrics_that_one_system_lacks_are_left_out():
    systems = two()
    systems["b"] = dataclasses.replace(systems["b"], llr=None)
    assert set(found_between(systems)) == set(METRICS) - OF_LLR


def test_an_infinite_cllr_is_left_out():
    systems = two()
    llr = systems["b"].llr.copy()
    llr[np.flatnonzero(systems["b"].trials.is_target)[0]] = -np.inf
    systems["b"] = dataclasses.replace(systems["b"], llr=llr)
    assert set(found_between(systems)) == set(METRICS) - {"cllr", "calibration_loss"}
    both = {"a": systems["b"], "b": systems["b"]}
    assert set(found_between(both)) == set(METRICS) - {"cllr", "calibration_loss"}


@pytest.mark.parametrize(("n_speakers", "n_resamples"), [(4, 200), (12, 0)])
def test_too_few_speakers_or_no_resamples_give_values_alone(n_speakers, n_resamples):
    (comparison,) = compare_scores(two(n_speakers), EvaluationConfig(n_resamples=n_resamples))
    for difference in comparison.differences.values():
        assert difference == Difference(difference.value)
        assert not difference.is_significant
    assert comparison.to_json()["differences"]["auc"] == {
        "value": comparison.differences["auc"].value
    }


def test_a_comparison_is_strict_json():
    (comparison,) = compare_scores(two(), SMALL)
    entry = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert (entry["first"], entry["second"]) == ("a", "b")
    assert Difference(**entry["differences"]["eer"]) == comparison.differences["eer"]


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_systems_are_refused(n):
    systems = dict(list(two().items())[:n])
    with pytest.raises(ScoreError, match=f"there is {n} system to compare; expected two or more"):
        compare_scores(systems)


def test_lists_of_another_length_or_other_labels_are_refused():
    systems = two()
    message = "a and b are not of the same trials in the same order; align them first"
    with pytest.raises(ScoreError, match=message):
        compare_scores({"a": systems["a"], "b": system(full_trials(11), 1.0, 0)})
    trials = systems["b"].trials
    flipped = dataclasses.replace(trials, is_target=~trials.is_target)
    with pytest.raises(ScoreError, match=message):
        compare_scores({"a": systems["a"], "b": dataclasses.replace(systems["b"], trials=flipped)})


def test_other_trials_with_the_same_labels_are_refused():
    systems = two()
    trials = systems["b"].trials
    test_index = trials.test_index.copy()
    strangers = np.flatnonzero(~trials.is_target)
    test_index[strangers] = np.roll(test_index[strangers], 1)
    other = dataclasses.replace(trials, test_index=test_index)
    with pytest.raises(ScoreError, match="a and b are not of the same trials"):
        compare_scores({"a": systems["a"], "b": dataclasses.replace(systems["b"], trials=other)})
