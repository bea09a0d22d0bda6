from __future__ import annotations

import pytest
from corpus_copies import check_lists
from miniatures.files import touch, write
from miniatures.speech_commands import (
    SPEAKERS,
    TESTING,
    VALIDATION,
    build,
    build_test_set,
    names_of,
)

from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.corpora.known.speech_commands import COMMANDS, WORDS
from speakergmm.errors import ManifestError


@pytest.fixture
def copy(tmp_path):
    return build(tmp_path)


@pytest.fixture
def test_set(tmp_path):
    return build_test_set(tmp_path)


def test_lists_follow_the_parts_of_the_corpus(copy, tmp_path):
    prepared = prepare_corpus(known_corpus("speech_commands"), copy, tmp_path / "lists")
    assert [
        (c.split, c.speakers, c.utterances, c.target, c.nontarget) for c in prepared.splits
    ] == [
        ("background", 11, 220, 0, 0),
        ("development", 4, 80, 16, 48),
        ("evaluation", 5, 100, 20, 80),
    ]
    assert prepared.notes == (
        "20 speakers, where the whole corpus has 2,618",
        "400 utterances, where the whole corpus has 105,829",
        "25 of 35 words not there: four, go, happy, house, learn and 20 more",
        "1 left out: no speech, such as _background_noise_/white_noise.wav",
    )
    check_lists(tmp_path / "lists", copy, prepared)
    text = (tmp_path / "lists/utterances.csv").read_text()
    assert "000000a4_bed_1,000000a4,bed/000000a4_nohash_1.wav,000000a4,evaluation" in text


@pytest.mark.parametrize("corpus", ["speech_commands", "speech_commands_test"])
def test_tests_say_other_words_than_the_enrollment(corpus, request, tmp_path):
    folder = request.getfixturevalue("copy" if corpus == "speech_commands" else "test_set")
    prepared = prepare_corpus(known_corpus(corpus), folder, tmp_path / "lists")
    protocol = check_lists(tmp_path / "lists", folder, prepared)["evaluation"]
    for model, pool in protocol.enrollment.items():
        enrolled = {name.split("_")[1] for name in pool}
        assert len(enrolled) == 5
        tests = [test for name, test in protocol.tests.items() if name.startswith(model)]
        assert len(tests) == 4
        for test in tests:
            said = {name.split("_")[1] for name in test}
            assert len(said) == 2
            assert not said & enrolled


def test_the_test_set_is_drawn(test_set, tmp_path):
    prepared = prepare_corpus(known_corpus("speech_commands_test"), test_set, tmp_path / "lists")
    assert [(c.speakers, c.utterances, c.target, c.nontarget) for c in prepared.splits] == [
        (4, 96, 0, 0), (5, 120, 20, 80), (11, 264, 44, 440),
    ]  # fmt: skip
    assert prepared.notes == (
        "480 utterances, where the whole corpus has 4,482",
        "8 left out: no speech, such as _silence_/0.wav",
    )
    text = (tmp_path / "lists/utterances.csv").read_text()
    assert "000000a4_zero_1,000000a4,_unknown_/zero_000000a4_nohash_1.wav,000000a4," in text


@pytest.mark.corpus
@pytest.mark.parametrize("given", ["speech_commands", "speech_commands/audio"])
def test_the_real_test_set(corpora, given, tmp_path):
    folder = corpora / given
    prepared = prepare_corpus(known_corpus("speech_commands_test"), folder, tmp_path / "lists")
    assert [(c.speakers, c.utterances, c.target, c.nontarget) for c in prepared.splits] == [
        (108, 1240, 0, 0), (41, 830, 88, 3520), (90, 2291, 233, 20_737),
    ]  # fmt: skip
    assert prepared.n_speakers == 239
    assert prepared.notes == ("4,361 utterances, where the whole corpus has 4,482",)
    check_lists(tmp_path / "lists", folder, prepared)


@pytest.mark.parametrize("corpus", ["speech_commands", "speech_commands_test"])
def test_the_folder_above_will_do(corpus, request):
    folder = request.getfixturevalue("copy" if corpus == "speech_commands" else "test_set").parent
    found = known_corpus(corpus).scan(folder)
    assert all((folder / u.path).exists() for u in found.utterances.values())
    assert len(found.utterances) == (400 if corpus == "speech_commands" else 480)


