from __future__ import annotations

import pytest
from corpus_copies import check_lists
from miniatures.files import touch, write
from miniatures.vctk import SPEAKERS, build, build_old

from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError


@pytest.fixture
def copy(tmp_path):
    return build(tmp_path)


@pytest.fixture
def old_copy(tmp_path):
    return build_old(tmp_path)


def test_lists_are_what_the_protocol_promises(copy, tmp_path):
    assert len(SPEAKERS) == 110
    prepared = prepare_corpus(known_corpus("vctk"), copy, tmp_path / "lists")
    assert prepared.protocol == "mic1"
    # Of six sentences one is left for tests, not twenty.
    assert [(c.speakers, c.utterances, c.target, c.nontarget) for c in prepared.splits] == [
        (55, 330, 0, 0), (22, 132, 22, 22 * 21), (33, 198, 33, 33 * 32),
    ]  # fmt: skip
    assert prepared.notes == (
        "1,308 utterances, where the whole corpus has 88,328",
        "in no split, as the protocol does not use them: 648 utterances, such as p225_001_mic2",
    )
    check_lists(tmp_path / "lists", copy, prepared)
    text = (tmp_path / "lists/utterances.csv").read_text()
    path = "wav48_silence_trimmed/p315/p315_004_mic1.flac"
    assert f"p315_004_mic1,p315,{path},p315,m," in text


def test_microphones_are_apart_where_they_are_wanted_so(copy, tmp_path):
    names = [
        f"wav48_silence_trimmed/{name}/{name}_{sentence:03d}_{mic}.flac"
        for name in SPEAKERS[:12]
        for sentence in range(7, 21)
        for mic in ("mic1", "mic2")
    ]
    touch(copy, names)
    corpus = known_corpus("vctk")
    prepared = prepare_corpus(corpus, copy, tmp_path / "lists", protocol="across")
    protocol = check_lists(tmp_path / "lists", copy, prepared)["evaluation"]
    sides = set()
    for model, pool in protocol.enrollment.items():
        (heard,) = {name[-4:] for name in pool}
        tests = [name for name in protocol.tests if name.startswith(f"{model}_")]
        (other,) = {name[-4:] for name in tests}
        assert heard != other
        assert not {name[:-5] for name in pool} & {name[:-5] for name in tests}
        sides.add(heard)
    assert sides == {"mic1", "mic2"}
    assert [c.speakers for c in prepared.splits] == [104, 2, 4]


def test_the_older_version_has_one_microphone(old_copy, tmp_path):
    corpus = known_corpus("vctk")
    prepared = prepare_corpus(corpus, old_copy.parent, tmp_path / "lists")
    assert [(c.speakers, c.target, c.nontarget) for c in prepared.splits] == [
        (5, 0, 0), (2, 40, 40), (3, 60, 120),
    ]  # fmt: skip
    assert prepared.notes[2] == "one microphone, as in version 0.80, which has 109 speakers"
    check_lists(tmp_path / "lists", old_copy.parent, prepared)
    text = (tmp_path / "lists/utterances.csv").read_text()
    assert "p225_004,p225,VCTK-Corpus/wav48/p225/p225_004.wav,p225,m," in text
    with pytest.raises(ManifestError, match=r"no recordings of the second microphone .* 'mic1'"):
        prepare_corpus(corpus, old_copy, tmp_path / "other", protocol="across")


@pytest.mark.parametrize("protocol", ["mic1", "across"])
def test_a_copy_without_the_first_microphone_is_refused(copy, tmp_path, protocol):
    for place in copy.rglob("*_mic1.flac"):
        place.unlink()
    with pytest.raises(ManifestError, match=r"no recordings of the first microphone \(\.\.\._mic1"):
        prepare_corpus(known_corpus("vctk"), copy, tmp_path / "lists", protocol=protocol)


def test_the_newer_version_without_the_second_microphone_is_not_taken_for_the_older(copy):
    for place in copy.rglob("*_mic2.flac"):
        place.unlink()
    (note,) = known_corpus("vctk").scan(copy).notes
    assert note == (
        "no recordings of the second microphone (..._mic2): protocol 'across' needs them"
    )


def test_speakers_that_the_table_lacks_are_counted(old_copy):
    table = old_copy / "speaker-info.txt"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line for line in lines if not line.startswith("226 ")))
    notes = known_corpus("vctk").scan(old_copy).notes
    assert "speaker-info.txt does not tell the sex of 1 speaker, such as p226" in notes


@pytest.mark.parametrize("given", ["", "VCTK-Corpus-0.92/wav48_silence_trimmed"])
def test_the_folder_may_be_the_one_above_or_below(copy, given):
    found = known_corpus("vctk").scan(copy.parent / given)
    assert len(found.utterances) == 1308
    assert all((copy.parent / given / u.path).exists() for u in found.utterances.values())
    assert {u.sex for u in found.utterances.values()} == {"f", "m"}


def test_a_table_may_have_words_for_the_sexes_and_no_header(old_copy):
    write(old_copy, "speaker-info.txt", "225  23  female  English\n226  22  male  English\n")
    found = known_corpus("vctk").scan(old_copy).utterances
    sexes = [found[f"p{n}_001"].sex for n in (225, 226, 227)]
    assert sexes == ["f", "m", ""]


def test_a_wrong_line_of_the_table_is_named(copy):
    write(copy, "speaker-info.txt", "ID AGE GENDER\np225,23,F\n")
    with pytest.raises(ManifestError, match=r"speaker-info.txt:2: expected ID, age, F or M, acc"):
        known_corpus("vctk").scan(copy)


def test_a_copy_without_the_table_has_no_sexes(old_copy):
    (old_copy / "speaker-info.txt").rename(old_copy / "speakers-info.txt")
    found = known_corpus("vctk").scan(old_copy)
    assert found.notes[1] == (
        "the sexes of the speakers are not known: no speaker-info.txt, but 'speakers-info.txt': "
        "is it misnamed?"
    )


def test_of_two_versions_the_newer_is_taken_and_the_other_said(copy):
    found = known_corpus("vctk").scan(copy)
    touch(copy, ["wav48/p225/p225_001.wav"])
    both = known_corpus("vctk").scan(copy)
    assert both.utterances == found.utterances
    assert both.notes == ("wav48 is not used, but wav48_silence_trimmed", *found.notes)


def test_a_misnamed_folder_is_named(copy):
    (copy / "wav48_silence_trimmed").rename(copy / "wav48_silence_trimed")
    with pytest.raises(ManifestError, match=r"but 'wav48_silence_trimed': is it misnamed"):
        known_corpus("vctk").scan(copy)


def test_other_files_are_passed_over_and_said(old_copy):
    touch(old_copy, ["wav48/p225/p225_a.wav", "wav48/p226/p225_001.wav", "wav48/p225/p225_001.aif"])
    found = known_corpus("vctk").scan(old_copy)
    assert len(found.utterances) == 300
    _, twice, misnamed, misplaced = found.notes
    assert twice == "1 left out: there twice, such as wav48/p225/p225_001.wav"
    assert misnamed.startswith("1 left out: not named SPEAKER/SPEAKER_SENTENCE or ..._mic1, ..._m")
    assert misplaced.startswith("1 left out: in the folder of another speaker, such as wav48/p226")
