"""Thresholds: what they do, how they are found, and whether the trials say anything about them."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from speakergmm.corpora import Scores, Trials, all_against_all
from speakergmm.corpora.told_speakers import NOBODY
from speakergmm.errors import ConfigError, ScoreError
from speakergmm.evaluation.decisions import (
    RULE_OF_3,
    RULE_OF_30,
    check_support,
    decide,
    threshold_for,
)
from speakergmm.evaluation.trial_words import class_words
from speakergmm.evaluation.wording import MOST_TIMES, ratio_sentence

LAW = settings(derandomize=True, deadline=None, max_examples=100)

# Few distinct ratios, so that ties are the rule.
RATIO = st.integers(-4, 4).map(lambda value: value / 2)


def full_list(n_speakers, tests_per_speaker, llr):
    """Scores of as many models as speakers with all tests."""
    models = {f"m{i}": f"s{i}" for i in range(n_speakers)}
    tests = {f"t{i}-{k}": f"s{i}" for i in range(n_speakers) for k in range(tests_per_speaker)}
    trials = all_against_all(models, tests)
    ratios = np.resize(np.asarray(llr, dtype=float), len(trials))
    return Scores(trials, ratios, ratios)


def of_sides(target, nontarget):
    """Scores of so many trials of each kind, of one model."""
    n = len(target) + len(nontarget)
    trials = Trials(
        ("m",),
        tuple(f"t{i}" for i in range(n)),
        np.zeros(n, dtype=np.int32),
        np.arange(n, dtype=np.int32),
        np.arange(n) < len(target),
    )
    llr = np.array([*target, *nontarget], dtype=float)
    return Scores(trials, llr, llr)


# --- what a threshold does -----------------------------------------------------------------------


@LAW
@given(st.integers(2, 6), st.integers(1, 3), st.lists(RATIO, min_size=4, max_size=40), RATIO)
def test_errors_are_counted_as_a_loop_counts_them(n_speakers, tests_per_speaker, llr, threshold):
    scores = full_list(n_speakers, tests_per_speaker, llr)
    decision = decide(scores, threshold, n_resamples=0)
    counts = {"miss": 0, "fa": 0, "target": 0, "nontarget": 0}
    for ratio, is_target in zip(scores.llr, scores.trials.is_target, strict=True):
        counts["target" if is_target else "nontarget"] += 1
        if is_target and ratio < threshold:
            counts["miss"] += 1
        if not is_target and ratio >= threshold:
            counts["fa"] += 1
    for name, count in counts.items():
        assert getattr(decision, f"n_{name}") == count
    assert decision.threshold == threshold
    assert decision.p_miss.value == counts["miss"] / counts["target"]
    assert decision.p_fa.value == counts["fa"] / counts["nontarget"]
    assert decision.p_miss.low is decision.p_miss.high is None
    assert decision.p_fa.low is decision.p_fa.high is None


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(5, 9), st.integers(1, 3), st.lists(RATIO, min_size=4, max_size=60), RATIO)
def test_the_interval_holds_the_rate(n_speakers, tests_per_speaker, llr, threshold):
    scores = full_list(n_speakers, tests_per_speaker, llr)
    decision = decide(scores, threshold, n_resamples=200)
    for estimate in (decision.p_miss, decision.p_fa):
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_without_an_error_the_rule_of_three_bounds_the_rate():
    # Every target at 1, every stranger at -1.
    scores = full_list(6, 2, [0.0])
    llr = np.where(scores.trials.is_target, 1.0, -1.0)
    decision = decide(Scores(scores.trials, llr, llr), 0.0)
    assert (decision.n_miss, decision.n_fa) == (0, 0)
    assert (decision.n_target, decision.n_nontarget) == (12, 60)
    assert (decision.p_miss.value, decision.p_miss.low) == (0.0, 0.0)
    assert decision.p_miss.high == RULE_OF_3 / 12
    assert decision.p_fa.high == RULE_OF_3 / 60


def test_a_rate_is_never_above_one():
    llr = np.where(full_list(5, 1, [0.0]).trials.is_target, 1.0, -1.0)
    scores = full_list(5, 1, llr)
    few = Scores(scores.trials, llr, llr)
    assert decide(few, 0.0).p_miss.high == 3 / 5
    # Two speakers have a test, so there are two target trials.
    tests = {"t0": "s0", "t1": "s1"}
    trials = all_against_all({f"m{i}": f"s{i}" for i in range(6)}, tests)
    llr = np.where(trials.is_target, 1.0, -1.0)
    assert decide(Scores(trials, llr, llr), 0.0).p_miss.high == 1.0


def test_few_speakers_give_no_interval():
    scores = full_list(4, 5, [1.0, -1.0, 0.5])
    decision = decide(scores, 0.0)
    assert (decision.p_miss.low, decision.p_fa.high) == (None, None)
    assert decide(full_list(5, 5, [1.0, -1.0, 0.5]), 0.0).p_fa.high is not None


def test_the_interval_is_seeded():
    llr = np.random.default_rng(0).normal(size=8 * 24)
    scores = full_list(8, 3, llr)
    first = decide(scores, 0.0, rng=3)
    assert decide(scores, 0.0, rng=3) == first
    assert decide(scores, 0.0, rng=4) != first
    assert decide(scores, 0.0, rng=4).p_fa.value == first.p_fa.value


def test_speakers_who_differ_widen_the_interval():
    # A quarter of the targets missed: all of two of eight speakers, or some of each.
    scores = full_list(8, 4, [0.0])
    model, test = scores.trials.model_index, scores.trials.test_index

    def width(is_missed):
        llr = np.where(scores.trials.is_target & ~is_missed, 1.0, -1.0)
        decision = decide(Scores(scores.trials, llr, llr), 0.0)
        assert decision.p_miss.value == 0.25
        return decision.p_miss.high - decision.p_miss.low

    assert width(test % 4 == 0) < 0.01
    assert width(model < 2) > 0.3


def test_thresholds_at_the_ends():
    scores = of_sides([-np.inf, 0.0, np.inf], [-np.inf, 1.0])
    assert decide(scores, -np.inf).n_fa == 2
    assert decide(scores, -np.inf).n_miss == 0
    assert decide(scores, np.inf).n_miss == 2
    assert decide(scores, np.inf).n_fa == 0


@pytest.mark.parametrize("function", [decide, threshold_for])
def test_scores_that_are_not_calibrated_are_refused(function):
    scores = full_list(5, 1, [1.0])
    uncalibrated = Scores(scores.trials, scores.score)
    message = "scores are not calibrated; a threshold needs log-likelihood ratios"
    with pytest.raises(ScoreError, match=message):
        function(uncalibrated, 0.5)


def test_trials_of_one_kind_are_refused():
    with pytest.raises(ScoreError, match="there are no target scores; error rates need trials of"):
        decide(of_sides([], [1.0]), 0.0)
    with pytest.raises(ScoreError, match="there are no nontarget scores"):
        decide(of_sides([1.0], []), 0.0)
    with pytest.raises(ScoreError, match="1 of 1 target scores are NaN"):
        decide(of_sides([np.nan], [1.0]), 0.0)


# --- a threshold for a share of strangers --------------------------------------------------------

STRANGERS = st.lists(st.integers(-5, 5).map(float), min_size=35, max_size=200)
SHARE = st.integers(1, 99).map(lambda percent: percent / 100)


def share_accepted(strangers, threshold):
    return sum(ratio >= threshold for ratio in strangers) / len(strangers)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(STRANGERS, SHARE)
def test_no_more_than_the_share_are_accepted_and_a_lower_threshold_accepts_more(strangers, p_fa):
    assume(len(strangers) * p_fa >= RULE_OF_30 + 1)
    threshold = threshold_for(of_sides([0.0], strangers), p_fa)
    assert share_accepted(strangers, threshold) <= p_fa
    lower = [ratio for ratio in {*strangers, -np.inf} if ratio < threshold]
    assert all(share_accepted(strangers, ratio) > p_fa for ratio in lower)


@pytest.mark.parametrize("n", [3000, 3100, 3333])
def test_a_share_that_is_met_exactly_is_not_missed_by_rounding(n):
    # 0.29 times 3000 is less than 870 in floating point, but 870 of 3000 are 0.29.
    strangers = np.arange(n, dtype=float)
    scores = of_sides([0.0], strangers)
    wrong = []
    for percent in range(1, 100):
        n_accepted = int((strangers >= threshold_for(scores, percent / 100)).sum())
        if not n_accepted / n <= percent / 100 < (n_accepted + 1) / n:
            wrong.append((percent, n_accepted))
    assert wrong == []


def test_an_allowed_share_by_hand():
    # 100 strangers at 1 to 100: at most 40 above, so from just over 60 on.
    scores = of_sides([0.0], range(1, 101))
    assert threshold_for(scores, 0.4) == np.nextafter(60.0, np.inf)
    # 30 at 2, 70 at 1: both or the upper ones only.
    scores = of_sides([0.0], [2.0] * 30 + [1.0] * 70)
    assert threshold_for(scores, 0.3) == np.nextafter(1.0, np.inf)
    assert threshold_for(scores, 0.9) == np.nextafter(1.0, np.inf)


def test_tied_strangers_are_all_rejected_where_not_all_may_pass():
    scores = of_sides([0.0], [1.0] * 100)
    threshold = threshold_for(scores, 0.5)
    assert threshold == np.nextafter(1.0, np.inf)
    assert decide(scores, threshold, n_resamples=0).n_fa == 0


def test_strangers_that_no_threshold_rejects_are_told():
    # From +inf on, all 60 are accepted; above it there is no number.
    scores = of_sides([0.0], [np.inf] * 60 + [0.0] * 40)
    with pytest.raises(ScoreError, match=r"60 of 100 different-speaker trials .* infinite"):
        threshold_for(scores, 0.5)
    assert threshold_for(scores, 0.6) == np.nextafter(0.0, np.inf)


@pytest.mark.parametrize("p_fa", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_what_is_no_share_is_refused(p_fa):
    scores = of_sides([0.0], range(1000))
    with pytest.raises(ConfigError, match="p_fa is"):
        threshold_for(scores, p_fa)


def test_too_few_strangers_say_what_there_is_and_what_is_needed():
    scores = full_list(5, 1, [1.0])
    with pytest.raises(ScoreError) as caught:
        threshold_for(scores, 0.01)
    # 5 speakers have 20 pairs: for 150 times as many trials, √150 times as many speakers.
    assert str(caught.value) == (
        "not enough data for a false-accept rate of 1 %: have 20 different-speaker trials, need "
        "about 3,000 (30 errors, to know the rate within a third); add speakers (about 62 with as "
        "many recordings each, instead of 5)"
    )


def test_a_rate_that_the_trials_can_tell_is_offered():
    scores = full_list(20, 1, [1.0])
    message = (
        "have 380 different-speaker trials, need about 3,000 (30 errors, to know the rate within a "
        "third); add speakers (about 57 with as many recordings each, instead of 20), or ask for "
        "7.9 % or more"
    )
    with pytest.raises(ScoreError, match=re.escape(message)):
        threshold_for(scores, 0.01)


def test_no_strangers():
    with pytest.raises(ScoreError, match="have 0 different-speaker trials, need about 300 "):
        threshold_for(of_sides([0.0], []), 0.1)


@pytest.mark.parametrize("n", [61, 77, 100, 380, 601, 1999, 2999])
def test_the_rate_that_is_offered_is_not_refused(n):
    scores = of_sides([0.0], np.arange(n))
    with pytest.raises(ScoreError) as caught:
        threshold_for(scores, 1e-6)
    offered = float(re.search(r"or ask for ([\d.]+) % or more", str(caught.value))[1])
    strangers = np.arange(n, dtype=float)
    assert (strangers >= threshold_for(scores, offered / 100)).mean() <= offered / 100


def test_the_trials_needed_are_enough():
    for p_fa in (0.01, 0.03, 0.07, 0.3):
        with pytest.raises(ScoreError) as caught:
            threshold_for(of_sides([0.0], range(40)), p_fa)
        needed = int(re.search(r"need about ([\d,]+)", str(caught.value))[1].replace(",", ""))
        threshold_for(of_sides([0.0], range(needed)), p_fa)
        with pytest.raises(ScoreError, match="not enough data"):
            threshold_for(of_sides([0.0], range(needed - 1)), p_fa)


# --- support -------------------------------------------------------------------------------------


def n_trials(n_target, n_nontarget):
    return of_sides(np.zeros(n_target), np.zeros(n_nontarget))


@pytest.mark.parametrize(
    ("threshold", "n_target", "n_nontarget", "region"),
    [
        # e^3 is 20.1: below 21 strangers refused, below 603 uncertain.
        (3.0, 1, 20, "refused"),
        (3.0, 1, 21, "uncertain"),
        (3.0, 1, 602, "uncertain"),
        (3.0, 1, 603, "silent"),
        # The other way round it is the true speakers that count.
        (-3.0, 20, 1, "refused"),
        (-3.0, 21, 1, "uncertain"),
        (-3.0, 602, 1, "uncertain"),
        (-3.0, 603, 1, "silent"),
        (0.0, 1, 1, "uncertain"),
        (0.0, 30, 1, "silent"),
    ],
)
def test_regions_of_support(threshold, n_target, n_nontarget, region):
    scores = n_trials(n_target, n_nontarget)
    if region == "refused":
        with pytest.raises(ScoreError, match="not enough data for a threshold at the log-likelih"):
            check_support(scores, threshold)
    else:
        assert len(check_support(scores, threshold)) == (1 if region == "uncertain" else 0)


def test_what_is_refused_says_its_numbers():
    with pytest.raises(ScoreError) as caught:
        check_support(full_list(5, 1, [0.0]), 6.0)
    # e^6 is 403.4; 12,103 trials are 605 times 20, so √605 times as many speakers.
    assert str(caught.value) == (
        "not enough data for a threshold at the log-likelihood ratio 6.00: have 20 "
        "different-speaker trials, need about 12,103 (30 errors of a kind that happens once in "
        "403 trials or less); add speakers (about 123 with as many recordings each, instead of "
        "5), or choose a less extreme cost"
    )


def test_what_is_uncertain_says_its_numbers():
    (warning,) = check_support(full_list(10, 3, [0.0]), -2.0)
    # e^2 is 7.4; targets grow as the speakers do.
    assert warning == (
        "the error rates at this threshold are uncertain: have 30 same-speaker trials, need about "
        "222 (30 errors of a kind that happens once in 7 trials or less); add speakers (about 74 "
        "with as many recordings each, instead of 10)"
    )


@pytest.mark.parametrize("threshold", [50.0, -50.0, 690.0, np.inf, -np.inf])
def test_an_extreme_threshold_is_refused_in_a_line(threshold):
    with pytest.raises(ScoreError, match="not enough data for a threshold at") as caught:
        check_support(full_list(5, 1, [0.0]), threshold)
    # Not hundreds of digits.
    assert len(str(caught.value)) < 400


@LAW
@given(st.floats(-12, 12), st.integers(1, 500), st.integers(1, 500))
def test_more_trials_never_support_less(threshold, n_target, n_nontarget):
    def level(scores):
        try:
            return 1 if check_support(scores, threshold) else 2
        except ScoreError:
            return 0

    few = level(n_trials(n_target, n_nontarget))
    assert few <= level(n_trials(2 * n_target, 2 * n_nontarget))


# --- in words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("llr", "words"),
    [
        (0.0, "Such a score speaks for neither the claimed speaker nor a stranger."),
        (math.log(20), "about 20 times as likely from the claimed speaker as from a stranger."),
        (-math.log(20), "about 20 times as likely from a stranger as from the claimed speaker."),
        (math.log(1.5), "about 1.5 times as likely from the claimed speaker as from a stranger."),
        (math.log(9.96), "about 10 times as likely from the claimed speaker"),
        (math.log(12_345.6), "about 12,000 times as likely from the claimed speaker"),
        (30.0, "more than 1,000,000 times as likely from the claimed speaker as from a stranger."),
        (-np.inf, "more than 1,000,000 times as likely from a stranger as from the claimed"),
        (1e300, "more than 1,000,000 times as likely from the claimed speaker"),
    ],
)
def test_a_ratio_in_words(llr, words):
    sentence = ratio_sentence(llr)
    assert words in sentence
    assert sentence.startswith("Such a score ")


@LAW
@given(st.floats(1e-6, 30.0))
def test_the_sign_of_a_ratio_swaps_the_two(llr):
    for_speaker, for_stranger = ratio_sentence(llr), ratio_sentence(-llr)
    assert for_speaker != for_stranger
    swapped = for_stranger.replace("a stranger", "X").replace("the claimed speaker", "a stranger")
    assert swapped.replace("X", "the claimed speaker") == for_speaker
    times = float(re.search(r"(?:about|than) ([\d.,]+) times", for_speaker)[1].replace(",", ""))
    # Two digits are shown.
    assert times == pytest.approx(min(math.exp(llr), MOST_TIMES), rel=0.06)


def test_tests_with_a_class_grow_as_its_speakers_do_and_are_called_by_it():
    n = 40
    trials = Trials(
        ("f",),
        tuple(f"t{i}" for i in range(n)),
        np.zeros(n, dtype=np.int32),
        np.arange(n, dtype=np.int32),
        np.arange(n) % 2 == 0,
        np.array([NOBODY]),
        np.arange(n),
    )
    scores = Scores(trials, np.zeros(n), np.zeros(n))
    words = class_words("sex", ["f"], ["m"])
    asks = "have 20 tests of male speakers, need about 300 .*about 600 with as many .* of 40"
    with pytest.raises(ScoreError, match=asks):
        threshold_for(scores, 0.1, words=words)
    asks = "have 20 tests of female speakers, need about 4,453 .*about 8,906 with as many"
    with pytest.raises(ScoreError, match=asks):
        check_support(scores, -5.0, words=words)
