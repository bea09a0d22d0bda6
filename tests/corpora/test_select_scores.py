"""Some of the trials of a list: the same speakers, and all else that is known of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.corpora import Column, Scores, Trials, select_scores, trial_speakers

LAW = settings(derandomize=True, deadline=None, max_examples=200)
ROW = st.tuples(st.integers(0, 4), st.integers(0, 6), st.booleans(), st.booleans())
ROWS = st.lists(ROW, max_size=30, unique_by=lambda row: row[:2])


def of_rows(rows, *, llr=True):
    """Give scores of trials (model, test, is target, ...) of five models and seven tests."""
    n = len(rows)
    table = np.array([row[:3] for row in rows], dtype=np.int32).reshape(-1, 3)
    column = Column(("quiet", "loud", "unused"), np.arange(n, dtype=np.int32) % 2)
    trials = Trials(
        tuple(f"m{i}" for i in range(5)),
        tuple(f"t{i}" for i in range(7)),
        table[:, 0],
        table[:, 1],
        table[:, 2].astype(bool),
        columns={"noise": column},
    )
    score = np.arange(n, dtype=float)
    return Scores(trials, score, -score if llr else None)


def cells(scores, name="noise"):
    column = scores.trials.columns[name]
    return [column.values[i] for i in column.index]


def speakers_by_id(trials):
    """Give the speaker's number of each (side, id)."""
    model, test, _ = trial_speakers(trials)
    return {("model", key): int(who) for key, who in zip(trials.model_ids, model, strict=True)} | {
        ("test", key): int(who) for key, who in zip(trials.test_ids, test, strict=True)
    }


def chosen_of(rows):
    return np.array([row[3] for row in rows], dtype=bool)


@LAW
@given(ROWS)
def test_pairs_labels_scores_and_columns_are_those_of_a_plain_filter(rows):
    scores = of_rows(rows)
    part = select_scores(scores, chosen_of(rows))
    kept = [i for i, row in enumerate(rows) if row[3]]
    assert [part.trials.pair(i) for i in range(len(part.trials))] == [
        scores.trials.pair(i) for i in kept
    ]
    assert part.trials.is_target.tolist() == [rows[i][2] for i in kept]
    assert part.score.tolist() == kept
    assert part.llr.tolist() == [-float(i) for i in kept]
    assert cells(part) == [cells(scores)[i] for i in kept]
    assert len(part.trials) == len(kept)


@LAW
@given(ROWS)
def test_ids_are_those_of_its_trials_in_the_order_of_the_whole_list(rows):
    part = select_scores(of_rows(rows), chosen_of(rows)).trials
    kept = [row for row in rows if row[3]]
    assert part.model_ids == tuple(f"m{i}" for i in sorted({row[0] for row in kept}))
    assert part.test_ids == tuple(f"t{i}" for i in sorted({row[1] for row in kept}))


@LAW
@given(ROWS)
def test_who_is_the_same_speaker_stays_as_the_whole_list_tells(rows):
    scores = of_rows(rows)
    part = select_scores(scores, chosen_of(rows)).trials
    whole, of_part = speakers_by_id(scores.trials), speakers_by_id(part)
    for one, who in of_part.items():
        for other, other_who in of_part.items():
            assert (who == other_who) == (whole[one] == whole[other])
    # Numbered without gaps, as many as there are.
    assert sorted(set(of_part.values())) == list(range(trial_speakers(part)[2]))


@LAW
@given(ROWS, st.integers(0, 2**30 - 1))
def test_a_choice_of_a_choice_is_a_choice(rows, bits):
    scores, first = of_rows(rows), chosen_of(rows)
    second = np.array([bits >> i & 1 for i in range(len(rows))], dtype=bool)
    twice = select_scores(select_scores(scores, first), second[first])
    once = select_scores(scores, first & second)
    assert twice.trials.model_ids == once.trials.model_ids
    assert twice.trials.test_ids == once.trials.test_ids
    for name in ("model_index", "test_index", "is_target", "model_speaker", "test_speaker"):
        np.testing.assert_array_equal(getattr(twice.trials, name), getattr(once.trials, name))
    assert twice.score.tolist() == once.score.tolist()
    assert cells(twice) == cells(once)


def test_speakers_that_only_left_out_trials_join_are_still_one():
    # Test 0 is of models 0 and 1; what is chosen has no target trial at all.
    rows = [(0, 0, True), (1, 0, True), (0, 1, False), (1, 2, False)]
    part = select_scores(of_rows(rows), np.array([False, False, True, True])).trials
    model, test, n_speakers = trial_speakers(part)
    assert model[0] == model[1]
    assert n_speakers == 3
    assert len({int(model[0]), *test.tolist()}) == 3


def test_speakers_that_the_list_numbers_are_kept():
    scores = of_rows([(0, 0, True), (1, 1, False), (2, 1, False)])
    trials = dataclasses.replace(
        scores.trials, model_speaker=np.array([9, 4, 9, 7, 7]), test_speaker=np.arange(9, 16)
    )
    part = select_scores(Scores(trials, scores.score), np.array([True, False, True])).trials
    model, test, n_speakers = trial_speakers(part)
    assert model[0] == model[1] == test[0] != test[1]
    assert n_speakers == 2


def test_all_of_them_are_the_list_itself():
    rows = [(0, 0, True), (0, 1, False), (1, 1, True), (2, 3, False)]
    scores = of_rows(rows)
    part = select_scores(scores, np.ones(4, dtype=bool))
    assert part.score.tolist() == scores.score.tolist()
    assert part.trials.model_ids == ("m0", "m1", "m2")
    assert part.trials.test_ids == ("t0", "t1", "t3")


@pytest.mark.parametrize("n_rows", [0, 3])
def test_an_empty_choice_is_an_empty_list(n_rows):
    rows = [(0, 0, True), (0, 1, False), (1, 1, True)][:n_rows]
    part = select_scores(of_rows(rows), np.zeros(n_rows, dtype=bool))
    assert len(part.trials) == 0
    assert part.trials.model_ids == part.trials.test_ids == ()
    assert trial_speakers(part.trials)[2] == 0
    assert len(part.target()) == len(part.nontarget()) == len(part.llr) == 0
    assert cells(part) == []


def test_without_ratios_there_are_none_and_the_whole_list_is_left_as_it_was():
    scores = of_rows([(0, 0, True), (1, 1, False)], llr=False)
    part = select_scores(scores, np.array([False, True]))
    assert part.llr is None
    part.score[:] = -1
    part.trials.is_target[:] = True
    assert scores.score.tolist() == [0.0, 1.0]
    assert scores.trials.is_target.tolist() == [True, False]
    assert scores.trials.model_ids == tuple(f"m{i}" for i in range(5))


def test_indices_keep_the_type_of_a_list():
    part = select_scores(of_rows([(0, 0, True), (1, 1, False)]), np.array([True, True])).trials
    assert part.model_index.dtype == part.test_index.dtype == np.int32
    assert part.model_speaker.dtype == part.test_speaker.dtype == np.intp
