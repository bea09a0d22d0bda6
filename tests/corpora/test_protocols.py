"""The lists of one split, read together."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from speakergmm.corpora import Utterance, all_against_all, read_protocol, read_split
from speakergmm.errors import ManifestError

ENROLLMENT = "model_id,utterance_id\nann,a1\nann,a2\nbob,b1\n"
TESTS = "test_id,utterance_id\nt1,a3\nt2,b2\nt3,z1\n"
TRIALS = "model_id,test_id,label\nann,t1,target\nann,t3,nontarget\nbob,t2,target\n"


@pytest.fixture
def split(write):
    """Write the three lists of a split, with some of them replaced; give the folder of splits."""

    def write_split(enrollment=ENROLLMENT, tests=TESTS, trials=TRIALS):
        for name, text in (("enrollment", enrollment), ("tests", tests), ("trials", trials)):
            path = write(f"lists/development/{name}.csv", text)
        return path.parent.parent

    return write_split


def test_a_split_is_its_three_lists(split, utterances):
    protocol = read_split(split(), "development", utterances)
    assert protocol.enrollment == {"ann": ("a1", "a2"), "bob": ("b1",)}
    assert protocol.tests == {"t1": ("a3",), "t2": ("b2",), "t3": ("z1",)}
    assert protocol.model_speakers == {"ann": "ann", "bob": "bob"}
    assert protocol.test_speakers == {"t1": "ann", "t2": "bob", "t3": "zoë"}
    assert protocol.trials.is_target.tolist() == [True, False, True]


def test_without_a_trial_list_every_model_meets_every_test(split, utterances):
    place = split(trials="model_id,test_id,label\n*,*,\n") / "development"
    lists = place / "enrollment.csv", place / "tests.csv"
    without = read_protocol(*lists, None, utterances)
    starred = read_protocol(*lists, place / "trials.csv", utterances)
    by_hand = all_against_all(without.model_speakers, without.test_speakers)
    for trials in (starred.trials, by_hand):
        assert trials.model_ids == without.trials.model_ids
        assert trials.test_ids == without.trials.test_ids
        np.testing.assert_array_equal(trials.is_target, without.trials.is_target)
    assert len(without.trials) == 6
    assert int(without.trials.is_target.sum()) == 2


@pytest.mark.parametrize("name", ["enrollment", "tests", "trials"])
def test_a_missing_list_is_named(split, utterances, name):
    folder = split()
    path = folder / "development" / f"{name}.csv"
    path.unlink()
    with pytest.raises(ManifestError, match=re.escape(f"{path}: no such file")):
        read_split(folder, "development", utterances)


def test_a_missing_split_is_named_by_its_first_list(split, utterances):
    folder = split()
    message = re.escape(f"{folder / 'evaluation' / 'enrollment.csv'}: no such file")
    with pytest.raises(ManifestError, match=message):
        read_split(folder, "evaluation", utterances)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (
            {"enrollment": ENROLLMENT + "ann,b2\n"},
            "enrollment.csv:5: model_id 'ann' pools utterances of different speakers",
        ),
        ({"tests": TESTS + "t4,b9\n"}, "tests.csv:5: unknown utterance_id 'b9'"),
        ({"trials": TRIALS + "eve,t1,nontarget\n"}, "trials.csv:5: unknown model_id 'eve'"),
        ({"trials": TRIALS + "ann,t2,target\n"}, "trials.csv:5: label is 'target', but model"),
    ],
)
def test_lists_are_checked_against_each_other(split, utterances, lists, message):
    folder = split(**lists)
    with pytest.raises(ManifestError, match=re.escape(message)):
        read_split(folder, "development", utterances)


def test_test_speech_that_enrolled_the_model_is_refused(tmp_path):
    utterances = {f"u{i}": Utterance(f"u{i}", f"s{i // 2}", Path("x")) for i in range(4)}
    (tmp_path / "enrollment.csv").write_text("model_id,utterance_id\nm0,u0\nm1,u2\n")
    (tmp_path / "tests.csv").write_text("test_id,utterance_id\nt0,u0\nt1,u3\n")
    lists = tmp_path / "enrollment.csv", tmp_path / "tests.csv"
    with pytest.raises(
        ManifestError, match="test 't0' has utterance 'u0', which enrolls model 'm0"
    ):
        read_protocol(*lists, None, utterances)
    # On both sides of the list, but never against itself: a list of verification pairs.
    (tmp_path / "trials.csv").write_text("model_id,test_id,label\nm1,t0,nontarget\n")
    assert len(read_protocol(*lists, tmp_path / "trials.csv", utterances).trials) == 1
