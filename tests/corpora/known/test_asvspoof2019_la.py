from __future__ import annotations

import shutil

import pytest
from miniatures.asvspoof2019_la import build
from miniatures.files import touch, write

from speakergmm.corpora import read_utterances
from speakergmm.corpora.classes import read_class_split
from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.asvspoof2019_la import CLASSES, PARTS, PROTOCOLS
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError


@pytest.fixture
def copy(tmp_path):
    return build(tmp_path)


@pytest.mark.parametrize("given", ["LA", ""])
def test_lists_are_what_the_protocol_promises(copy, given, tmp_path):
    corpus = copy.parent / given
    prepared = prepare_corpus(known_corpus("asvspoof2019_la"), corpus, tmp_path / "lists")
    assert [(c.split, c.speakers, c.utterances) for c in prepared.splits] == [
        ("background", 3, 18), ("development", 3, 18), ("evaluation", 3, 18),
    ]  # fmt: skip
    evaluation = prepared.splits[2]
    assert (evaluation.models, evaluation.tests) == (1, 18)
    assert (evaluation.target, evaluation.nontarget) == (6, 12)
    utterances = read_utterances(tmp_path / "lists" / "utterances.csv", corpus)
    assert utterances["LA_T_1000792"].condition == "spoof"
    assert utterances["LA_T_1000792"].session_id == "A01"
    protocol = read_class_split(tmp_path / "lists", "evaluation", utterances, CLASSES)
    assert len(protocol.tests) == 18
    assert int(protocol.trials.is_target.sum()) == 6
    assert not (tmp_path / "lists/evaluation/enrollment.csv").exists()


def test_what_is_missing_is_named(copy):
    (copy / PROTOCOLS / PARTS["dev"][1]).unlink()
    with pytest.raises(ManifestError, match=r"LA.cm.dev.trl.txt: missing \(ASVspoof2019"):
        known_corpus("asvspoof2019_la").scan(copy)


def test_another_part_is_not_taken_for_a_slip_of_the_missing_one(copy):
    shutil.rmtree(copy / "ASVspoof2019_LA_dev")
    there = "_LA_cm_protocols, ASVspoof2019_LA_eval, ASVspoof2019_LA_train there"
    with pytest.raises(ManifestError, match=rf"LA_dev: missing \(ASVspoof2019{there}\); expected"):
        known_corpus("asvspoof2019_la").scan(copy)


def test_a_folder_of_recordings_that_is_missing(copy):
    (copy / "ASVspoof2019_LA_eval").rename(copy / "ASVspoof2019_LA_evl")
    with pytest.raises(ManifestError, match=r"LA_eval: missing, but .*: is it misnamed"):
        known_corpus("asvspoof2019_la").scan(copy)


def test_a_wrong_line_is_named(copy):
    write(copy, f"{PROTOCOLS}/{PARTS['train'][1]}", "LA_0079 LA_T_1 bonafide\n")
    with pytest.raises(ManifestError, match=r"trn.txt:1: 'LA_0079 LA_T_1 bonafide'; expected SPE"):
        known_corpus("asvspoof2019_la").scan(copy)


def test_listed_files_that_are_not_there_are_said(copy):
    next((copy / "ASVspoof2019_LA_dev/flac").iterdir()).unlink()
    (note,) = known_corpus("asvspoof2019_la").scan(copy).notes
    assert note.startswith("1 without recording in dev: LA_D_")


def test_a_part_without_recordings_is_named(copy):
    for recording in (copy / "ASVspoof2019_LA_eval/flac").iterdir():
        recording.unlink()
    with pytest.raises(
        ManifestError,
        match=r"LA_eval: none of the 18 recordings of ASVspoof2019.LA.cm.eval.trl.txt is there, "
        r"such as LA_E_1000010; expected ASVspoof2019_LA_eval/flac/.*: unpack that part",
    ):
        known_corpus("asvspoof2019_la").scan(copy)


def test_recordings_that_no_list_names_are_said(copy):
    touch(copy, [f"ASVspoof2019_LA_{part}/flac/LA_X_{number}.flac" for part in ("dev", "eval")
                 for number in (1, 2)])  # fmt: skip
    found = known_corpus("asvspoof2019_la").scan(copy)
    assert len(found.utterances) == 54
    assert found.notes == tuple(
        f"2 left out: not in ASVspoof2019.LA.cm.{part}.trl.txt, as those that enroll for speaker "
        "verification, such as LA_X_1"
        for part in ("dev", "eval")
    )


def test_parts_that_share_speakers_are_refused_and_nothing_is_written(copy, tmp_path):
    table = copy / PROTOCOLS / PARTS["eval"][1]
    table.write_text(table.read_text().replace("LA_0001 ", "LA_0079 "))
    with pytest.raises(
        ManifestError,
        match=r"LA: 1 speaker would be in several splits, such as 'LA_0079' in background and "
        r"evaluation; expected each in one: the tables",
    ):
        prepare_corpus(known_corpus("asvspoof2019_la"), copy, tmp_path / "lists")
    assert not (tmp_path / "lists").exists()
