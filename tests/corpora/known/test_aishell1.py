from __future__ import annotations

import pytest
from corpus_copies import check_lists
from miniatures.aishell1 import TABLE, build
from miniatures.files import touch, write

from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError


@pytest.fixture
def copy(tmp_path):
    return build(tmp_path)


def prepare(copy):
    return prepare_corpus(known_corpus("aishell1"), copy, copy / "lists")


def test_splits_are_those_of_the_corpus_and_all_else_is_tested(copy):
    prepared = prepare(copy)
    assert [(c.split, c.speakers, c.utterances) for c in prepared.splits] == [
        ("background", 6, 60), ("development", 4, 40), ("evaluation", 3, 30),
    ]  # fmt: skip
    assert [(c.models, c.tests, c.target, c.nontarget) for c in prepared.splits[1:]] == [
        (4, 28, 28, 84), (3, 21, 21, 42),
    ]  # fmt: skip
    protocol = check_lists(copy / "lists", copy, prepared)["evaluation"]
    assert {len(pool) for pool in protocol.enrollment.values()} == {3}
    text = (copy / "lists/utterances.csv").read_text()
    name = "BAC009S0765W0122"
    path = f"data_aishell/wav/test/S0765/{name}.wav"
    assert f"\n{name},S0765,{path},S0765,f,evaluation\n" in text


@pytest.mark.parametrize("given", ["", "data_aishell"])
def test_the_folder_may_be_the_archive_or_the_one_above(copy, given):
    found = known_corpus("aishell1").scan(copy / given)
    assert len(found.utterances) == 130
    assert found.utterances["BAC009S0003W0122"].sex == "f"
    assert not found.notes


def test_a_missing_table_of_speakers_is_noted(copy):
    (copy / "resource_aishell/speaker.info").unlink()
    found = known_corpus("aishell1").scan(copy)
    assert {u.sex for u in found.utterances.values()} == {""}
    what = "the sexes of the speakers are not known (they are in resource_aishell.tgz)"
    assert found.notes == (f"{what}: no speaker.info (wav there)",)
    write(copy, "resource_aishell/speakers.info", TABLE)
    for given in ("", "data_aishell"):
        (note,) = known_corpus("aishell1").scan(copy / given).notes
        assert note == f"{what}: no speaker.info, but 'speakers.info': is it misnamed?"


def test_speakers_that_the_table_lacks_are_counted(copy):
    write(
        copy, "resource_aishell/speaker.info", TABLE.replace("0724 M\n", "").replace("0002 M\n", "")
    )
    assert known_corpus("aishell1").scan(copy).notes == (
        "speaker.info does not tell the sex of 2 speakers, such as S0724",
    )


def test_speakers_that_are_still_packed_are_named(copy, tmp_path_factory):
    touch(copy, ["data_aishell/wav/S0002.tar.gz", "data_aishell/wav/S0916.tar.gz"])
    found = known_corpus("aishell1").scan(copy)
    assert found.notes == ("still packed: 1 speaker, such as S0916.tar.gz",)
    other = touch(tmp_path_factory.mktemp("aishell"), ["data_aishell/wav/S0002.tar.gz"])
    with pytest.raises(ManifestError, match=r"still packed: 1 speaker, such .*: unpack each in"):
        known_corpus("aishell1").scan(other)
    (copy / "data_aishell/wav/dev").rename(copy / "dev")
    (copy / "data_aishell/wav/dev").mkdir()
    with pytest.raises(ManifestError, match=r"still packed: 1 speaker, such as S0916.tar.gz; exp"):
        known_corpus("aishell1").scan(copy)
    (copy / "data_aishell/wav/dev").rmdir()
    with pytest.raises(ManifestError, match=r"still packed: 2 speakers, such as S0002.tar.gz"):
        known_corpus("aishell1").scan(copy)


@pytest.mark.parametrize(
    ("part", "name", "there"),
    [
        ("dev", "wav/develop", ", but 'develop': is it misnamed\\?"),
        ("train", "wav/train_x", ", but 'train_x': is it misnamed\\?"),
        ("test", "test", r" \(dev, train there\)"),
    ],
)
def test_a_missing_part_is_named(copy, part, name, there):
    (copy / "data_aishell/wav" / part).rename(copy / "data_aishell" / name)
    with pytest.raises(ManifestError, match=rf"wav.{part}: missing{there}; expected the speakers"):
        prepare(copy)


def test_another_folder_is_refused_with_the_layout(tmp_path):
    touch(tmp_path, ["data_aishell/wave/train/S0002/BAC009S0002W0122.wav"])
    with pytest.raises(ManifestError, match=r"data_aishell: no 'wav' in it, but 'wave': is it"):
        known_corpus("aishell1").scan(tmp_path)


def test_a_wrong_line_of_the_table_is_named(copy):
    write(copy, "resource_aishell/speaker.info", "S0002 F\n0003 female\n")
    with pytest.raises(ManifestError, match=r"speaker.info:2: '0003 female'; expected .*'0002 F'"):
        known_corpus("aishell1").scan(copy)


def test_other_files_are_passed_over_and_said(copy):
    inside = min((copy / "data_aishell/wav/dev").rglob("*.wav"))
    touch(copy, ["data_aishell/wav/S0002/BAC009S0002W0122.wav", "data_aishell/wav/dev/x/a.wav"])
    touch(copy, [f"data_aishell/wav/train/x/{inside.name}"])
    found = known_corpus("aishell1").scan(copy)
    assert len(found.utterances) == 130
    misplaced, misnamed, twice = sorted(found.notes[:3])
    assert misplaced.startswith("1 left out: not below train, dev or test, such as data_aishell")
    assert misnamed.startswith("1 left out: not named train, dev or test/SPEAKER/BAC009SPEAKERW")
    assert twice.startswith("1 left out: there twice, such as data_aishell/wav/train/x/BAC009")
