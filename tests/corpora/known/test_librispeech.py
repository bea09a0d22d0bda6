from __future__ import annotations

import pytest
from corpus_copies import check_lists
from miniatures.files import touch, write
from miniatures.librispeech import build

from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.librispeech import PARTS
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError


@pytest.fixture
def copy(tmp_path):
    return build(tmp_path)


def test_lists_follow_the_parts_of_the_corpus(copy, tmp_path):
    prepared = prepare_corpus(known_corpus("librispeech"), copy, tmp_path / "lists")
    assert prepared.protocol == "parts"
    # Three of four readers of a part have a model: 6 tests of each, as a chapter has 6 sentences.
    assert [
        (c.split, c.speakers, c.utterances, c.target, c.nontarget) for c in prepared.splits
    ] == [
        ("background", 12, 126, 0, 0),
        ("development", 8, 84, 36, 180),
        ("evaluation", 8, 84, 36, 180),
    ]
    assert prepared.notes == (
        "28 speakers, where the whole corpus has 2,484",
        "294 utterances, where the whole corpus has 292,367",
    )
    protocol = check_lists(tmp_path / "lists", copy, prepared)["evaluation"]
    for model, pool in protocol.enrollment.items():
        (enrolled,) = {name.split("-")[1] for name in pool}
        tests = [name for name in protocol.tests if name.startswith(f"{model}-")]
        assert enrolled not in {name.split("-")[1] for name in tests}
    text = (tmp_path / "lists/utterances.csv").read_text()
    path = "test-other/701/1002/701-1002-0003.flac"
    assert f"701-1002-0003,701,{path},1002,m,evaluation,other\n" in text


def test_speakers_are_drawn_where_a_kind_of_part_is_missing(copy, tmp_path):
    for part in ("train-clean-360", "train-other-500", "dev-clean", "dev-other"):
        (copy / part).rename(tmp_path / part)
    prepared = prepare_corpus(known_corpus("librispeech"), copy, tmp_path / "lists")
    assert [(c.speakers, c.target, c.nontarget) for c in prepared.splits] == [
        (7, 0, 0), (2, 12, 12), (3, 18, 36),
    ]  # fmt: skip
    assert prepared.notes[2] == (
        "parts not there, or empty: train-clean-360, train-other-500, dev-clean, dev-other, so "
        "speakers are drawn: there is no dev- part"
    )
    check_lists(tmp_path / "lists", copy, prepared)


def test_a_part_that_is_empty_counts_as_missing(copy, tmp_path):
    for part in ("dev-clean", "dev-other"):
        for path in sorted((copy / part).rglob("*.flac")):
            path.rename(path.with_suffix(".m4a"))
    prepared = prepare_corpus(known_corpus("librispeech"), copy, tmp_path / "lists")
    unread, missing = prepared.notes[2:4]
    assert unread.startswith("84 left out: not read as they are (convert them to .wav first")
    expected = "parts not there, or empty: dev-clean, dev-other, so speakers are drawn: there is"
    assert missing == f"{expected} no dev- part"


def test_all_may_be_drawn(copy, tmp_path):
    corpus = known_corpus("librispeech")
    prepared = prepare_corpus(corpus, copy, tmp_path / "lists", protocol="drawn")
    assert [c.speakers for c in prepared.splits] == [18, 4, 6]


@pytest.mark.parametrize("given", ["", "LibriSpeech"])
def test_the_folder_may_be_the_one_above(copy, given):
    found = known_corpus("librispeech").scan(copy.parent / given)
    assert len(found.utterances) == 294
    assert all((copy.parent / given / u.path).exists() for u in found.utterances.values())


def test_the_folder_may_be_one_part(copy):
    found = known_corpus("librispeech").scan(copy / "train-clean-100")
    assert len(found.utterances) == 42
    assert found.utterances["101-1001-0000"].sex == "m"
    assert found.notes[0].endswith("so speakers are drawn: there is no dev-, no test- part")


def test_the_small_copies_have_parts_of_their_own_names(copy, tmp_path):
    (copy / "train-clean-100").rename(copy / "train-clean-5")
    prepared = prepare_corpus(known_corpus("librispeech"), copy, tmp_path / "lists")
    assert [c.speakers for c in prepared.splits] == [12, 8, 8]


