"""Sides of two-channel calls: kept apart in trials, scores, enrollment and lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.corpora import read_scores, read_split, read_utterances
from speakergmm.corpora.formats import Options, convert
from speakergmm.corpora.formats.enrollment_lists import read_enrollment_list
from speakergmm.corpora.formats.trial_forms import named_form
from speakergmm.corpora.formats.trial_lists import read_trial_list
from speakergmm.errors import ManifestError

CALLS = "1001 call a target\n1002 call b target\n1001 other a nontarget\n1002 other a nontarget\n"


def rows_of(found):
    trials = found.trials
    return [(*trials.pair(i), bool(trials.is_target[i])) for i in range(len(trials))]


def read_back(folder):
    utterances = read_utterances(folder / "utterances.csv", must_exist=False)
    return utterances, read_split(folder, "evaluation", utterances)


def test_the_two_sides_of_a_call_are_two_speakers(write, tmp_path):
    options = Options(enroll=write("models", "1001 e1\n1002 e2\n"))
    done = convert(write("trials", CALLS), tmp_path / "lists", options=options)
    utterances, protocol = read_back(tmp_path / "lists")
    told = {n: (u.speaker_id, u.path.name, u.channel) for n, u in utterances.items()}
    assert told == {
        "e1": ("1001", "e1", None), "call_a": ("1001", "call", 0),
        "e2": ("1002", "e2", None), "call_b": ("1002", "call", 1),
        "other_a": ("other_a", "other", 0),
    }  # fmt: skip
    assert protocol.tests == {name: (name,) for name in ("call_a", "call_b", "other_a")}
    assert done.read_as == "trials, model test side label"
    assert done.counts["recordings"] == 4
    assert not any("joined" in note for note in done.notes)


def test_trials_of_two_sides_are_two_trials(write):
    found = read_trial_list(write("t", "1001 x a nontarget\n1001 x b nontarget\n"))
    assert rows_of(found) == [("1001", "x_a", False), ("1001", "x_b", False)]
    assert not any("twice" in note for note in found.notes)
    found = read_trial_list(write("t", "m x a 1.5\nm x b -2.5\nm x a 1.5\n"))
    assert found.score.tolist() == [1.5, -2.5]
    assert found.notes[-1] == "trials that stand there twice, and were taken once: 1"
    with pytest.raises(ManifestError, match="t:3: trial m x_a has another label or score than in"):
        read_trial_list(write("t", "m x a 1.5\nm x b -2.5\nm x a 2.5\n"))


@pytest.mark.parametrize(
    "text",
    ["m1 x a target\nm1 x B nontarget\nm1 y x nontarget\n",
     "x a m1 target\nx B m1 nontarget\ny x m1 nontarget\n",
     ("modelid\tsegmentid\tside\ttargettype\nm1\tx\ta\ttarget\nm1\tx\tb\tnontarget\n"
     "m1\ty\tx\tnontarget\n"),
     "model,segment,channel,target_type\nm1,x,1,target\nm1,x,2,nontarget\nm1,y,x,nontarget\n"],
    ids=["NIST", "test first", "NIST since 2016", "numbers"],
)  # fmt: skip
def test_sides_are_told_by_letters_numbers_or_a_header(write, text):
    found = read_trial_list(write("t", text), models={"m1"})
    assert rows_of(found) == [("m1", "x_a", True), ("m1", "x_b", False), ("m1", "y", False)]
    assert {name: tuple(side) for name, side in found.sides.items()} == {
        "x_a": ("x", 0), "x_b": ("x", 1),
    }  # fmt: skip


NDX = "1001 m d/x.sph:A\n1001 m d/y.sph:b\n1002 f d/x.sph:B\n1002 f z.sph:x\n"
KEY = "1001,x,a,target\n1001,y,b,nontarget\n1002,x,b,target\n1002,z,x,nontarget\n"


def test_a_side_may_stand_behind_its_file(write, tmp_path):
    # NIST's index of trials of 2010, and its lists of models of 2010 and of 2008.
    options = Options(
        trials=write("key.csv", KEY), enroll=write("trn", "1001 m e.sph:B\n1002 f f:a")
    )
    done = convert(write("ndx", NDX), tmp_path / "lists", options=options)
    assert "the ends of the tests' names, such as ':a', were taken for their sides" in done.notes
    utterances, protocol = read_back(tmp_path / "lists")
    place = tmp_path / "lists"
    told = {n: (u.speaker_id, str(u.path.relative_to(place)), u.channel)
            for n, u in utterances.items()}  # fmt: skip
    assert told == {
        "e.sph_b": ("1001", "e.sph", 1), "f_a": ("1002", "f", 0),
        "x_a": ("1001", "d/x.sph", 0), "y_b": ("y_b", "d/y.sph", 1),
        "x_b": ("1002", "d/x.sph", 1), "z": ("z", "z", None),
    }  # fmt: skip
    assert protocol.enrollment == {"1001": ("e.sph_b",), "1002": ("f_a",)}
    models = read_enrollment_list(write("trn", "1001 e.sph:A,g.sph:b,h.sph:x\n1002 f.sph:a\n"))
    assert models.pools == {"1001": ("e.sph_a", "g.sph_b", "h.sph"), "1002": ("f.sph_a",)}
    assert {name: tuple(side) for name, side in models.sides.items()} == {
        "e.sph_a": ("e.sph", 0), "g.sph_b": ("g.sph", 1), "f.sph_a": ("f.sph", 0),
    }  # fmt: skip


def test_what_has_sides_is_the_test(write):
    # NIST's index of trials is called as ALIZE's.
    found = read_trial_list(write("t.ndx", "m1 x.sph:A\nm1 x.sph:B\nm2 y.sph:a\n"))
    assert rows_of(found) == [("m1", "x.sph_a", False), ("m1", "x.sph_b", False),
                              ("m2", "y.sph_a", False)]  # fmt: skip
    found = read_trial_list(write("t", "x.sph:A m1 target\nx.sph:a m2 nontarget\nx.sph:B m1 imp\n"))
    assert rows_of(found) == [
        ("m1", "x.sph_a", True), ("m2", "x.sph_a", False), ("m1", "x.sph_b", False),
    ]  # fmt: skip
    found = read_trial_list(write("t", "m1 x.sph:A target\nm1 y nontarget\n"))
    assert found.trials.test_ids == ("x.sph:A", "y")
    assert not found.sides


def test_a_model_may_be_named_after_a_side(write, tmp_path):
    text = "x.sph:A y.sph:B target\nx.sph:A z.sph:a nontarget\nv.sph:x z.sph:a target\n"
    convert(write("t", text), tmp_path / "lists")
    utterances, protocol = read_back(tmp_path / "lists")
    assert protocol.enrollment == {"x.sph:A": ("x.sph_a",), "v.sph:x": ("v.sph",)}
    told = {name: (u.path.name, u.channel) for name, u in utterances.items()}
    assert told == {"x.sph_a": ("x.sph", 0), "v.sph": ("v.sph", None), "y.sph_b": ("y.sph", 1),
                    "z.sph_a": ("z.sph", 0)}  # fmt: skip


def test_sides_may_be_known_by_capitals(write):
    known = {"e", "f", "x_A", "x_B", "y_B"}
    found = read_trial_list(write("t", CALLS.replace("call", "x").replace("other a", "y b")),
                            models={"1001", "1002"}, utterances=known)  # fmt: skip
    assert found.trials.test_ids == ("x_A", "x_B", "y_B")
    found = read_trial_list(write("t", NDX), models={"1001"}, utterances={"x_A", "y_B", "x_B", "z"})
    assert found.trials.test_ids == ("x_A", "y_B", "x_B", "z")


def test_a_header_tells_where_utterances_stand(write):
    text = "modelid gender segmentid side\nm f call a\nm f other b\n"
    assert read_enrollment_list(write("t", text)).pools == {"m": ("call_a", "other_b")}
    assert read_enrollment_list(write("t", "modelid wav side\nm x x\n")).pools == {"m": ("x",)}
    text = (
        "t: the columns are modelid, gender, wav; expected one of utterances, such as 'segmentid'"
    )
    with pytest.raises(ManifestError, match=text):
        read_enrollment_list(write("t", "modelid gender wav\nm f x\n"))


def test_a_column_of_channels_that_are_no_sides_is_passed_over(write):
    text = "modelid,segmentid,channel,targettype\nm,x,phonecall,target\nm,y,interview,nontarget\n"
    assert rows_of(read_trial_list(write("t", text))) == [("m", "x", True), ("m", "y", False)]
    models = write("models", "modelid segmentid channel\nm x phonecall\n")
    assert read_enrollment_list(models).pools == {"m": ("x",)}


def test_a_side_may_be_named_and_must_be_one(write):
    path = write("t", "m x a target\nm y c nontarget\n")
    with pytest.raises(ManifestError, match="t:2: side is 'c'; expected a, b or x"):
        read_trial_list(path, form=named_form(path, "model test side label"))
    path = write("t", "m x a target\nm y b nontarget\n")
    found = read_trial_list(path, form=named_form(path, "model test - label"))
    assert rows_of(found) == [("m", "x", True), ("m", "y", False)]
    models = write("models", "modelid segmentid side\nm x a\nm y c\nm z\n")
    with pytest.raises(ManifestError, match=r"models:3: side is 'c'; expected a, b or x") as error:
        read_enrollment_list(models)
    assert "models:4: side is ''; expected a, b or x" in str(error.value)


def test_a_recording_that_is_called_as_anothers_side(write):
    expected = "t: sides are called by .*; rename the recording: 'x_a', which side a of 'x' is"
    with pytest.raises(ManifestError, match=expected):
        read_trial_list(write("t", "m x a target\nm x_a x nontarget\n"))
    with pytest.raises(ManifestError, match=expected):
        read_enrollment_list(write("t", "modelid segmentid side\nm x a\nm x_a x\n"))


# --- enrollment ---


def test_models_of_two_sides_are_two_speakers(write, tmp_path):
    models = write("models", "modelid segmentid side\n1001 e a\n1002 e b\n")
    convert(write("trials", CALLS), tmp_path / "lists", options=Options(enroll=models))
    utterances, protocol = read_back(tmp_path / "lists")
    assert protocol.enrollment == {"1001": ("e_a",), "1002": ("e_b",)}
    speakers = {n: (u.speaker_id, u.channel) for n, u in utterances.items() if n[0] == "e"}
    assert speakers == {"e_a": ("1001", 0), "e_b": ("1002", 1)}


def test_enrolled_models_that_trials_join_are_said(write, tmp_path):
    options = Options(enroll=write("models", "1001 e1\n1002 e2\n1003 e3\n"))
    trials = "1001 call target\n1002 call target\n1003 call nontarget\n"
    done = convert(write("trials", trials), tmp_path / "lists", options=options)
    assert (
        "enrolled models that are of one speaker by the target trials, and were joined: 1, such as "
        "'1002', who is '1001'"
    ) in done.notes
    # Models that share an utterance are of one speaker without the trials.
    options = Options(enroll=write("models", "1001 e1 e2\n1002 e2 e3\n1003 e4\n"))
    done = convert(tmp_path / "trials", tmp_path / "more", options=options)
    assert not any("joined" in note for note in done.notes)


@pytest.mark.parametrize(
    ("models", "trials"),
    [("m x\n", "m x a nontarget\nm y b nontarget\nm z b target\n"),
     ("modelid segmentid side\nm x a\n", "m x target\nm z target\n")],
)  # fmt: skip
def test_a_side_is_part_of_its_recording(write, tmp_path, models, trials):
    options = Options(enroll=write("models", models))
    with pytest.raises(ManifestError, match="enrollment and test must not share speech"):
        convert(write("trials", trials), tmp_path / "lists", options=options)


# --- with lists that know sides, or recordings alone ---


@pytest.mark.parametrize("names", [("x_a", "x_b", "e_a"), ("x_a", "x_b", "e")])
def test_trials_of_utterances_that_are_sides(write, tmp_path, names):
    rows = "".join(f"{name},{name},{name[0]}.sph\n" for name in names)
    write("lists/utterances.csv", f"utterance_id,speaker_id,path\n{rows}")
    options = Options(
        trials=write("key", "m x a target\nm x b nontarget\n"),
        enroll=write("models", "modelid segmentid side\nm e a\n"),
    )
    convert(tmp_path / "lists", tmp_path / "new", options=options)
    _, protocol = read_back(tmp_path / "new")
    assert protocol.enrollment == {"m": (names[-1],)}
    assert protocol.trials.test_ids == ("x_a", "x_b")


def test_where_recordings_are_known_sides_are_these_unless_both_are_tried(write, tmp_path):
    write("lists/utterances.csv", "utterance_id,speaker_id,path\ne,e,e.sph\nx,x,x.sph\ny,y,y.sph\n")
    options = Options(trials=write("key", "e x a target\ne y b nontarget\n"))
    convert(tmp_path / "lists", tmp_path / "new", options=options)
    assert read_back(tmp_path / "new")[1].trials.test_ids == ("x", "y")
    options = Options(trials=write("key", "e x a target\ne x b nontarget\n"))
    with pytest.raises(ManifestError, match="not in the utterances: 2 problems\n  utterance 'x_a'"):
        convert(tmp_path / "lists", tmp_path / "newer", options=options)


# --- scores ---


SCORES = "modelid\tsegmentid\tside\tLLR\nm\tx\ta\t1.5\nm\tx\tb\t-2.5\n"


def test_scores_of_two_sides_and_back(write, tmp_path):
    key = write("key", "m x a target\nm x b nontarget\n")
    source = write("scores.tsv", SCORES)
    convert(source, tmp_path / "scores.csv", options=Options(trials=key))
    scores = read_scores(tmp_path / "scores.csv")
    assert scores.trials.test_ids == ("x_a", "x_b")
    assert scores.score.tolist() == [1.5, -2.5]
    done = convert(tmp_path / "scores.csv", tmp_path / "back.tsv", target_format="sre")
    assert (tmp_path / "back.tsv").read_text() == SCORES
    assert done.notes == (
        "the side of each segment was told by the end of its test's id, _a or _b",
    )
    done = convert(source, tmp_path / "same.tsv", target_format="sre")
    assert (tmp_path / "same.tsv").read_text() == SCORES
    assert done.notes == ()


def test_sides_of_tests_without_one_are_x(write, tmp_path):
    text = SCORES.replace("x\tb", "y\tx")
    convert(write("scores.tsv", text), tmp_path / "out.tsv", target_format="sre")
    assert (tmp_path / "out.tsv").read_text() == text


@pytest.mark.parametrize(
    ("scores", "key", "tests"),
    [("m x a 1.5\nm y a 2.5\n", "m x target\nm y nontarget\n", ("x", "y")),
     ("m x 1.5\nm y 2.5\n", "m x a target\nm y a nontarget\n", ("x", "y")),
     ("m x a 1.5\nm y a 2.5\n", "m x_a target\nm y_a nontarget\n", ("x_a", "y_a")),
     ("modelid segmentid side LLR\nm x a 1.5\nm y a 2.5\n",
      "segmentid modelid targettype\nm x target\nm y nontarget\n", ("x", "y"))],
    ids=["scores alone", "key alone", "as ours", "turned"],
)  # fmt: skip
def test_a_key_may_name_recordings_where_scores_name_sides(write, tmp_path, scores, key, tests):
    options = Options(trials=write("key", key))
    convert(write("scores", scores), tmp_path / "scores.csv", options=options)
    assert read_scores(tmp_path / "scores.csv").trials.test_ids == tests


def test_a_key_that_does_not_tell_two_sides_apart_is_refused(write, tmp_path):
    options = Options(trials=write("key", "m x target\nm y nontarget\n"))
    with pytest.raises(ManifestError, match=r"2 scores are of no trial in .*such as m with x_a"):
        convert(write("s", "m x a 1.5\nm x b 2.5\n"), tmp_path / "scores.csv", options=options)


NAMES = st.sampled_from(["p", "q", "r", "s"])


@given(pairs=st.lists(st.tuples(NAMES, NAMES, st.sampled_from("abx")), min_size=1, unique=True))
def test_as_many_trials_are_read_as_are_written(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("any") / "t"
    path.write_text("".join(f"{m} {t} {side} {i}\n" for i, (m, t, side) in enumerate(pairs)))
    found = read_trial_list(path, form=named_form(path, "model test side score"))
    names = [(m, t if side == "x" else f"{t}_{side}") for m, t, side in pairs]
    assert [found.trials.pair(i) for i in range(len(pairs))] == names
    assert found.score.tolist() == list(range(len(pairs)))
    # Tests are numbered in the order of the list, each once.
    assert list(found.trials.test_ids) == list(dict.fromkeys(t for _, t in names))
    assert found.trials.test_index.dtype == np.int32
