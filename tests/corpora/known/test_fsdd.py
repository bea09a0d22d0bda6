from __future__ import annotations

import dataclasses

import pytest
from corpus_copies import check_lists
from miniatures.files import touch, write
from miniatures.fsdd import build, recordings

from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError

SPLITS = [("background", 2), ("development", 2), ("evaluation", 2)]


@pytest.fixture
def copy(tmp_path):
    return build(tmp_path)


def test_lists_are_what_the_protocol_promises(copy, tmp_path):
    touch(copy, recordings(50))
    prepared = prepare_corpus(known_corpus("fsdd"), copy, tmp_path / "lists")
    assert prepared.n_utterances == 3000
    assert [(c.split, c.speakers) for c in prepared.splits] == SPLITS
    assert [(c.target, c.nontarget) for c in prepared.splits] == [(0, 0), (72, 72), (72, 72)]
    assert prepared.notes == ()
    protocols = check_lists(tmp_path / "lists", copy, prepared)
    assert {len(pool) for pool in protocols["evaluation"].enrollment.values()} == {20}
    assert {len(pool) for pool in protocols["evaluation"].tests.values()} == {5}
    text = (tmp_path / "lists/utterances.csv").read_text()
    assert "3_theo_7,theo,recordings/3_theo_7.wav,theo,m," in text


@pytest.mark.parametrize(("published", "note"), [(1200, ()), (1100, ()), (1300, ("1,200 utter",))])
def test_what_the_copy_lacks_is_said_and_not_what_it_has_besides(copy, tmp_path, published, note):
    corpus = dataclasses.replace(known_corpus("fsdd"), n_utterances=published)
    prepared = prepare_corpus(corpus, copy, tmp_path / "lists")
    assert tuple(text[:11] for text in prepared.notes) == note


@pytest.mark.parametrize("given", ["", "free-spoken-digit-dataset-master/recordings"])
def test_the_folder_may_be_the_one_above_or_below(copy, given):
    found = known_corpus("fsdd").scan(copy.parent / given)
    assert len(found.utterances) == 1200
    assert all((copy.parent / given / u.path).exists() for u in found.utterances.values())
    assert {u.sex for u in found.utterances.values()} == {"m"}


@pytest.mark.corpus
def test_the_real_recordings(corpora, tmp_path):
    folder = corpora / "fsdd"
    prepared = prepare_corpus(known_corpus("fsdd"), folder, tmp_path / "lists")
    assert prepared.n_speakers == 6
    assert prepared.n_utterances == 1200
    assert [(c.target, c.nontarget) for c in prepared.splits[1:]] == [(72, 72), (72, 72)]
    assert prepared.notes == (
        "1,200 utterances, where the whole corpus has 3,000",
        "the sexes of the speakers are not known: no metadata.py (recordings there)",
    )
    check_lists(tmp_path / "lists", folder, prepared)


def test_a_table_of_something_else_is_named(copy):
    write(copy, "metadata.py", "import os\nos.abort()\nmetadata = dict()\n")
    with pytest.raises(ManifestError, match=r"metadata.py: not the table of the Free Spoken"):
        known_corpus("fsdd").scan(copy)


def test_a_misnamed_folder_is_named(copy):
    (copy / "recordings").rename(copy / "recording")
    with pytest.raises(ManifestError, match="no 'recordings' in it, but 'recording': is it misn"):
        known_corpus("fsdd").scan(copy)


def test_other_files_are_passed_over_and_said(copy):
    touch(copy, ["recordings/noise.wav", "recordings/._3_theo_7.wav", "recordings/3_theo_7.flac"])
    found = known_corpus("fsdd").scan(copy)
    assert len(found.utterances) == 1200
    assert found.notes == (
        "1 left out: there twice, such as recordings/3_theo_7.wav",
        "1 left out: not named DIGIT_SPEAKER_TAKE, such as recordings/noise.wav",
    )


def test_too_few_speakers_are_said(tmp_path):
    folder = touch(tmp_path / "fsdd", [n for n in recordings(20) if "theo" in n or "lucas" in n])
    with pytest.raises(ManifestError, match="0 speakers for development; expected 2 or more"):
        prepare_corpus(known_corpus("fsdd"), folder, tmp_path / "lists")


def test_speakers_whom_the_table_lacks_are_counted(copy):
    # As in the repository, where lucas came without an entry.
    table = (copy / "metadata.py").read_text().replace("'lucas'", "'somebody'")
    write(copy, "metadata.py", table)
    assert known_corpus("fsdd").scan(copy).notes == (
        "metadata.py does not tell the sex of 1 speaker, such as lucas",
    )
