from __future__ import annotations

import pytest
from corpus_copies import check_lists
from miniatures.files import touch
from miniatures.rsr2015 import SPEAKERS, build, names

from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError


@pytest.fixture
def copy(tmp_path):
    return build(tmp_path)


def prepare(copy, protocol=None):
    lists = copy.parent / "lists"
    return prepare_corpus(known_corpus("rsr2015"), copy, lists, protocol=protocol)


@pytest.mark.parametrize(
    ("protocol", "speakers", "development", "evaluation"),
    [
        # Target: speakers x 2 sentences x 6 sessions; nontarget: so many for each other speaker.
        ("part1", [4, 4, 5], (48, 48), (60, 36 * 2 + 24)),
        ("part1_male", [2, 2, 3], (24, 24), (36, 72)),
        ("part1_female", [2, 2, 2], (24, 24), (24, 24)),
    ],
)
def test_a_model_meets_tests_of_its_sentence_and_sex(
    copy, protocol, speakers, development, evaluation
):
    prepared = prepare(copy, protocol)
    assert [c.speakers for c in prepared.splits] == speakers
    assert [c.utterances for c in prepared.splits] == [18 * n for n in speakers]
    assert [(c.target, c.nontarget) for c in prepared.splits[1:]] == [development, evaluation]
    protocols = check_lists(copy.parent / "lists", copy, prepared)
    trials = protocols["evaluation"].trials
    for row in range(len(trials)):
        model, test = trials.pair(row)
        assert model[0] == test[0]
        assert model[-3:] == test[-3:]
    for pool in protocols["evaluation"].enrollment.values():
        assert [name[5:7] for name in pool] == ["01", "04", "07"]


def test_the_whole_corpus_gives_what_is_promised():
    known = known_corpus("rsr2015").protocols
    for split, men, women in (("evaluation", 57, 49), ("development", 50, 47)):
        target = {sex: n * 30 * 6 for sex, n in (("m", men), ("f", women))}
        nontarget = {"m": target["m"] * (men - 1), "f": target["f"] * (women - 1)}
        for name, sexes in (("part1", "mf"), ("part1_male", "m"), ("part1_female", "f")):
            counts = [sum(of[sex] for sex in sexes) for of in (target, nontarget)]
            text = f"{split} {counts[0]:,} target + {counts[1]:,} nontarget"
            assert text in known[name].summary
    # The official list lacks the sixteen tests that were not recorded.
    assert 10_244 * 56 == 573_664


@pytest.mark.parametrize("given", ["", "RSR2015_V1", "RSR2015_V1/sph"])
def test_the_folder_may_be_the_corpus_or_the_one_above(copy, given):
    folder = copy.parent / given
    found = known_corpus("rsr2015").scan(folder).utterances
    assert len(found) == 13 * 18
    assert found["f001_09_030"].sex == "f"
    assert found["f001_09_030"].session_id == "09"
    assert all((folder / u.path).exists() for u in found.values())


def test_other_suffixes_and_capitals_will_do(tmp_path):
    touch(tmp_path, [f"wav/{name.upper()}" for name in names(".wav")])
    assert len(known_corpus("rsr2015").scan(tmp_path).utterances) == 13 * 18


def test_other_parts_and_files_are_passed_over_and_said(copy):
    touch(copy, ["sph/male/m001/m001_01_031.sph", "sph/male/m158/m158_01_001.sph"])
    found = known_corpus("rsr2015").scan(copy)
    assert len(found.utterances) == 13 * 18
    assert [note.split(", such")[0] for note in found.notes] == [
        "1 left out: of the parts 2 and 3 (sentences above 030)",
        "1 left out: not named SPEAKER_SESSION_SENTENCE",
    ]


@pytest.mark.parametrize(
    ("name", "there"), [("women", ""), ("femal", ", but 'femal': is it misnamed?")]
)
def test_a_copy_of_one_sex_says_so(copy, name, there):
    for place in (copy / "sph/female").rglob("*.sph"):
        place.unlink()
    (copy / "sph/female").rename(copy / "sph" / name)
    (note,) = known_corpus("rsr2015").scan(copy).notes
    assert note == f"no recordings of women: none below sph/female/{there}"


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("background", "no speakers for the background model; expected f001 to f047 and m001"),
        (
            "development",
            r"RSR2015\S*: 0 trials for development, 0 of them target; expected two speakers of",
        ),
    ],
)
def test_missing_speakers_are_named(copy, split, message):
    for speaker in SPEAKERS[split]:
        for place in copy.rglob(f"{speaker}_*"):
            place.unlink()
    with pytest.raises(ManifestError, match=message):
        prepare(copy)


def test_speakers_of_the_wanted_sex_that_are_missing_are_named(copy, tmp_path):
    for place in (copy / "sph/male").rglob("*.sph"):
        place.unlink()
    message = "no speakers for the background model; expected m001 to m050:"
    with pytest.raises(ManifestError, match=message):
        prepare_corpus(known_corpus("rsr2015"), copy, tmp_path, protocol="part1_male")


def test_another_folder_is_refused_with_the_layout(tmp_path):
    touch(tmp_path, ["RSR2015/sphere/m001/m001_01_001.sph"])
    with pytest.raises(ManifestError, match=r"RSR2015: no 'sph' or .*but 'sphere': is it misnam"):
        known_corpus("rsr2015").scan(tmp_path)
