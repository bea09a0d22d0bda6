"""Scores whose labels and further columns come from the trial list, and lists that do not fit."""

from __future__ import annotations

import dataclasses
import gzip
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.corpora import (
    Column,
    Scores,
    Trials,
    align_scores,
    pool_scores,
    read_scores,
    read_trial_labels,
    read_trials,
    write_scores,
)
from speakergmm.corpora import scores as scores_module
from speakergmm.corpora.pairs import match_trials
from speakergmm.errors import ManifestError

SCORES = "model_id,test_id,score\nm1,t2,0.5\nm2,t1,-1\nm1,t1,2\n"
TRIALS = (
    "model_id,test_id,label,sex\nm2,t1,target,m\nm1,t1,nontarget,f\nm1,t2,target,f\n"
)  # fmt: skip


def labels_of(scores):
    trials = scores.trials
    return [(*trials.pair(i), bool(trials.is_target[i])) for i in range(len(trials))]


def column_of(trials, name):
    column = trials.columns[name]
    return [column.values[i] for i in column.index]


def test_labels_are_taken_from_the_trial_list(write):
    trials = read_trial_labels(write("trials.csv", TRIALS))
    scores = read_scores(write("scores.csv", SCORES), labels=trials)
    assert labels_of(scores) == [("m1", "t2", True), ("m2", "t1", True), ("m1", "t1", False)]
    assert scores.score.tolist() == [0.5, -1.0, 2.0]


def test_what_else_is_known_of_trials_goes_with_the_scores(write):
    trials = read_trial_labels(write("trials.csv", TRIALS), columns=["sex"])
    trials = dataclasses.replace(
        trials, model_speaker=np.array([5, 6]), test_speaker=np.array([5, 7])
    )
    text = SCORES.replace("score\n", "score,snr\n").replace("5\n", "5,10\n")
    text = text.replace("-1\n", "-1,20\n").replace("2\n", "2,10\n")
    path = write("scores.csv", text)
    scores = read_scores(path, labels=trials, columns=["snr", "sex"])
    assert column_of(scores.trials, "sex") == ["f", "m", "f"]
    assert column_of(scores.trials, "snr") == ["10", "20", "10"]
    speaker = dict(zip(scores.trials.model_ids, scores.trials.model_speaker.tolist(), strict=True))
    assert speaker == {"m2": 5, "m1": 6}
    with pytest.raises(ManifestError, match="no column 'age'; the columns are model_id, test_id,"):
        read_scores(path, labels=trials, columns=["age"])


def test_a_column_of_the_score_file_goes_before_one_of_the_trials(write):
    trials = read_trial_labels(write("trials.csv", TRIALS), columns=["sex"])
    path = write("scores.csv", "model_id,test_id,score,sex\nm1,t2,1,x\nm2,t1,1,y\nm1,t1,1,z\n")
    assert column_of(read_scores(path, labels=trials).trials, "sex") == ["f", "m", "f"]
    own = read_scores(path, labels=trials, columns=["sex"])
    assert column_of(own.trials, "sex") == ["x", "y", "z"]


def test_labels_of_the_score_file_must_agree(write):
    trials = read_trial_labels(write("trials.csv", TRIALS))
    agreeing = write("scores.csv", TRIALS.replace("sex", "score").replace("f\n", "1\n").replace(
        "m\n", "1\n"
    ))  # fmt: skip
    assert len(read_scores(agreeing, labels=trials).score) == 3
    text = "model_id,test_id,label,score\nm1,t2,nontarget,1\nm2,t1,target,1\nm1,t1,target,1\n"
    path = write("scores.csv", text)
    message = (
        f"{path}: 2 of 3 trials have another label than in trials.csv; expected the same trials: "
        "correct one of them"
    )
    with pytest.raises(ManifestError, match=f"^{re.escape(message)}$"):
        read_scores(path, labels=trials, labels_name="trials.csv")


