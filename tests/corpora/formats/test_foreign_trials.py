"""Trial lists of other toolkits: told apart, read, written, made into lists."""

from __future__ import annotations

import gzip
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.corpora import read_split, read_trial_labels, read_utterances
from speakergmm.corpora.formats import Options, convert
from speakergmm.corpora.formats.enrollment_lists import read_enrollment_list
from speakergmm.corpora.formats.trial_forms import named_form
from speakergmm.corpora.formats.trial_lists import read_trial_list
from speakergmm.corpora.formats.trial_writers import LineForm, write_trial_lines
from speakergmm.errors import ConfigError, ManifestError, MissingError

# Model, test, whether they are one speaker: of more tests than models.
TRIALS = [
    ("m1", "t1", True), ("m1", "t2", False), ("m2", "t2", True), ("m2", "t3", False),
    ("m1", "t4", False), ("m2", "t5", True), ("m1", "t6", True),
]  # fmt: skip
WORDS = [
    ("target", "nontarget"), ("target", "impostor"), ("target", "imposter"), ("tgt", "imp"),
    ("true", "false"), ("1", "0"), ("TARGET", "NonTarget"), ("tar", "non"),
]  # fmt: skip


def rows_of(found):
    trials = found.trials
    return [(*trials.pair(i), bool(trials.is_target[i])) for i in range(len(trials))]


def text_of(line, words=("target", "nontarget"), trials=TRIALS):
    """Write trials in a form such as ``"{model} {test} {label}"``."""
    return "".join(
        line.format(model=model, test=test, label=words[not is_target]) + "\n"
        for model, test, is_target in trials
    )


# --- detection ---


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize(
    "line",
    ["{model} {test} {label}", "{test} {model} {label}", "{model}\t{test}\t{label}",
     "{model},{test},{label}", "{model}, {test}, {label}", "  {model}   {test} {label} "],
)  # fmt: skip
def test_labels_after_two_names_in_both_orders(write, line, words):
    found = read_trial_list(write("trials", text_of(line, words)))
    assert rows_of(found) == TRIALS
    assert found.is_labelled
    expected = "second" if line.startswith("{test}") else None
    assert (expected is None) == (not found.notes) or found.notes[0].startswith("the first")
    if expected:
        assert found.notes == (
            (
                "the second of the two names was taken for the model: there are 2 of these and 6 "
                "of the first; --enroll or --columns say it otherwise"
            ),
        )


@pytest.mark.parametrize("words", [("1", "0"), ("target", "nontarget")])
def test_a_label_before_two_names_is_voxcelebs(write, words):
    path = write("veri_test.txt", text_of("{label} {test} {model}", words))
    found = read_trial_list(path)
    # Which of the files enrolls is in the form, not in how many there are.
    assert [(t, m) for m, t, _ in rows_of(found)] == [(m, t) for m, t, _ in TRIALS]
    assert found.notes == ()


def test_enrolled_models_tell_the_order_against_the_numbers(write):
    few_tests = [(t, m, is_target) for m, t, is_target in TRIALS]
    path = write("trials", text_of("{model} {test} {label}", trials=few_tests))
    models = [f"t{i}" for i in range(1, 7)]
    found = read_trial_list(path, models=models)
    assert rows_of(found) == few_tests
    assert found.notes == ("the first of the two names is the model, as known ids say",)
    turned = write("turned", text_of("{test} {model} {label}", trials=few_tests))
    found = read_trial_list(turned, models=models)
    assert rows_of(found) == few_tests
    assert found.notes == ("the second of the two names is the model, as known ids say",)


def test_what_cannot_be_told_is_said_with_the_way_out(write):
    path = write("trials", "a b target\nc d nontarget\n")
    assert read_trial_list(path).notes == (
        (
            "the first of the two names was taken for the model; if it is the test, say so: "
            "--columns 'test model label'"
        ),
    )
    found = read_trial_list(path, form=named_form(path, "test model label"))
    assert rows_of(found) == [("b", "a", True), ("d", "c", False)]
    assert found.notes == ()


@pytest.mark.parametrize("utterances", [{"a", "c"}, {"b", "d"}, {"a", "b", "c", "d"}])
def test_utterances_are_tests_and_what_is_none_is_a_model(write, utterances):
    found = read_trial_list(write("trials", "a b target\nc d target\n"), utterances=utterances)
    is_turned = utterances == {"a", "c"}
    assert rows_of(found)[0][:2] == (("b", "a") if is_turned else ("a", "b"))
    assert found.notes == ()


