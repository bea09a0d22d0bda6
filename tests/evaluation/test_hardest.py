"""The most wrong trials: against sorting all of them, ties, infinities, and who was listened to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.corpora import Scores, Trials
from speakergmm.evaluation.hardest import N_HARDEST, hardest_trials

LAW = settings(derandomize=True, deadline=None, max_examples=200)
# Few distinct scores, so that ties are the rule, and infinities among them.
SCORE = st.sampled_from([-math.inf, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, math.inf])
ROWS = st.lists(st.tuples(st.booleans(), SCORE), min_size=1, max_size=40)


def of_rows(rows, *, llr=None):
    """Scores of one model's trials, a test each, as (is target, score)."""
    n = len(rows)
    trials = Trials(
        ("m",),
        tuple(f"t{i}" for i in range(n)),
        np.zeros(n, dtype=np.int32),
        np.arange(n, dtype=np.int32),
        np.array([is_target for is_target, _ in rows], dtype=bool),
    )
    return Scores(trials, np.array([score for _, score in rows], dtype=float), llr)


def sorted_out(rows, threshold):
    """Give (distance, place) of all wrong trials by plain sorting, the worst first."""
    wrong = []
    for place, (is_target, score) in enumerate(rows):
        if is_target and score < threshold:
            wrong.append((threshold - score, place))
        if not is_target and score >= threshold:
            wrong.append((score - threshold, place))
    return sorted(wrong, key=lambda found: (-found[0], found[1]))


@LAW
@given(ROWS, st.sampled_from([-1.0, -0.25, 0.0, 1.0]), st.integers(0, 50))
def test_the_distances_are_those_that_sorting_finds(rows, threshold, n):
    found = hardest_trials(of_rows(rows), threshold, n=n)
    assert [trial.beyond for trial in found] == [
        distance for distance, _ in sorted_out(rows, threshold)[:n]
    ]
    for trial in found:
        is_target, score = rows[int(trial.test_id[1:])]
        assert (trial.is_target, trial.score, trial.model_id) == (is_target, score, "m")
        assert trial.is_target == (trial.score < threshold)


@LAW
@given(ROWS, st.sampled_from([-1.0, 0.0, 1.0]))
def test_all_that_are_wrong_come_in_order_and_ties_in_that_of_the_list(rows, threshold):
    found = hardest_trials(of_rows(rows), threshold, n=len(rows))
    places = [int(trial.test_id[1:]) for trial in found]
    assert places == [place for _, place in sorted_out(rows, threshold)]


def test_of_trials_tied_at_the_last_place_the_first_of_the_list_are_taken():
    rows = [(False, score) for score in np.random.default_rng(0).integers(0, 4, 2000).tolist()]
    found = [int(trial.test_id[1:]) for trial in hardest_trials(of_rows(rows), 0.0)]
    assert found == [place for _, place in sorted_out(rows, 0.0)[:N_HARDEST]]


def test_none_is_wrong():
    assert hardest_trials(of_rows([(True, 1.0), (False, -1.0)]), 0.0) == []


def test_ten_unless_told_and_fewer_where_fewer_are_wrong():
    rows = [(False, float(i)) for i in range(30)]
    assert [trial.score for trial in hardest_trials(of_rows(rows), 0.0)] == [
        float(i) for i in range(29, 19, -1)
    ]
    assert len(hardest_trials(of_rows(rows), 27.0)) == 3
    assert hardest_trials(of_rows(rows), 0.0, n=0) == []


def test_at_the_threshold_a_stranger_is_accepted_and_a_true_speaker_too():
    (found,) = hardest_trials(of_rows([(True, 0.5), (False, 0.5)]), 0.5)
    assert (found.test_id, found.is_target, found.beyond) == ("t1", False, 0.0)


def test_an_infinite_score_is_infinitely_wrong():
    rows = [(True, -1e300), (False, math.inf), (True, -math.inf), (True, math.inf)]
    found = hardest_trials(of_rows(rows), 0.0)
    assert [(trial.test_id, trial.beyond) for trial in found] == [
        ("t1", math.inf), ("t2", math.inf), ("t0", 1e300),
    ]  # fmt: skip


@pytest.mark.parametrize("threshold", [math.inf, math.nan])
def test_where_nobody_is_accepted_the_lowest_true_speakers_come_first(threshold):
    # So it is where rejecting everybody costs least; NaN is the threshold that even +inf misses.
    rows = [(True, 2.0), (False, 3.0), (True, -1.0), (True, 1.0)]
    found = hardest_trials(of_rows(rows), threshold)
    assert [trial.test_id for trial in found] == ["t2", "t3", "t0"]


@pytest.mark.parametrize("threshold", [-math.inf, math.inf])
def test_an_infinite_score_at_an_infinite_threshold_is_no_warning(threshold):
    # Thresholds of operating points begin with -inf, and end with +inf.
    rows = [(True, threshold), (False, threshold), (False, -math.inf), (False, 0.0)]
    found = hardest_trials(of_rows(rows), threshold)
    assert all(trial.is_target == (trial.score < threshold) for trial in found)
    assert not any(math.isnan(trial.beyond) for trial in found)


def test_ratios_and_recordings_come_along_where_they_are_known():
    rows = [(True, -1.0), (False, 2.0)]
    first = hardest_trials(of_rows(rows), 0.0)[0]
    assert (first.llr, first.model_files, first.test_files) == (None, (), ())
    asked = []

    def model_files(model_id):
        asked.append(model_id)
        return (f"{model_id}-1.wav", f"{model_id}-2.wav")

    found = hardest_trials(
        of_rows([*rows, (True, 5.0)], llr=np.array([-0.25, 0.75, 3.0])),
        0.0,
        model_files=model_files,
        test_files=lambda test_id: (f"{test_id}.wav",),
    )
    assert [trial.llr for trial in found] == [0.75, -0.25]
    assert [trial.test_files for trial in found] == [("t1.wav",), ("t0.wav",)]
    assert found[0].model_files == ("m-1.wav", "m-2.wav")
    # Looked up for those alone that are shown.
    assert asked == ["m", "m"]