def test_without_any_labels_a_trial_list_is_asked_for(write):
    message = (
        "scores.csv:1: missing column 'label'; the header is 'model_id,test_id,score'; without "
        "labels give the trial list that has them as well (labels=, on the command line --trials "
        "trials.csv)"
    )
    with pytest.raises(ManifestError, match=re.escape(message)):
        read_scores(write("scores.csv", SCORES))


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (
            [("m1", "t2")],
            "2 trials of trials.csv have no score, such as m2 with t1; score the same list, or",
        ),
        (
            [("m2", "t1"), ("m1", "t2")],
            "1 trial of trials.csv has no score, such as m1 with t1; score the same list",
        ),
        (
            [("m2", "t1"), ("m9", "t1"), ("m1", "t1"), ("m1", "t2")],
            "1 score is of no trial in trials.csv, such as m9 with t1; score the same list",
        ),
        (
            [("m2", "t2"), ("m1", "t1"), ("m1", "t9")],
            (
                "2 trials of trials.csv have no score, such as m2 with t1; 2 scores are of no "
                "trial in trials.csv, such as m2 with t2; score the same list, or give the list "
                "that was scored"
            ),
        ),
    ],
)
def test_lists_that_do_not_fit_are_told_by_both_differences(write, scores, message):
    trials = read_trial_labels(write("trials.csv", TRIALS))
    rows = "".join(f"{m},{t},1\n" for m, t in scores)
    path = write("scores.csv", f"model_id,test_id,score\n{rows}")
    with pytest.raises(ManifestError, match=re.escape(f"{path}: {message}")):
        read_scores(path, labels=trials, labels_name="trials.csv")


def trials_of(pairs):
    models, tests = dict.fromkeys(m for m, _ in pairs), dict.fromkeys(t for _, t in pairs)
    return Trials(
        tuple(models),
        tuple(tests),
        np.array([list(models).index(m) for m, _ in pairs], dtype=np.int32),
        np.array([list(tests).index(t) for _, t in pairs], dtype=np.int32),
        np.zeros(len(pairs), dtype=bool),
    )


some_pairs = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, unique=True
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(some_pairs, some_pairs)
def test_matching_is_what_sets_of_pairs_say(pairs, reference):
    match = match_trials(trials_of(pairs), trials_of(reference))
    expected = [reference.index(pair) if pair in reference else -1 for pair in pairs]
    assert match.place.tolist() == expected
    assert [reference[i] for i in match.missing] == [p for p in reference if p not in pairs]
    assert [pairs[i] for i in match.foreign] == [p for p in pairs if p not in reference]
    assert match.is_whole == (set(pairs) == set(reference))


def test_ids_of_millions_of_pairs_do_not_overflow():
    # 200,000 models by 200,000 tests: more than 32 bits hold.
    n = 200_000
    ids, index = tuple(map(str, range(n))), np.arange(n, dtype=np.int32)
    first = Scores(Trials(ids, ids, index, index[::-1], index % 2 == 0), np.arange(n, dtype=float))
    second = dataclasses.replace(
        first.trials,
        model_index=index[::-1].copy(),
        test_index=index,
        is_target=first.trials.is_target[::-1],
    )
    aligned = align_scores([first, Scores(second, first.score[::-1])], ["a", "b"])
    np.testing.assert_array_equal(aligned[1].score, first.score)


# --- further columns of scores ---


def with_columns(pairs, **columns):
    trials = trials_of(pairs)
    kept = {}
    for name, cells in columns.items():
        values = tuple(dict.fromkeys(cells))
        kept[name] = Column(values, np.array([values.index(c) for c in cells], dtype=np.int32))
    return Scores(dataclasses.replace(trials, columns=kept), np.arange(len(pairs), dtype=float))


def test_pooled_scores_keep_the_columns_that_all_parts_have():
    one = with_columns([("a", "x"), ("a", "y")], sex=["f", "m"], snr=["1", "2"])
    two = with_columns([("a", "x")], sex=["m"])
    pooled = pool_scores({"clean": one, "noise": two})
    assert list(pooled.trials.columns) == ["sex"]
    assert column_of(pooled.trials, "sex") == ["f", "m", "m"]
    assert pooled.trials.columns["sex"].values == ("f", "m")
    assert dict(pool_scores({"noise": with_columns([("a", "x")]), "n": one}).trials.columns) == {}