def test_nists_header_names_the_columns(write):
    lines = ["segmentid modelid side targettype gender", "t1 m1 a target f", "t2 m1 a nontarget f"]
    text = "\n".join(lines).replace(" ", "\t")
    found = read_trial_list(write("key.tsv", text))
    assert rows_of(found) == [("m1", "t1_a", True), ("m1", "t2_a", False)]
    assert found.notes == ()


@pytest.mark.parametrize(
    ("line", "columns"),
    [("{model} {test} x {label}", "model test side label"), ("{model} m {test}", "model - test"),
     ("{model} {test}", "model test"), ("{model} {test} {label} X", "model test label side")],
)  # fmt: skip
def test_sexes_are_passed_over_and_labels_may_be_missing(write, line, columns):
    found = read_trial_list(write("trials", text_of(line)))
    assert [row[:2] for row in rows_of(found)] == [row[:2] for row in TRIALS]
    assert str(found.form) == columns
    assert found.is_labelled == ("label" in columns)


def test_numbers_may_be_names(write):
    found = read_trial_list(write("trials", "1001 2001 1\n1001 2002 0\n"))
    assert rows_of(found) == [("1001", "2001", True), ("1001", "2002", False)]
    found = read_trial_list(write("others", "0 1 target\n1 0 nontarget\n"))
    assert rows_of(found) == [("0", "1", True), ("1", "0", False)]


def test_alizes_index_has_a_test_and_its_models(write):
    found = read_trial_list(write("tests.ndx", "t1 m1 m2\nt2 m2\n\nt3 m1 m2\n"))
    assert [row[:2] for row in rows_of(found)] == [
        ("m1", "t1"), ("m2", "t1"), ("m2", "t2"), ("m1", "t3"), ("m2", "t3"),
    ]  # fmt: skip
    assert not found.is_labelled
    with pytest.raises(
        ManifestError, match=r"tests.ndx:2: test 't2' meets no model; expected TEST"
    ):
        read_trial_list(write("tests.ndx", "t1 m1 m2\nt2\n"), form=found.form)
    with pytest.raises(ManifestError, match=r"tests.ndx:1: the list is empty; expected TEST MODEL"):
        read_trial_list(write("tests.ndx", "\n"), form=found.form)


def test_packed_lists_marks_and_windows_line_ends(write):
    data = ("\ufeff" + text_of("{model} {test} {label}").replace("\n", "\r\n")).encode()
    assert rows_of(read_trial_list(write("trials.gz", gzip.compress(data)))) == TRIALS
    assert rows_of(read_trial_list(write("trials", data[:-2]))) == TRIALS


# --- what is wrong ---


@pytest.mark.parametrize(
    ("text", "first"),
    [("hello\n", "'hello'"), ("a b c\nd e f\n", "'a b c'"), ("", "nothing"),
     ("t1 m1 m2\nt2 m1\n", "'t1 m1 m2'"), ("ab 1.5 2.5 3.5\n", "'ab 1.5 2.5 3.5'"),
     ("# x\n" + "word " * 30, repr(("word " * 30)[:60]))],
)  # fmt: skip
def test_what_fits_nothing_is_refused_with_its_first_line(write, text, first):
    expected = (
        f"in any form that is known; the first line is {first}; expected such as 'MODEL TEST "
        "target', 'MODEL TEST 1.5' or '1 FILE FILE': name the columns (--columns), or give --from "
        "alize where it is ALIZE's index"
    )
    with pytest.raises(ManifestError, match=re.escape(expected)):
        read_trial_list(write("trials", text))


SIDED = "\n".join(f"m1 t{i} {'ab'[i % 2]} target" for i in range(4))


@pytest.mark.parametrize(
    ("line", "content", "message"),
    [
        (5, "m1 t9 maybe", "label is 'maybe'; expected one of target, tgt, tar, true, 1, nontarg"),
        (1, "m1 t9 maybe", "label is 'maybe'; expected one of target"),
        (4, "m1 t9", "2 names in the line; expected 3: model test label"),
        (1, "m1", "1 name in the line; expected 3: model test label"),
        (1, "# what this is", "'# what this is' is a comment; expected none in such a list: rem"),
        (3, "# one two", "'# one two' is a comment; expected none in such a list: remove it"),
        (7, ";; x", "';; x' is a comment"),
        (2, "#", "'#' is a comment"),
    ],
)
def test_one_line_that_does_not_fit_is_named(write, line, content, message):
    lines = text_of("{model} {test} {label}").splitlines()
    lines.insert(line - 1, content)
    with pytest.raises(ManifestError, match=re.escape(f"trials:{line}: {message}")):
        read_trial_list(write("trials", "\n".join(lines)))
    if not content.startswith(("#", ";")):
        with pytest.raises(ManifestError, match=re.escape(f"trials:{line}: {message}")):
            read_trial_list(write("trials", "\n".join(lines).replace(" ", ",")))


