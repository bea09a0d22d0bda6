from __future__ import annotations

import json

import pytest
from corpus_copies import check_lists
from miniatures.audiomnist import TABLE, build
from miniatures.files import touch, write

from speakergmm.corpora.known import CORPORA, known_corpus
from speakergmm.corpora.known.corpus import Archive
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError


@pytest.fixture
def copy(tmp_path):
    return build(tmp_path)


def test_lists_are_what_the_protocol_promises(copy, tmp_path):
    prepared = prepare_corpus(known_corpus("audiomnist"), copy, tmp_path / "lists")
    assert [(c.split, c.speakers, c.utterances) for c in prepared.splits] == [
        ("background", 30, 1500), ("development", 12, 600), ("evaluation", 18, 900),
    ]  # fmt: skip
    evaluation = prepared.splits[2]
    assert (evaluation.target, evaluation.nontarget) == (360, 6120)
    assert prepared.notes == ("3,000 utterances, where the whole corpus has 30,000",)
    protocols = check_lists(tmp_path / "lists", copy, prepared)
    enrolled = protocols["evaluation"].enrollment
    assert {len(pool) for pool in enrolled.values()} == {10}
    assert {len(pool) for pool in protocols["evaluation"].tests.values()} == {2}
    text = (tmp_path / "lists/utterances.csv").read_text()
    assert "0_05_0,05,data/05/0_05_0.wav,05,f," in text


@pytest.mark.parametrize("given", ["AudioMNIST", "AudioMNIST/data", ""])
def test_the_folder_may_be_the_corpus_its_data_or_the_one_above(copy, given):
    found = known_corpus("audiomnist").scan(copy.parent / given)
    assert len(found.utterances) == 3000
    assert all((copy.parent / given / u.path).exists() for u in found.utterances.values())


@pytest.mark.parametrize("given", ["", "data"])
def test_a_missing_table_is_noted(copy, given):
    (copy / "data/audioMNIST_meta.txt").rename(copy / "data/audioMNIST_metadata.txt")
    found = known_corpus("audiomnist").scan(copy / given)
    assert len(found.utterances) == 3000
    (note,) = found.notes
    assert note == (
        "the sexes of the speakers are not known: no audioMNIST_meta.txt, but "
        "'audioMNIST_metadata.txt': is it misnamed?"
    )


def test_speakers_that_the_table_lacks_are_counted(copy):
    table = json.loads(TABLE)
    for name in ("17", "22", "34"):
        del table[name]
    write(copy, "data/audioMNIST_meta.txt", json.dumps(table))
    assert known_corpus("audiomnist").scan(copy).notes == (
        "audioMNIST_meta.txt does not tell the sex of 3 speakers, such as 17",
    )


def test_a_table_of_something_else_is_named(copy):
    write(copy, "data/audioMNIST_meta.txt", "speaker;sex")
    with pytest.raises(ManifestError, match="not the table of AudioMNIST; expected JSON"):
        known_corpus("audiomnist").scan(copy)


def test_another_folder_is_refused_with_the_layout(tmp_path):
    touch(tmp_path, ["dat/01/0_01_0.wav"])
    with pytest.raises(ManifestError, match=r"no .data. or .* but .dat.: is it misnamed"):
        known_corpus("audiomnist").scan(tmp_path)


def test_other_files_are_passed_over_and_said(copy):
    touch(copy, ["data/01/noise.wav", "data/01/.0_01_0.wav", "data/02/0_01_1.wav"])
    found = known_corpus("audiomnist").scan(copy)
    assert len(found.utterances) == 3000
    assert found.notes == (
        "1 left out: not named SPEAKER/DIGIT_SPEAKER_TAKE, such as data/01/noise.wav",
        "1 left out: in the folder of another speaker, such as data/02/0_01_1.wav",
    )


def test_archives_of_all_corpora_have_names_of_their_own():
    names = [archive.name for corpus in CORPORA.values() for archive in corpus.archives]
    assert len({*names}) == len(names)
    assert not any("?" in name or name in ("", "master.zip") for name in names)


def test_an_archive_is_called_by_the_end_of_its_address_or_otherwise():
    assert Archive("https://x.org/a/b.zip?download=1", "all").name == "b.zip"
    assert Archive("https://x.org/master.zip", "all", file="c.zip").name == "c.zip"
