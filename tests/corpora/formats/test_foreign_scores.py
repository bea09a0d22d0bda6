"""Scores of other toolkits, and ours for them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from speakergmm.corpora import read_scores
from speakergmm.corpora.formats import Options, convert
from speakergmm.corpora.formats.trial_lists import read_trial_list
from speakergmm.errors import ConfigError, ManifestError, MissingError, OutputError

KEY = "m1 t1 target\nm1 t2 nontarget\nm2 t1 nontarget\nm2 t2 target\n"
SCORES = "m1 t1 1.5\nm1 t2 -0.25\nm2 t1 -3.0\nm2 t2 1e-05\n"
VALUES = [1.5, -0.25, -3.0, 1e-05]
OURS = (
    "model_id,test_id,label,score\n"
    "m1,t1,target,1.5\nm1,t2,nontarget,-0.25\nm2,t1,nontarget,-3.0\nm2,t2,target,1e-05\n"
)


@pytest.mark.parametrize(
    "text",
    [
        SCORES,
        SCORES.replace(" ", "\t"),
        "modelid\tsegmentid\tside\tLLR\n"
        + re.sub(r" (\S+)\n", r" a \1\n", SCORES).replace(" ", "\t"),
        re.sub(r"(\S+) (\S+) (\S+)\n", r"F \1 1 \2 \3\n", SCORES),
        re.sub(r"(\S+) (\S+) (\S+)\n", r"\3 \1 \2\n", SCORES),
    ],
    ids=["blanks", "tabs", "NIST's evaluations", "ALIZE's results", "score first"],
)
def test_scores_with_a_key(write, tmp_path, text):
    source = write("scores.txt", text)
    options = Options(trials=write("key.txt", KEY))
    convert(source, tmp_path / "scores.csv", options=options)
    assert (tmp_path / "scores.csv").read_text() == OURS


def test_scores_whose_list_has_the_labels(write, tmp_path):
    lines = zip(SCORES.splitlines(), KEY.split("\n"), strict=False)
    source = write("scores.txt", "".join(f"{s} {k.split()[2]}\n" for s, k in lines))
    done = convert(source, tmp_path / "scores.csv")
    assert done.read_as == "scores, model test score label"
    assert (tmp_path / "scores.csv").read_text() == OURS


def test_whole_numbers_are_scores_too_where_there_are_two_names_before(write):
    found = read_trial_list(write("s", "1001 2001 3\n1002 2002 5\n"))
    assert found.score.tolist() == [3, 5]
    assert found.trials.model_ids == ("1001", "1002")


def test_a_key_the_other_way_round(write, tmp_path):
    key = "".join(f"{t} {m} {label}\n" for m, t, label in map(str.split, KEY.splitlines()))
    options = Options(trials=write("key.txt", key))
    done = convert(write("scores.txt", SCORES), tmp_path / "scores.csv", options=options)
    assert (tmp_path / "scores.csv").read_text() == OURS
    assert done.notes[-1].endswith(
        "key.txt: the second of the two names is the model, as known ids say"
    )


def test_a_key_with_a_header_says_which_of_two_names_is_the_model(write, tmp_path):
    turned = "".join(f"{t} {m} {score}\n" for m, t, score in map(str.split, SCORES.splitlines()))
    options = Options(trials=write("key.txt", f"modelid segmentid targettype\n{KEY}"))
    done = convert(write("scores.txt", turned), tmp_path / "scores.csv", options=options)
    assert (tmp_path / "scores.csv").read_text() == OURS
    assert done.notes == ("the second of the two names is the model, as known ids say",)


def test_headers_that_contradict_each_other_are_said(write, tmp_path):
    options = Options(trials=write("key.txt", f"segmentid modelid targettype\n{KEY}"))
    source = write("scores.txt", f"modelid segmentid LLR\n{SCORES}")
    done = convert(source, tmp_path / "scores.csv", options=options)
    assert (tmp_path / "scores.csv").read_text() == OURS
    assert "has model and test the other way round than" in done.notes[-1]


def test_a_key_of_other_trials_is_refused(write, tmp_path):
    source = write("scores.txt", SCORES)
    options = Options(trials=write("key.txt", KEY.replace("m2 t2 target\n", "")))
    with pytest.raises(
        ManifestError, match=r"1 score is of no trial in .*key.txt, such as m2 with t2"
    ):
        convert(source, tmp_path / "scores.csv", options=options)
    options = Options(trials=write("key.txt", "m1 t1\nm1 t2\n"))
    with pytest.raises(
        ManifestError, match=r"key.txt: has no labels; expected a list of trials that"
    ):
        convert(source, tmp_path / "scores.csv", options=options)
    with pytest.raises(
        ManifestError, match="the scores have no labels; give the list of trials that"
    ):
        convert(source, tmp_path / "scores.csv")
    assert not (tmp_path / "scores.csv").exists()


def test_scores_that_are_none_or_stand_there_twice(write):
    lines = "".join(f"m{i} t{i} {i / 7}\n" for i in range(2500))
    with pytest.raises(ManifestError, match="s:2501: score is 'n/a'; expected a number"):
        read_trial_list(write("s", f"{lines}m t n/a\n"))
    with pytest.raises(ManifestError, match="s:2501: score is 'nan'; expected a number"):
        read_trial_list(write("s", f"{lines}m t nan\n"))
    with pytest.raises(
        ManifestError, match="s:2: trial m t has another label or score than in line 1"
    ):
        read_trial_list(write("s", "m t 1.5\nm t 1.25\n"))
    found = read_trial_list(write("s", "m t 1.5\nm t 1.5\nm u inf\n"))
    assert found.score.tolist() == [1.5, np.inf]


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ("nan", "score is 'nan'; expected a number"),
        ("1e400", "score is '1e400'; expected a number within 1.7e308, or inf"),
        ("-1e309", "score is '-1e309'; expected a number within 1.7e308, or inf"),
        ("abc", "score is 'abc'; expected a number"),
        ("1,5", "score is '1,5'; expected a number with a decimal point, such as 1.5"),
        ("", "2 names in the line; expected 3: model test score"),
    ],
)
def test_one_score_that_is_none_is_named(write, score, message):
    with pytest.raises(ManifestError, match=f"s:2: {message}"):
        read_trial_list(write("s", SCORES.replace("-0.25", score)))


def test_scores_with_decimal_commas_are_told_to_be_that(write):
    with pytest.raises(ManifestError, match="s:1: score is '1,5'; expected a number with a decim"):
        read_trial_list(write("s", SCORES.replace(".", ",")))


# --- what our lists say beside it ---


TOLD = """\
model_id,test_id,label,score,llr,model_speaker,test_speaker,sex
m1,t1,target,1.5,2.5,ann,ann,f
m1,t2,nontarget,-0.25,-1.5,ann,bob,m
m2,t2,nontarget,0.5,0.25,,bob,m
"""


def test_who_speaks_and_further_columns_stay_in_our_own_scores(write, tmp_path):
    convert(write("scores.csv", TOLD), tmp_path / "new.csv")
    assert (tmp_path / "new.csv").read_text() == TOLD


def test_a_key_of_ours_brings_who_speaks(write, tmp_path):
    rows = [line.split(",") for line in TOLD.splitlines()]
    key = write("key.csv", "".join(f"{','.join(r[:3] + r[5:])}\n" for r in rows))
    source = write("scores.txt", "".join(f"{r[0]} {r[1]} {r[3]}\n" for r in rows[1:]))
    done = convert(source, tmp_path / "scores.csv", options=Options(trials=key))
    expected = "".join(f"{','.join(r[:4] + r[5:])}\n" for r in rows)
    assert (tmp_path / "scores.csv").read_text() == expected
    assert done.lost == ()
    convert(key, tmp_path / "trials.csv")
    assert (tmp_path / "trials.csv").read_text() == key.read_text()


@pytest.mark.parametrize("form", ["nist", "sre", "bosaris"])
def test_columns_that_other_lists_cannot_have_are_said(write, tmp_path, form):
    done = convert(write("scores.csv", TOLD), tmp_path / "out", target_format=form)
    text = "columns of the trials beside ids and labels: model_speaker, test_speaker, sex"
    assert done.lost[-1] == text


# --- out ---


@pytest.fixture
def ours(write):
    """A score file of ours with ratios."""
    lines = OURS.splitlines()
    ratios = ["llr", "0.1", "-0.2", "-inf", "1e-07"]
    rows = (f"{line},{llr}\n" for line, llr in zip(lines, ratios, strict=True))
    return write("scores.csv", "".join(rows))


def test_plain_scores_and_back(write, tmp_path):
    source = write("scores.csv", OURS)
    convert(source, tmp_path / "scores.txt", target_format="nist")
    assert (tmp_path / "scores.txt").read_text() == SCORES
    options = Options(trials=source)
    convert(tmp_path / "scores.txt", tmp_path / "back.csv", options=options)
    assert (tmp_path / "back.csv").read_text() == OURS


def test_ratios_are_written_unless_scores_are_wanted(ours, tmp_path):
    done = convert(ours, tmp_path / "llr.txt", target_format="nist")
    assert (tmp_path / "llr.txt").read_text().split()[2::3] == ["0.1", "-0.2", "-inf", "1e-07"]
    assert done.lost == (
        "score: the calibrated llr were written; --value score takes the others",
        "labels: write the trials beside it",
    )
    options = Options(value="score")
    done = convert(ours, tmp_path / "raw.txt", target_format="nist", options=options)
    assert (tmp_path / "raw.txt").read_text() == SCORES
    assert done.lost[0] == "llr: the scores were written (--value score)"


def test_nists_evaluations_since_2016(ours, tmp_path):
    done = convert(ours, tmp_path / "out.tsv", target_format="sre")
    assert (tmp_path / "out.tsv").read_text() == (
        "modelid\tsegmentid\tside\tLLR\n"
        "m1\tt1\ta\t0.1\nm1\tt2\ta\t-0.2\nm2\tt1\ta\t-inf\nm2\tt2\ta\t1e-07\n"
    )
    assert done.lost[1:] == ("labels: NIST keeps them in a key",)
    assert done.notes == ("the side of each segment was taken to be a",)


def test_bosaris_and_back(write, tmp_path):
    done = convert(write("scores.csv", OURS), tmp_path / "bosaris", target_format="bosaris")
    assert (tmp_path / "bosaris/scores.txt").read_text() == SCORES
    assert (tmp_path / "bosaris/key.txt").read_text() == KEY
    assert done.lost == ()
    assert done.counts == {"models": 2, "tests": 2, "target trials": 2, "nontarget trials": 2}
    options = Options(trials=tmp_path / "bosaris/key.txt")
    convert(tmp_path / "bosaris/scores.txt", tmp_path / "back.csv", options=options)
    assert (tmp_path / "back.csv").read_text() == OURS


def test_scores_without_labels_of_ours_need_them_only_here(write, tmp_path):
    lines = (line.split(",") for line in OURS.splitlines())
    source = write("scores.csv", "".join(f"{m},{t},{s}\n" for m, t, _, s in lines))
    done = convert(source, tmp_path / "out", target_format="bosaris")
    assert done.counts == {"models": 2, "tests": 2, "trials without labels": 4}
    assert not (tmp_path / "out/key.txt").exists()
    options = Options(trials=write("key", KEY))
    convert(source, tmp_path / "labelled.csv", options=options)
    assert read_scores(tmp_path / "labelled.csv").score.tolist() == VALUES


def test_names_with_blanks_are_refused(write, tmp_path):
    source = write("scores.csv", OURS.replace("m1", "m 1"))
    for target in ("nist", "sre", "bosaris"):
        with pytest.raises(
            ManifestError, match=r"a list of scores parts names at blanks.*model 'm 1'"
        ):
            convert(source, tmp_path / "out", target_format=target)
        assert not (tmp_path / "out").exists()


# --- formats ---


def test_formats_that_do_not_fit(write, tmp_path):
    source = write("scores.csv", OURS)
    with pytest.raises(
        ConfigError, match="scores cannot be written as 'kaldi'; expected speakergmm, "
    ):
        convert(source, tmp_path / "out", target_format="kaldi")
    with pytest.raises(
        ConfigError, match="unknown format 'matlab'; expected speakergmm, nist, sre"
    ):
        convert(source, tmp_path / "out", target_format="matlab")
    with pytest.raises(
        ManifestError, match=r"scores.csv: not in the format lhotse: a line of it is 'model te"
    ):
        convert(source, tmp_path / "out", source_format="lhotse")
    with pytest.raises(MissingError, match="nothing: no such file or folder"):
        convert(tmp_path / "nothing", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ManifestError,
        match=r"empty: no lists that are known; expected a folder with .* of BOSARIS, ALIZE and "
        r"the Identity Toolbox the list itself",
    ):
        convert(tmp_path / "empty", tmp_path / "out")


def test_nothing_that_is_read_is_written_over(write, tmp_path):
    source, key = write("scores.txt", SCORES), write("bosaris/key.txt", KEY)
    options = Options(trials=key)
    with pytest.raises(OutputError, match=r"scores.txt: is read here, and would be written over"):
        convert(source, source, options=options)
    with pytest.raises(OutputError, match=r"key.txt: is read here, and would be written over"):
        convert(source, tmp_path / "bosaris", target_format="bosaris", options=options)
    assert key.read_text() == KEY