def test_a_label_a_side_and_a_test_that_do_not_fit_are_named_in_all_forms(write):
    with pytest.raises(ManifestError, match=r"veri:2: label is '2'; expected one of target"):
        read_trial_list(write("veri", "1 u1 v1\n2 u1 v2\n0 u1 v3\n"))
    with pytest.raises(ManifestError, match=r"sides:5: side is 'q'; expected a, b or x"):
        read_trial_list(write("sides", f"{SIDED}\nm1 t q nontarget\n"))
    with pytest.raises(ManifestError, match=r"x.ndx:2: test 't2' meets no model; expected TEST"):
        read_trial_list(write("x.ndx", "t1 m1 m2\nt2\n"))
    with pytest.raises(ManifestError, match=r"x.ndx:1: '# test models' is a comment"):
        read_trial_list(write("x.ndx", "# test models\nt1 m1 m2\n"))
    with pytest.raises(ManifestError, match=r"key:1: '# key' is a comment"):
        read_trial_list(write("key", "# key\nmodelid segmentid targettype\nm1 t1 target\n"))
    with pytest.raises(ManifestError, match=r"enrolled:2: '# m2' is a comment"):
        read_enrollment_list(write("enrolled", "m1 a\n# m2\n"))


def test_names_that_begin_as_comments_do_are_names(write):
    trials = [(f"#{model}", test, is_target) for model, test, is_target in TRIALS]
    path = write("trials", text_of("{model} {test} {label}", trials=trials))
    assert rows_of(read_trial_list(path)) == trials


def test_lines_and_labels_beyond_those_looked_at_are_still_checked(write):
    pairs = [(f"m{i % 7}", f"t{i}", i % 3 == 0) for i in range(3000)]
    text = text_of("{model} {test} {label}", trials=pairs)
    broken = f"{text}m1 t1\n\nm1 tx maybe\n"
    with pytest.raises(ManifestError) as error:
        read_trial_list(write("trials", broken))
    assert str(error.value).splitlines()[0] == "trials cannot be used: 2 problems"
    assert "trials:3001: 2 names in the line; expected 3: model test label" in str(error.value)
    assert "trials:3003: label is 'maybe'; expected one of target, tgt" in str(error.value)


def test_trials_that_stand_there_twice(write):
    found = read_trial_list(write("trials", "m a target\nm b nontarget\nm a target\n"))
    assert rows_of(found) == [("m", "a", True), ("m", "b", False)]
    assert found.notes[-1] == "trials that stand there twice, and were taken once: 1"
    with pytest.raises(ManifestError, match="trials:3: trial m a has another label than in line 1"):
        read_trial_list(write("trials", "m a target\nm b nontarget\nm a nontarget\n"))


@pytest.mark.parametrize(
    "names", ["model", "model test test", "model test lable", "", "test label score"]
)
def test_columns_that_make_no_list(write, names):
    expected = f"columns are {names!r}; expected model and test, and label, score, side or -"
    with pytest.raises(ConfigError, match=re.escape(expected)):
        named_form(write("trials", "a b target\n"), names)


def test_named_columns_are_all_columns(write, tmp_path):
    source = write("trials", "k y z 7 target\nk y w 7 nontarget\n")
    with pytest.raises(ManifestError, match="trials: 5 columns; expected 3: test model label"):
        named_form(source, "test model label")
    # Of what is not told by itself the columns may be named.
    with pytest.raises(ManifestError, match="neither trials nor scores in any form that is known"):
        convert(source, tmp_path / "trials.csv")
    options = Options(columns="- model test - label")
    convert(source, tmp_path / "trials.csv", options=options)
    assert read_trial_labels(tmp_path / "trials.csv").test_ids == ("z", "w")


# --- enrollment lists ---


@pytest.mark.parametrize(
    "text",
    ["m1 a b\nm2 c\n", "m1 a\nm2 c\nm1 b\n", "m1\ta\tb\n\nm2\tc\n",
     "model_id,utterance_id\nm1,a\nm1,b\nm2,c\n",
     "modelid\tsegmentid\tside\nm1\ta\ta\nm1\tb\ta\nm2\tc\ta\n"],
    ids=["ALIZE, Kaldi", "MSR", "tabs", "ours", "NIST"],
)  # fmt: skip
def test_enrollment_lists_of_all_kinds(write, text):
    found = read_enrollment_list(write("models", text))
    assert found.among(dict.fromkeys("abc")).pools == {"m1": ("a", "b"), "m2": ("c",)}