@pytest.mark.parametrize("rows_written", [1, 2, 1000])
def test_further_columns_are_written_after_the_llr(tmp_path, monkeypatch, rows_written):
    monkeypatch.setattr(scores_module, "ROWS_WRITTEN", rows_written)
    scores = with_columns(
        [("a", "x"), ("b", "x"), ("b", "y")], note=["u, v", "", "u, v"], label=["1", "2", "3"]
    )
    scores = dataclasses.replace(scores, llr=np.array([0.5, np.inf, -2.0]))
    path = tmp_path / "scores.csv"
    write_scores(path, scores)
    assert path.read_text("utf-8") == (
        "model_id,test_id,label,score,llr,note\n"
        'a,x,nontarget,0.0,0.5,"u, v"\n'
        "b,x,nontarget,1.0,inf,\n"
        'b,y,nontarget,2.0,-2.0,"u, v"\n'
    )
    back = read_scores(path, columns=["note"])
    assert column_of(back.trials, "note") == ["u, v", "", "u, v"]
    write_scores(tmp_path / "again.csv.gz", back)
    assert gzip.decompress((tmp_path / "again.csv.gz").read_bytes()) == path.read_bytes()


# --- trial lists with speakers ---

MODELS, TESTS = {"m1": "ann", "m2": "bob"}, {"t1": "ann", "t2": "cid"}


def test_further_columns_follow_the_stars(write):
    text = "model_id,test_id,label,day\nm2,t1,nontarget,mon\nm1,*,,tue\n"
    path = write("trials.csv.gz", gzip.compress(text.encode()))
    trials = read_trials(path, MODELS, TESTS, columns=["day"])
    assert column_of(trials, "day") == ["mon", "tue", "tue"]
    assert dict(read_trials(path, MODELS, TESTS).columns) == {}
    every = write("trials.csv", "model_id,test_id,label,day\n*,*,,wed\n")
    assert column_of(read_trials(every, MODELS, TESTS, columns=["day"]), "day") == ["wed"] * 4


def slowly_expanded(rows):
    """Expand stars row by row: (trials, number of contradictions, number of duplicates)."""
    found, n_wrong, n_again = {}, 0, 0
    for model, test, label in rows:
        for m in MODELS if model == "*" else [model]:
            for t in TESTS if test == "*" else [test]:
                same = MODELS[m] == TESTS[t]
                if label and (label == "target") != same:
                    n_wrong += 1
                elif (m, t) in found:
                    n_again += 1
                else:
                    found[m, t] = same
    return found, n_wrong, n_again


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["*", "m1", "m2"]),
            st.sampled_from(["*", "t1", "t2"]),
            st.sampled_from(["target", "nontarget", ""]),
        ).filter(lambda row: (row[2] or "*" in row) and (row[2] or row[:2] != ("*", "*"))),
        min_size=1,
        max_size=3,
    )
)
def test_stars_are_expanded_as_row_by_row(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("list") / "trials.csv"
    path.write_text("model_id,test_id,label\n" + "".join(f"{','.join(row)}\n" for row in rows))
    found, n_wrong, n_again = slowly_expanded(rows)
    if n_wrong + n_again:
        with pytest.raises(ManifestError) as caught:
            read_trials(path, MODELS, TESTS)
        message = str(caught.value)
        assert message.count("label is") == n_wrong
        assert message.count("duplicate trial") == n_again
        return
    trials = read_trials(path, MODELS, TESTS)
    got = [(*trials.pair(i), bool(trials.is_target[i])) for i in range(len(trials))]
    assert got == [(*pair, same) for pair, same in found.items()]
    assert trials.model_ids == tuple(dict.fromkeys(m for m, _ in found))
    assert trials.test_ids == tuple(dict.fromkeys(t for _, t in found))
