"""Score files and trial lists that say who speaks, in columns of their own."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.corpora import (
    Scores,
    Trials,
    align_scores,
    read_scores,
    select_scores,
    trial_speakers,
    write_scores,
)
from speakergmm.corpora.told_speakers import NOBODY
from speakergmm.corpora.trials import read_trial_labels
from speakergmm.errors import ManifestError

HEAD = "model_id,test_id,label,score,model_speaker,test_speaker\n"
ROWS = ("m1,t1,target,1,ann,ann", "m1,t2,nontarget,0,ann,bob", "m2,t2,nontarget,0,ann,bob")


def names_of(trials):
    """Who speaks in each trial, by name."""
    model, test = (
        ["" if n == NOBODY else trials.speaker_names[n] for n in of[index].tolist()]
        for of, index in (
            (trials.model_speaker, trials.model_index), (trials.test_speaker, trials.test_index),
        )
    )  # fmt: skip
    return list(zip(model, test, strict=True))


def test_speakers_are_those_that_the_columns_name(write):
    trials = read_scores(write("s.csv", HEAD + "\n".join(ROWS))).trials
    assert names_of(trials) == [("ann", "ann"), ("ann", "bob"), ("ann", "bob")]
    # The second model is ann's, though no target trial says so.
    model, test, n = trial_speakers(trials)
    assert (model.tolist(), test.tolist(), n) == ([0, 0], [0, 1], 2)
    assert trials.columns == {}


def test_a_model_without_a_speaker_is_of_a_class(write):
    rows = "f,t1,target,1,,ann\nf,t2,nontarget,0,,bob\nf,t3,target,1,,cy\n"
    trials = read_scores(write("s.csv", HEAD + rows)).trials
    model, test, n = trial_speakers(trials)
    assert (model.tolist(), test.tolist(), n) == ([3], [0, 1, 2], 3)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, unique=True))
def test_what_is_written_reads_back(tmp_path_factory, pairs):
    of_model, of_test = ["ann", "b, the second", "", "ann"], ["ann", "b, the second", "zoë"] * 2
    names = ("zoë", "ann", "b, the second")
    number = {name: i for i, name in enumerate(names)} | {"": NOBODY}
    model, test = np.array(pairs, dtype=np.int32).T
    trials = Trials(
        ("m0", "m1", "m2", "m3"),
        tuple(f"t{i}" for i in range(6)),
        model,
        test,
        np.array([of_model[m] == of_test[t] for m, t in pairs]),
        np.array([number[name] for name in of_model]),
        np.array([number[name] for name in of_test]),
        speaker_names=names,
    )
    path = tmp_path_factory.mktemp("told") / "s.csv.gz"
    write_scores(path, Scores(trials, np.zeros(len(pairs))))
    assert gzip.decompress(path.read_bytes()).decode().startswith(HEAD)
    found = read_scores(path)
    assert names_of(found.trials) == names_of(trials)
    again = path.with_name("again.csv.gz")
    write_scores(again, found)
    assert gzip.decompress(again.read_bytes()) == gzip.decompress(path.read_bytes())
    assert select_scores(found, np.ones(len(pairs), dtype=bool)).trials.speaker_names == ()


def test_one_of_the_two_columns_is_a_column_as_any_other(write):
    text = "model_id,test_id,label,score,test_speaker,model_speaker_id\n"
    path = write("s.csv", f"{text}m1,t1,target,1,ann,1\nm1,t2,nontarget,1,,1\n")
    trials = read_scores(path, columns=["test_speaker"]).trials
    assert trials.model_speaker is None
    assert trials.speaker_names == ()
    assert trials.columns["test_speaker"].values == ("ann", "")
    write_scores(path, Scores(trials, np.zeros(2)))
    assert path.read_text().splitlines()[0] == "model_id,test_id,label,score,test_speaker"


def test_both_may_be_kept_as_columns_as_well_and_are_written_once(write):
    path = write("s.csv", HEAD + "\n".join([*ROWS, ""]))
    scores = read_scores(path, columns=["test_speaker"])
    assert scores.trials.columns["test_speaker"].values == ("ann", "bob")
    assert scores.trials.speaker_names == ("ann", "bob")
    write_scores(path, scores)
    assert path.read_text().splitlines()[0] == HEAD.strip()


CONTRADICTIONS = {
    "m2,t1,nontarget,1,ann,ann": "label is 'nontarget', but model 'm2' is speaker 'ann' and test "
    "'t1' is speaker 'ann'",
    "m2,t3,target,1,ann,cy": "label is 'target', but model 'm2' is speaker 'ann' and test 't3' is "
    "speaker 'cy'",
    "m1,t3,nontarget,1,zoë,cy": "model_speaker of 'm1' is 'zoë', and 'ann' above; expected one",
    "m1,t3,nontarget,1,,cy": "model_speaker of 'm1' is '', and 'ann' above; expected one",
    "m2,t1,nontarget,1,ann,bob": "test_speaker of 't1' is 'bob', and 'ann' above; expected one",
    "m2,t3,nontarget,1,ann,": "test_speaker is ''; expected who speaks in the test",
    "m2,t1,nontraget,1,ann,ann": "label is 'nontraget'; expected 'target' or 'nontarget'",
}


@pytest.mark.parametrize(("row", "message"), CONTRADICTIONS.items())
def test_what_contradicts_itself_is_told_by_line(write, row, message):
    path = write("s.csv", HEAD + "\n".join([*ROWS, row, ""]))
    with pytest.raises(ManifestError, match=rf"s\.csv:5: {message}$"):
        read_scores(path)


def test_a_trial_list_may_tell_the_speakers_of_scores(write):
    told = read_trial_labels(write("t.csv", HEAD + "\n".join(ROWS)))
    assert names_of(told) == [("ann", "ann"), ("ann", "bob"), ("ann", "bob")]
    bare = write("s.csv", "model_id,test_id,score\nm2,t2,3\nm1,t1,1\nm1,t2,2\n")
    scores = read_scores(bare, labels=told)
    assert names_of(scores.trials) == [("ann", "bob"), ("ann", "ann"), ("ann", "bob")]


def test_scores_keep_their_speakers_beside_a_trial_list_that_tells_none(write):
    path = write("s.csv", HEAD + "\n".join(ROWS))
    rows = ["m2,t2,nontarget,x", "m1,t1,target,y", "m1,t2,nontarget,x"]
    listed = write("t.csv", "\n".join(["model_id,test_id,label,kind", *rows]))
    labels = read_trial_labels(listed, columns=["kind"])
    trials = read_scores(path, labels=labels, columns=["kind"]).trials
    assert names_of(trials) == [("ann", "ann"), ("ann", "bob"), ("ann", "bob")]
    assert trials.columns["kind"].values == ("x", "y")


def test_labels_that_contradict_the_speakers_of_the_scores(write):
    path = write("s.csv", "model_id,test_id,score,model_speaker,test_speaker\nm1,t1,1,ann,ann\n")
    labels = read_trial_labels(write("t.csv", "model_id,test_id,label\nm1,t1,nontarget\n"))
    expected = (
        r"s.csv and t.csv: label is 'nontarget', but model 'm1' is speaker 'ann' and test 't1' is "
        r"speaker 'ann'; 1 trials contradict their speakers: correct one of the lists"
    )
    with pytest.raises(ManifestError, match=expected):
        read_scores(path, labels=labels, labels_name="t.csv")


@pytest.mark.parametrize("told_first", [True, False])
def test_of_aligned_lists_one_need_tell_the_speakers(write, told_first):
    told = read_scores(write("told.csv", HEAD + "\n".join(ROWS)))
    rows = "m2,t2,nontarget,5\nm1,t1,target,6\nm1,t2,nontarget,7\n"
    bare = read_scores(write("bare.csv", f"model_id,test_id,label,score\n{rows}"))
    every = align_scores([told, bare] if told_first else [bare, told], ["a", "b"])
    for scores in every:
        named = dict(zip(map(scores.trials.pair, range(3)), names_of(scores.trials), strict=True))
        assert named[("m2", "t2")] == ("ann", "bob")
        assert named[("m1", "t1")] == ("ann", "ann")