def test_enrollment_lists_that_say_nothing(write):
    with pytest.raises(ManifestError, match="models:2: 'm2' alone; expected MODEL UTTERANCE"):
        read_enrollment_list(write("models", "m1 a\nm2\n"))
    with pytest.raises(ManifestError, match="models:1: the list is empty; expected MODEL UTTER"):
        read_enrollment_list(write("models", "\n"))


# --- into our lists ---


VOXCELEB = "1 id1/x/1.wav id1/y/1.wav\n0 id1/x/1.wav id2/z/1.wav\n0 id2/z/1.wav id1/y/1.wav\n"


def read_back(folder, split="evaluation"):
    utterances = read_utterances(folder / "utterances.csv", must_exist=False)
    return utterances, read_split(folder, split, utterances)


def test_voxcelebs_paths_say_who_speaks_and_when(write, tmp_path):
    source = write("veri_test.txt", VOXCELEB)
    done = convert(source, tmp_path / "lists")
    utterances, protocol = read_back(tmp_path / "lists")
    assert {n: (u.speaker_id, u.session_id, u.split) for n, u in utterances.items()} == {
        "id1/x/1.wav": ("id1", "x", "evaluation"),
        "id2/z/1.wav": ("id2", "z", "evaluation"),
        "id1/y/1.wav": ("id1", "y", "evaluation"),
    }
    assert utterances["id1/x/1.wav"].path == tmp_path / "lists/id1/x/1.wav"
    assert protocol.enrollment == {n: (n,) for n in ("id1/x/1.wav", "id2/z/1.wav")}
    assert done.read_as == "trials, label model test (VoxCeleb)"
    assert done.counts == {
        "recordings": 3, "utterances": 3, "speakers": 2, "evaluation models": 2,
        "evaluation tests": 2, "evaluation target trials": 1, "evaluation nontarget trials": 2,
    }  # fmt: skip
    back = tmp_path / "back.txt"
    convert(tmp_path / "lists", back, target_format="voxceleb")
    assert back.read_text() == VOXCELEB


def test_the_toolbox_lists_of_feature_files(write, tmp_path):
    models = write("speaker_model_maps.lst", "ann x\\a1.htk\nann x\\a2.htk\nbob x\\b1.htk\n")
    trials = "ann x\\a3.htk target\nann x\\b2.htk impostor\nbob x\\z1.htk impostor\n"
    source = write("trials.lst", trials)
    done = convert(source, tmp_path / "lists", options=Options(enroll=models, split="test"))
    utterances, protocol = read_back(tmp_path / "lists", "test")
    speakers = {name: utterance.speaker_id for name, utterance in utterances.items()}
    assert speakers == {
        "x\\a1.htk": "ann", "x\\a2.htk": "ann", "x\\b1.htk": "bob",
        "x\\a3.htk": "ann", "x\\b2.htk": "x\\b2.htk", "x\\z1.htk": "x\\z1.htk",
    }  # fmt: skip
    assert utterances["x\\a1.htk"].path == tmp_path / "lists/x/a1"
    assert protocol.enrollment == {"ann": ("x\\a1.htk", "x\\a2.htk"), "bob": ("x\\b1.htk",)}
    assert done.read_as == "trials, model test label"
    convert(tmp_path / "lists", tmp_path / "back", target_format="msr")
    assert (tmp_path / "back/trials.lst").read_text() == trials
    assert (tmp_path / "back/speaker_model_maps.lst").read_text() == models.read_text()
    assert (tmp_path / "back/ubm.lst").read_text() == ""


def test_alizes_lists_and_a_key(write, tmp_path):
    models = write("trainModel.ndx", "ann a1 a2\nbob b1\n")
    index = "a3 ann bob\nb2 bob ann\n"
    source = write("computetest.ndx", index)
    options = Options(enroll=models)
    with pytest.raises(
        ManifestError, match="no labels, and it is not known who speaks in 'a1'; give"
    ):
        convert(source, tmp_path / "lists", options=options)
    key = write("key", "ann a3 target\nbob a3 nontarget\nbob b2 target\nann b2 nontarget\n")
    done = convert(source, tmp_path / "lists", options=Options(enroll=models, trials=key))
    assert done.read_as == "trials, test model ... (ALIZE)"
    utterances, protocol = read_back(tmp_path / "lists")
    assert {u.speaker_id for u in utterances.values()} == {"ann", "bob"}
    assert protocol.trials.is_target.tolist() == [True, False, True, False]
    done = convert(tmp_path / "lists", tmp_path / "back", target_format="alize")
    assert (tmp_path / "back/trainModel.ndx").read_text() == models.read_text()
    assert (
        tmp_path / "back/computetest_gmm_target-seg.ndx"
    ).read_text() == "a3 ann bob\nb2 bob ann\n"
    assert "labels: ALIZE's index has none; write them beside it with --to nist" in done.lost


