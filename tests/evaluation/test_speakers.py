"""Speakers one by one: counts against plain loops, and whom the zoo takes for an animal."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from speakergmm.corpora import Scores, Trials, all_against_all, select_scores
from speakergmm.evaluation.speakers import SIGNIFICANCE, speaker_errors

LAW = settings(derandomize=True, deadline=None, max_examples=100)
ROUNDING = 1e-12

# Homogeneous lists simulated, and how many of them an event of 5 % may be found in: a binomial of
# 300 at 5 % exceeds 27 once in a thousand times.
N_LISTS, MOST_FALSE = 300, 27


def full_trials(n_speakers, tests_each):
    models = {f"m{i}": f"s{i}" for i in range(n_speakers)}
    tests = {f"t{i}-{k}": f"s{i}" for i in range(n_speakers) for k in range(tests_each)}
    return all_against_all(models, tests)


def speakers_of(trials, tests_each):
    """Speaker of the model and of the test of each trial of a full list."""
    return trials.model_index, trials.test_index // tests_each


def normal_scores(trials, gap, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=len(trials)) + gap * trials.is_target


def by_name(found):
    return {speaker.name: speaker for speaker in found}


# --- counts --------------------------------------------------------------------------------------


@LAW
@given(
    st.integers(1, 6), st.integers(1, 3), st.integers(0, 1000), st.floats(-1, 2), st.floats(0.2, 1)
)
def test_counts_and_means_are_those_of_a_loop(n_speakers, tests_each, seed, threshold, share):
    trials = full_trials(n_speakers, tests_each)
    rng = np.random.default_rng(seed)
    whole = Scores(trials, normal_scores(trials, 1.0, seed))
    chosen = rng.random(len(trials)) < share
    assume(chosen.any())
    scores = select_scores(whole, chosen)
    trials = scores.trials
    found = by_name(speaker_errors(scores, threshold))
    names = [identity[1:].split("-")[0] for identity in (*trials.model_ids, *trials.test_ids)]
    assert len(found) == len(set(names))
    for name, speaker in found.items():
        me = name[1:].split("-")[0]
        kinds = {"target": [], "as_model": [], "as_test": []}
        for i, score in enumerate(scores.score.tolist()):
            model, test = (identity[1:].split("-")[0] for identity in trials.pair(i))
            if model == test == me:
                kinds["target"].append(score)
            elif model == me:
                kinds["as_model"].append(score)
            elif test == me:
                kinds["as_test"].append(score)
        assert speaker.n_target == len(kinds["target"])
        assert speaker.n_missed == sum(score < threshold for score in kinds["target"])
        for kind in ("as_model", "as_test"):
            assert getattr(speaker, f"n_{kind}") == len(kinds[kind])
            n_accepted = sum(score >= threshold for score in kinds[kind])
            assert getattr(speaker, f"n_accepted_{kind}") == n_accepted
        for kind, values in kinds.items():
            mean = getattr(speaker, f"mean_{kind}")
            if values:
                assert mean == pytest.approx(sum(values) / len(values), abs=ROUNDING)
            else:
                assert math.isnan(mean)


def test_several_models_of_one_speaker_are_counted_together():
    trials = all_against_all({"a1": "a", "a2": "a", "b1": "b"}, {"a3": "a", "b2": "b"})
    # Rows: a1-a3, a1-b2, a2-a3, a2-b2, b1-a3, b1-b2.
    scores = Scores(trials, np.array([-1.0, 1.0, 1.0, -1.0, 1.0, 1.0]))
    first, second = speaker_errors(scores, 0.0)
    assert (first.name, second.name) == ("a1", "b1")
    assert (first.n_target, first.n_missed, first.mean_target) == (2, 1, 0.0)
    assert (first.n_as_model, first.n_accepted_as_model, first.mean_as_model) == (2, 1, 0.0)
    assert (first.n_as_test, first.n_accepted_as_test, first.mean_as_test) == (1, 1, 1.0)
    assert (second.n_as_model, second.n_as_test) == (1, 2)


def test_at_the_threshold_a_trial_is_accepted():
    trials = full_trials(2, 1)
    for speaker in speaker_errors(Scores(trials, np.zeros(len(trials))), 0.0):
        assert (speaker.n_missed, speaker.n_accepted_as_model) == (0, 1)


# --- who they are --------------------------------------------------------------------------------


def test_models_come_in_their_order_and_speakers_known_only_by_tests_after_them():
    models = {"z": "zoe", "a": "ann"}
    tests = {"x": "xia", "a1": "ann", "z1": "zoe", "y": "yan"}
    trials = all_against_all(models, tests)
    found = speaker_errors(Scores(trials, normal_scores(trials, 2.0)), 0.0)
    assert [speaker.name for speaker in found] == ["z", "a", "x", "y"]
    stranger = found[2]
    assert (stranger.n_target, stranger.n_as_model, stranger.n_as_test) == (0, 0, 2)
    assert math.isnan(stranger.mean_target)
    assert math.isnan(stranger.mean_as_model)


def test_the_order_is_that_of_the_models_however_speakers_are_numbered():
    trials = all_against_all({"z": "zoe", "a": "ann"}, {"x": "xia", "a1": "ann", "z1": "zoe"})
    numbered = dataclasses.replace(
        trials, model_speaker=np.array([7, 3]), test_speaker=np.array([1, 3, 7])
    )
    found = speaker_errors(Scores(numbered, normal_scores(trials, 2.0)), 0.0)
    assert [speaker.name for speaker in found] == ["z", "a", "x"]


# --- animals -------------------------------------------------------------------------------------


def test_goats_lambs_and_wolves_are_found():
    n, tests_each = 30, 8
    trials = full_trials(n, tests_each)
    model, test = speakers_of(trials, tests_each)
    score = normal_scores(trials, 4.0)
    score[trials.is_target & (model == 3)] -= 4
    score[~trials.is_target & (model == 5)] += 2
    score[~trials.is_target & (test == 7)] += 2
    # Speaker 9 is all three.
    score[trials.is_target & (model == 9)] -= 4
    score[~trials.is_target & ((model == 9) | (test == 9))] += 2
    found = speaker_errors(Scores(trials, score), 2.0)
    animals = {speaker.name: speaker.animals for speaker in found if speaker.animals != ("sheep",)}
    assert animals == {
        "m3": ("goat",),
        "m5": ("lamb",),
        "m7": ("wolf",),
        "m9": ("goat", "lamb", "wolf"),
    }


@pytest.mark.parametrize("gap", [1.0, 2.5])
def test_among_equals_hardly_anybody_stands_out(gap):
    trials = full_trials(25, 6)
    n_lists = dict.fromkeys(("goat", "lamb", "wolf"), 0)
    for seed in range(N_LISTS):
        found = speaker_errors(Scores(trials, normal_scores(trials, gap, seed)), gap / 2)
        seen = {animal for speaker in found for animal in speaker.animals}
        for animal in n_lists:
            n_lists[animal] += animal in seen
    assert SIGNIFICANCE == 0.05
    for animal, n in n_lists.items():
        assert n <= MOST_FALSE, animal


@LAW
@given(st.integers(0, 1000), st.floats(-1, 3))
def test_animals_are_the_tails_of_the_binomial(seed, threshold):
    trials = full_trials(6, 4)
    found = speaker_errors(Scores(trials, normal_scores(trials, 1.0, seed)), threshold)

    def stands_out(n_wrong, n_trials, rate):
        tail = sum(
            math.comb(n_trials, k) * rate**k * (1 - rate) ** (n_trials - k)
            for k in range(n_wrong, n_trials + 1)
        )
        return n_wrong > 0 and tail < SIGNIFICANCE / len(found)

    for animal, trials_of, errors_of in (
        ("goat", "n_target", "n_missed"),
        ("lamb", "n_as_model", "n_accepted_as_model"),
        ("wolf", "n_as_test", "n_accepted_as_test"),
    ):
        n = [(getattr(s, errors_of), getattr(s, trials_of)) for s in found]
        rate = sum(wrong for wrong, _ in n) / sum(of for _, of in n)
        expected = [stands_out(wrong, of, rate) for wrong, of in n]
        assert [animal in speaker.animals for speaker in found] == expected


@LAW
@given(st.integers(0, 1000), st.floats(-3, 3))
def test_nobody_is_sheep_and_something_else(seed, threshold):
    trials = full_trials(8, 3)
    score = 3 * normal_scores(trials, 1.0, seed)
    for speaker in speaker_errors(Scores(trials, score), threshold):
        assert speaker.animals
        assert ("sheep" in speaker.animals) == (speaker.animals == ("sheep",))


@pytest.mark.parametrize("threshold", [-math.inf, math.inf, math.nan])
def test_who_decides_without_listening_meets_sheep_alone(threshold):
    trials = full_trials(10, 5)
    found = speaker_errors(Scores(trials, normal_scores(trials, 1.0)), threshold)
    accepts_all = threshold == -math.inf
    for speaker in found:
        assert speaker.animals == ("sheep",)
        assert speaker.n_missed == (0 if accepts_all else speaker.n_target)
        assert speaker.n_accepted_as_test == (speaker.n_as_test if accepts_all else 0)


# --- edges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_target", [True, False])
def test_trials_of_one_kind_are_enough(is_target):
    whole = full_trials(3, 2)
    scores = Scores(whole, normal_scores(whole, 1.0))
    for speaker in speaker_errors(select_scores(scores, whole.is_target == is_target), 0.0):
        assert speaker.n_target == (2 if is_target else 0)
        assert speaker.n_as_model == speaker.n_as_test == (0 if is_target else 4)


def test_without_trials_there_is_nobody():
    nothing = np.empty(0, dtype=np.int32)
    trials = Trials((), (), nothing, nothing, nothing.astype(bool))
    assert speaker_errors(Scores(trials, np.empty(0)), 0.0) == []


def test_infinite_scores_are_counted_without_warnings():
    trials = full_trials(2, 2)
    score = np.where(trials.is_target, np.inf, -np.inf)
    score[0] = -np.inf
    first, second = speaker_errors(Scores(trials, score), 0.0)
    assert (first.n_missed, second.n_missed) == (1, 0)
    assert second.mean_target == np.inf
    assert second.mean_as_test == -np.inf
    # One of each has no mean.
    assert math.isnan(first.mean_target)