@pytest.mark.parametrize("given", ["", "train", "train/audio"])
def test_the_words_may_lie_below_the_lists(tmp_path, given):
    folder = tmp_path / "kaggle"
    build(tmp_path / "whole").rename(folder)
    for place in (*folder.glob("[a-z]*/"), folder / "_background_noise_"):
        if place.is_dir():
            target = folder / "train/audio" / place.name
            target.parent.mkdir(parents=True, exist_ok=True)
            place.rename(target)
    for name in ("validation_list.txt", "testing_list.txt"):
        (folder / name).rename(folder / "train" / name)
    corpus = known_corpus("speech_commands")
    prepared = prepare_corpus(corpus, folder / given, tmp_path / "lists")
    assert [c.speakers for c in prepared.splits] == [11, 4, 5]
    check_lists(tmp_path / "lists", folder / given, prepared)


def test_a_copy_in_another_format_is_parted_by_the_same_lists(copy, tmp_path):
    for place in copy.glob("[a-z]*/*.wav"):
        place.rename(place.with_suffix(".flac"))
    prepared = prepare_corpus(known_corpus("speech_commands"), copy, tmp_path / "lists")
    assert [c.speakers for c in prepared.splits] == [11, 4, 5]


def test_a_misnamed_list_is_named(copy):
    (copy / "validation_list.txt").rename(copy / "validation-list.txt")
    with pytest.raises(
        ManifestError, match=r"validation_list.txt: missing, but 'validation-list.txt': is it misn"
    ):
        known_corpus("speech_commands").scan(copy)


def test_the_other_archive_is_told_apart(copy, test_set):
    with pytest.raises(ManifestError, match=r"the test set; .* prepare it as speech_commands_test"):
        known_corpus("speech_commands").scan(test_set)
    with pytest.raises(ManifestError, match=r"the whole corpus; .* prepare it as speech_commands$"):
        known_corpus("speech_commands_test").scan(copy)


def test_another_folder_is_refused_with_the_layout(tmp_path):
    touch(tmp_path, ["_unknown/zero_000000a4_nohash_1.wav"])
    with pytest.raises(ManifestError, match="or 'yes' in it, but '_unknown': is it misnamed"):
        known_corpus("speech_commands_test").scan(tmp_path)


def test_a_wrong_line_of_a_list_is_named(copy, tmp_path):
    write(copy, "testing_list.txt", f"bed/{TESTING[0]}_nohash_0.wav\n\nbed;000000a5\n")
    with pytest.raises(
        ManifestError, match=r"testing_list.txt:3: expected WORD/SPEAKER_nohash_TAKE.wav, got 'bed;"
    ):
        prepare_corpus(known_corpus("speech_commands"), copy, tmp_path / "lists")


def test_a_speaker_of_both_lists_is_named(copy, tmp_path):
    write(copy, "testing_list.txt", f"bed/{VALIDATION[2]}_nohash_0.wav\n")
    with pytest.raises(ManifestError, match="speaker '000000a2' is in the other list too"):
        prepare_corpus(known_corpus("speech_commands"), copy, tmp_path / "lists")


def test_misnamed_folders_and_files_are_passed_over_and_said(copy):
    (copy / "bird").rename(copy / "brid")
    touch(copy, ["bed/a.wav", "bed/zero_000000a4_nohash_1.wav"])
    found = known_corpus("speech_commands").scan(copy)
    assert len(found.utterances) == 360
    assert found.notes == (
        "26 of 35 words not there: bird, four, go, happy, house and 21 more",
        "1 left out: no speech, such as _background_noise_/white_noise.wav",
        "2 left out: not named SPEAKER_nohash_TAKE, such as bed/a.wav",
        "40 left out: none of the 35 words, such as brid/000000a0_nohash_0.wav",
    )


def test_speakers_with_too_few_words_have_no_model(copy, tmp_path):
    for place in copy.glob("[a-f]*/000000a4_nohash_*.wav"):
        if place.parent.name not in WORDS[:6]:
            place.unlink()
    prepared = prepare_corpus(known_corpus("speech_commands"), copy, tmp_path / "lists")
    assert [(c.speakers, c.models) for c in prepared.splits] == [(11, 0), (4, 4), (5, 4)]


def test_too_few_words_are_said(tmp_path):
    folder = touch(tmp_path / "set", names_of(SPEAKERS, COMMANDS[:6]))
    needs = "0 have 5 different texts for a model and 2 for a test, which at least 6 must have: is"
    with pytest.raises(ManifestError, match=needs):
        prepare_corpus(known_corpus("speech_commands_test"), folder, tmp_path / "lists")