@pytest.mark.parametrize("given", ["", "LibriSpeech"])
def test_a_small_copy_may_have_none_of_the_corpus_s_own_parts(copy, given):
    names = {"train-clean-100": "train-clean-5", "dev-clean": "dev-clean-2"}
    for part in PARTS:
        target = (
            copy / names[part]
            if part in names
            else copy.parent.parent / f"{copy.parent.name}-{part}"
        )
        (copy / part).rename(target)
    prepared = prepare_corpus(known_corpus("librispeech"), copy.parent / given, copy / "lists")
    # Without a part for tests speakers are drawn: of six who read two chapters.
    assert [c.speakers for c in prepared.splits] == [4, 2, 2]
    check_lists(copy / "lists", copy.parent / given, prepared)


def test_a_copy_without_the_table_has_no_sexes(copy):
    (copy / "SPEAKERS.TXT").rename(copy / "SPEEKERS.TXT")
    found = known_corpus("librispeech").scan(copy)
    assert {u.sex for u in found.utterances.values()} == {""}
    (note,) = found.notes
    assert note.endswith("not known: no SPEAKERS.TXT, but 'SPEEKERS.TXT': is it misnamed?")


def test_the_table_may_be_in_small_letters_and_in_latin_1(copy):
    (copy / "SPEAKERS.TXT").unlink()
    (copy / "speakers.txt").write_bytes("100 | F | dev-clean | 8.0 | Zoë\r\n".encode("latin-1"))
    found = known_corpus("librispeech").scan(copy)
    assert found.utterances["100-1001-0000"].sex == "f"
    assert found.utterances["101-1001-0000"].sex == ""
    assert found.notes == ("speakers.txt does not tell the sex of 27 speakers, such as 400",)


@pytest.mark.parametrize("line", ["14 F train-clean-360", "14 | X | train-clean-360 | 25.03 | Kim"])
def test_a_wrong_line_of_the_table_is_named(copy, line):
    write(copy, "SPEAKERS.TXT", f";ID\n\n{line}\n")
    with pytest.raises(
        ManifestError, match=r"SPEAKERS.TXT:3: expected ID \| F or M \| part \| minutes \| name, g"
    ):
        known_corpus("librispeech").scan(copy)


@pytest.mark.parametrize("name", ["dev_other", "dev-other.old"])
def test_a_misnamed_part_is_named(copy, name):
    (copy / "dev-other").rename(copy / name)
    with pytest.raises(ManifestError, match=rf"dev-other: missing, but '{name}': is it misnamed?"):
        known_corpus("librispeech").scan(copy)


def test_another_folder_is_refused_with_the_layout(tmp_path):
    touch(tmp_path, ["librispeech.tar.gz", "train_clean_100/1.flac"])
    with pytest.raises(ManifestError, match="or 'test-other' in it, but 'train_clean_100': is it"):
        known_corpus("librispeech").scan(tmp_path)


def test_other_files_are_passed_over_and_said(copy):
    touch(copy, ["dev-clean/noise.flac", "dev-clean/._400-1001-0000.flac"])
    (copy / "test-other/700/1001/400-1001-0000.flac").touch()
    found = known_corpus("librispeech").scan(copy)
    assert len(found.utterances) == 294
    assert found.notes == (
        "1 left out: not named SPEAKER-CHAPTER-NUMBER, such as dev-clean/noise.flac",
        "1 left out: there twice, such as test-other/700/1001/400-1001-0000.flac",
    )


@pytest.mark.corpus
def test_one_recording_a_speaker_is_no_protocol(corpora, tmp_path):
    corpus, folder = known_corpus("librispeech"), corpora / "librispeech_excerpts"
    found = corpus.scan(folder)
    assert len(found.utterances) == 248
    assert "no SPEAKERS.TXT" in found.notes[1]
    with pytest.raises(ManifestError, match="Of 248 speakers 0 have 3 utterances for a model and"):
        prepare_corpus(corpus, folder, tmp_path / "lists")