def test_alizes_index_by_another_name_has_to_be_said(write, tmp_path):
    source = write("tests.lst", "a3 ann bob\nb2 bob\n")
    with pytest.raises(ManifestError, match="neither trials nor scores in any form that is known"):
        convert(source, tmp_path / "out.csv")
    key = write("key", "ann a3 target\nbob a3 nontarget\nbob b2 target\n")
    convert(source, tmp_path / "out.csv", source_format="alize", options=Options(trials=key))
    assert len(read_trial_labels(tmp_path / "out.csv")) == 3


@pytest.mark.parametrize(
    ("line", "told", "fits"),
    [
        ("{model} {test} {label}", "model test label", ["nist", "msr", "bosaris", "kaldi"]),
        ("{label} {model} {test}", "label model test", ["voxceleb"]),
        ("{test} {model}", "test model ...", ["nist", "msr", "bosaris", "kaldi", "alize"]),
        ("F {model} 1 {test} 0.5", "- model - test score", ["alize"]),
    ],
)
def test_a_format_that_is_named_and_is_another_is_refused(write, tmp_path, line, told, fits):
    source = write("list", text_of(line))
    options = Options(trials=write("key", text_of("{model} {test} {label}")))
    for name in ("nist", "voxceleb", "msr", "bosaris", "kaldi", "alize"):
        if name in fits:
            convert(source, tmp_path / "out.csv", source_format=name, options=options)
            continue
        message = f"list: not in the format {name}: a line of it is {told!r}; leave --from away"
        if told.endswith("..."):
            message = f"list: not in the format {name}: a line of it is 'model test'; leave --from"
        with pytest.raises(ManifestError, match=re.escape(message)):
            convert(source, tmp_path / "out.csv", source_format=name, options=options)


def test_nists_header_may_begin_with_the_label(write, tmp_path):
    source = write("key.tsv", "targettype modelid segmentid\ntarget m1 t1\n")
    convert(source, tmp_path / "out.csv", source_format="nist")
    with pytest.raises(ManifestError, match="not in the format voxceleb: a line of it is 'label"):
        convert(source, tmp_path / "out.csv", source_format="voxceleb")


def test_labels_follow_from_who_speaks_where_that_is_known(write, tmp_path):
    source = write("index", "id1/x/1.wav id1/y/1.wav\nid1/x/1.wav id2/z/1.wav\n")
    done = convert(source, tmp_path / "lists", options=Options())
    assert read_back(tmp_path / "lists")[1].trials.is_target.tolist() == [True, False]
    assert "the list has no labels; they follow from who speaks" in done.notes


def test_trials_alone_are_a_table_or_another_list(write, tmp_path):
    source = write("trials", text_of("{test} {model} {label}"))
    convert(source, tmp_path / "trials.csv")
    trials = read_trial_labels(tmp_path / "trials.csv")
    rows = [(*trials.pair(i), bool(trials.is_target[i])) for i in range(len(trials))]
    assert rows == TRIALS
    convert(tmp_path / "trials.csv", tmp_path / "nist", target_format="nist")
    assert (tmp_path / "nist").read_text() == text_of("{model} {test} {label}")
    convert(source, tmp_path / "bosaris", target_format="bosaris")
    assert (tmp_path / "bosaris/key.txt").read_text() == text_of("{model} {test} {label}")


def test_trials_without_labels_are_no_key(write, tmp_path):
    with pytest.raises(ManifestError, match="the trials have no labels; give a list of the same"):
        convert(write("index", "m1 t1\nm1 t2\n"), tmp_path / "out", target_format="nist")
    source = write("trials.csv", "model_id,test_id\nm1,t1\nm1,t2\n")
    options = Options(trials=write("key", "m1 t2 target\nm1 t1 nontarget\n"))
    convert(source, tmp_path / "out", target_format="nist", options=options)
    assert (tmp_path / "out").read_text() == "m1 t1 nontarget\nm1 t2 target\n"


def test_stars_stand_for_nobody_by_themselves(write, tmp_path):
    source = write("trials.csv", "model_id,test_id,label\n*,t,target\n")
    with pytest.raises(
        ManifestError, match="model_id is '\\*'; expected one id: without enrollment"
    ):
        convert(source, tmp_path / "nist", target_format="nist")


def test_trials_of_our_own_lists_may_come_from_elsewhere(write, tmp_path):
    write(
        "lists/utterances.csv", "utterance_id,speaker_id,path\na1,a,1.wav\na2,a,2.wav\nb1,b,3.wav\n"
    )
    trials = write("trials", "m a2 target\nm b1 nontarget\n")
    models = write("models", "m a1\n")
    options = Options(trials=trials, enroll=models, split="test")
    convert(tmp_path / "lists", tmp_path / "new", options=options)
    utterances, protocol = read_back(tmp_path / "new", "test")
    assert utterances["a1"].path == tmp_path / "lists/1.wav"
    assert protocol.enrollment == {"m": ("a1",)}
    done = convert(tmp_path / "new", tmp_path / "list", target_format="nist")
    assert (tmp_path / "list").read_text() == trials.read_text()
    assert done.lost == (
        "utterances, and what makes a model or a test: a list of trials has their ids alone",
    )


def test_further_columns_of_our_own_trials_stay(write, tmp_path):
    write("lists/utterances.csv", "utterance_id,speaker_id,path\na1,a,1.wav\nb1,b,3.wav\n")
    write("lists/test/enrollment.csv", "model_id,utterance_id\nm,a1\n")
    write("lists/test/tests.csv", "test_id,utterance_id\nt,b1\n")
    trials = write(
        "lists/test/trials.csv", "model_id,test_id,label,language\nm,t,nontarget,Tagalog\n"
    )
    done = convert(tmp_path / "lists", tmp_path / "new")
    assert (tmp_path / "new/test/trials.csv").read_text() == trials.read_text()
    assert done.lost == ()
    done = convert(tmp_path / "lists", tmp_path / "list", target_format="nist")
    assert done.lost[-1] == "columns of the trials beside ids and labels: language"


def test_a_model_is_of_one_speaker(write, tmp_path):
    write(
        "lists/utterances.csv", "utterance_id,speaker_id,path\na1,a,1.wav\na2,a,2.wav\nb1,b,3.wav\n"
    )
    options = Options(trials=write("t", "m a2 target\n"), enroll=write("models", "m a1 b1\n"))
    with pytest.raises(ManifestError, match="model 'm' is made of speakers 'a' and 'b'"):
        convert(tmp_path / "lists", tmp_path / "new", options=options)


def test_models_without_enrollment_are_named(write, tmp_path):
    options = Options(enroll=write("models", "m1 a\n"))
    with pytest.raises(ManifestError, match="names what is not in the enrollment list: model 'm2'"):
        convert(write("t", "m1 b target\nm2 b nontarget\n"), tmp_path / "new", options=options)
    for options in (Options(enroll=tmp_path / "nothing"), Options(trials=tmp_path / "nothing")):
        with pytest.raises(MissingError, match="nothing: no such file or folder"):
            convert(write("t", "m1 b target\n"), tmp_path / "new", options=options)


# --- out of our lists ---


@pytest.fixture
def lists(write, tmp_path):
    """Lists of two splits with trials, one of which has a segment."""
    write("lists/utterances.csv",
          "utterance_id,speaker_id,path,start_s,end_s,split\na1,a,1.wav,,,background\n"
          "b1,b,b/1.wav,,,\nb2,b,b/2.wav,,,\nc1,c,c.wav,1,2,\n")  # fmt: skip
    for split, member, test in (("one", "b1", "b2"), ("two", "b1", "c1")):
        write(f"lists/{split}/enrollment.csv", f"model_id,utterance_id\nm,{member}\n")
        write(f"lists/{split}/tests.csv", f"test_id,utterance_id\nm,{test}\n")
        write(f"lists/{split}/trials.csv", "model_id,test_id,label\n*,*,\n")
    return tmp_path / "lists"


@pytest.mark.parametrize("target", ["voxceleb", "nist", "alize", "msr", "bosaris"])
def test_a_list_of_trials_is_of_one_split(lists, tmp_path, target):
    with pytest.raises(ManifestError, match="there are trials of one, two; name one with --split"):
        convert(lists, tmp_path / "out", target_format=target)
    with pytest.raises(
        ManifestError, match="there are no trials of 'three'; expected one of: none"
    ):
        convert(lists, tmp_path / "out", target_format=target, options=Options(split="three"))
    for split in ("one", "two"):
        for file in (lists / split).iterdir():
            file.unlink()
    with pytest.raises(
        ManifestError, match=r"there are no trials, and .* is nothing else; give --tr"
    ):
        convert(lists, tmp_path / "out", target_format=target)


def test_models_and_tests_of_one_name_keep_their_files(lists, tmp_path):
    options = Options(split="one")
    done = convert(lists, tmp_path / "out", target_format="voxceleb", options=options)
    assert (tmp_path / "out").read_text() == "1 b/1.wav b/2.wav\n"
    assert done.lost == (
        "ids of models, tests, utterances and speakers: all are called by their files",
    )


def test_a_file_is_whole_in_voxcelebs_list(lists, tmp_path, write):
    with pytest.raises(
        ManifestError, match=r"utterance 'c1' is a part of .*c.wav; a VoxCeleb list"
    ):
        convert(lists, tmp_path / "o", target_format="voxceleb", options=Options(split="two"))
    write("lists/two/enrollment.csv", "model_id,utterance_id\nm,b1\nm,b2\n")
    with pytest.raises(
        ManifestError, match="a VoxCeleb list has one utterance for each model; the"
    ):
        convert(lists, tmp_path / "o", target_format="voxceleb", options=Options(split="two"))


def test_background_and_losses_of_feature_file_lists(lists, tmp_path):
    for target, file in (("alize", "UBM.lst"), ("msr", "ubm.lst")):
        options = Options(split="two")
        done = convert(lists, tmp_path / target, target_format=target, options=options)
        assert (tmp_path / target / file).read_text() == "a1\n"
        assert any(lost.startswith("segments (name the files of audio or") for lost in done.lost)
        assert any(lost.startswith("speakers, and where the recordings") for lost in done.lost)


def test_segments_that_begin_with_their_recordings_are_lost_too(write, tmp_path):
    rows = "a,s,a.wav,,\nb,s,b.wav,,2.5\nc,s,c.wav,1.5,\n"
    write("lists/utterances.csv", f"utterance_id,speaker_id,path,start_s,end_s\n{rows}")
    write("lists/evaluation/enrollment.csv", "model_id,utterance_id\na,a\n")
    write("lists/evaluation/tests.csv", "test_id,utterance_id\nb,b\nc,c\n")
    write("lists/evaluation/trials.csv", "model_id,test_id,label\na,b,target\na,c,target\n")
    done = convert(tmp_path / "lists", tmp_path / "msr", target_format="msr")
    assert any(") of 2 utterances: no place for them in the Id" in lost for lost in done.lost)


@pytest.fixture
def calls(write, tmp_path):
    """Lists of two sides of one call."""
    write("calls/utterances.csv",
          "utterance_id,speaker_id,path,channel\nc_a,a,c.sph,0\nc_b,b,c.sph,1\n"
          "d_a,a,d.sph,0\n")  # fmt: skip
    write("calls/e/enrollment.csv", "model_id,utterance_id\nm,c_a\n")
    write("calls/e/tests.csv", "test_id,utterance_id\nd_a,d_a\n")
    write("calls/e/trials.csv", "model_id,test_id,label\n*,*,\n")
    return tmp_path / "calls"


@pytest.mark.parametrize("target", ["voxceleb", "alize", "msr"])
def test_channels_are_listed_as_lost(calls, tmp_path, target):
    done = convert(calls, tmp_path / "out", target_format=target)
    assert any(re.match("channels of [23] utterances: ", lost) for lost in done.lost)


def test_channels_of_one_recording_do_not_become_one_file(calls, tmp_path, write):
    write("calls/e/tests.csv", "test_id,utterance_id\nd_a,d_a\nc_b,c_b\n")
    expected = r"utterances 'c_a' and 'c_b' are channels of .*c.sph; a VoxCeleb list names whole"
    with pytest.raises(ManifestError, match=expected):
        convert(calls, tmp_path / "out", target_format="voxceleb")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("target", "last"), [("alize", "computetest_gmm_target-seg.ndx"), ("msr", "trials.lst")]
)
def test_work_that_is_cut_short_leaves_no_older_trials(lists, tmp_path, monkeypatch, target, last):
    place, options = tmp_path / "out", Options(split="one")
    convert(lists, place, target_format=target, options=options)
    assert (place / last).exists()

    def stop(utterances):
        yield "a1"
        raise KeyboardInterrupt

    monkeypatch.setattr("speakergmm.corpora.formats.trial_writers.pooled_lines", stop)
    monkeypatch.setattr("speakergmm.corpora.formats.trial_writers.single_lines", stop)
    with pytest.raises(KeyboardInterrupt):
        convert(lists, place, target_format=target, options=options)
    assert not (place / last).exists()
    # What was cut short may be written again.
    monkeypatch.undo()
    convert(lists, place, target_format=target, options=options)
    assert (place / last).exists()


def test_a_list_that_is_cut_short_stays_as_it_was(write, tmp_path):
    class Labels(tuple):
        def __getitem__(self, is_target):
            raise KeyboardInterrupt

    trials = read_trial_list(write("t", text_of("{model} {test} {label}"))).trials
    out = write("out/trials", "of old")
    with pytest.raises(KeyboardInterrupt):
        write_trial_lines(out, trials, LineForm("{} {} {}\n", Labels(), "begun\n"))
    assert out.read_text() == "of old"
    assert list(out.parent.iterdir()) == [out]


def test_names_with_blanks_are_refused_before_anything_is_written(lists, tmp_path, write):
    write("lists/one/enrollment.csv", "model_id,utterance_id\nm n,b1\n")
    for target in ("nist", "alize", "msr", "bosaris", "kaldi"):
        with pytest.raises(ManifestError, match=r"parts names at blanks.*: model 'm n'"):
            convert(lists, tmp_path / "out", target_format=target, options=Options(split="one"))
        assert not (tmp_path / "out").exists()


def test_two_tests_of_one_utterance_cannot_be_told_apart(lists, tmp_path, write):
    write("lists/one/tests.csv", "test_id,utterance_id\nt1,b2\nt2,b2\n")
    expected = "ALIZE's lists: tests are called by their utterances, and two are of 'b2'"
    with pytest.raises(ManifestError, match=expected):
        convert(lists, tmp_path / "out", target_format="alize", options=Options(split="one"))


IDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=4).filter(
    lambda name: not name.isdigit() and len(name.split()) == 1
)


@given(
    pairs=st.dictionaries(st.tuples(IDS, IDS), st.booleans(), min_size=1, max_size=12),
    order=st.permutations(["model", "test", "label"]),
    words=st.sampled_from(WORDS),
    separator=st.sampled_from([" ", "\t", ",", ", ", "  "]),
)
def test_any_trials_read_as_they_were_written(tmp_path_factory, pairs, order, words, separator):
    line = separator.join(f"{{{name}}}" for name in order)
    trials = [(model, test, label) for (model, test), label in pairs.items()]
    path = tmp_path_factory.mktemp("any") / "trials"
    path.write_text(text_of(line, words, trials), encoding="utf-8")
    found = read_trial_list(path, form=named_form(path, " ".join(order)))
    assert rows_of(found) == trials


def test_long_lists_read_as_short_ones(write):
    rng = random.Random(1)
    pairs = {(f"speaker/{rng.randrange(90)}", f"test/{i}"): rng.random() < 0.5 for i in range(9000)}
    trials = [(model, test, label) for (model, test), label in pairs.items()]
    text = text_of("{model} {test} {label}", trials=trials)
    assert rows_of(read_trial_list(write("long", text))) == trials
    # A blank line and one of several blanks send a block the slow way.
    spoiled = text.replace("\n", "\n\n", 1).replace(" ", "   ", 1)
    assert rows_of(read_trial_list(write("spoiled", spoiled))) == trials


@pytest.mark.parametrize(
    "text", ["m t trial\na b target\na c target\n", "m t s\na b 1.5\na c 2.5\n"]
)
def test_a_header_of_words_that_are_not_known_is_guessed_at(write, text):
    with pytest.raises(ManifestError, match=r"t:1: (label|score) is .*\nif line 1 is a header"):
        read_trial_list(write("t", text))
    with pytest.raises(ManifestError) as caught:
        read_trial_list(write("t", text.replace("a c", "a")))
    assert "if line 1" not in str(caught.value)


def test_an_empty_name_between_commas_is_none(write):
    empty = r"a name is empty \(two commas, or one at the end\); expected"
    with pytest.raises(ManifestError, match=f"t.ndx:2: {empty} TEST MODEL"):
        read_trial_list(write("t.ndx", "t1,m1,m2\nt2,m1,\n"))
    with pytest.raises(ManifestError, match=f"models:1: {empty} MODEL UTTERANCE"):
        read_enrollment_list(write("models", "m1,u1,,u2\nm2,u3,u4,u5\n"))
    models = write("models", "modelid,segmentid,sex\nm1,u1,\n")
    assert read_enrollment_list(models).pools == {"m1": ("u1",)}
