from __future__ import annotations

import pytest
from corpus_copies import check_lists
from miniatures.files import touch
from miniatures.voxforge import ANONYMOUS, OF_MAIN, README, add_submission, build

from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError


@pytest.fixture
def copy(tmp_path):
    return build(tmp_path)


def test_lists_are_what_the_protocol_promises(copy, tmp_path):
    prepared = prepare_corpus(known_corpus("voxforge"), copy, tmp_path / "lists")
    assert (prepared.n_speakers, prepared.n_utterances) == (14, 144)
    # Six sentences of the other date are the tests.
    assert [(c.speakers, c.models, c.target, c.nontarget) for c in prepared.splits] == [
        (6, 0, 0, 0), (3, 3, 18, 36), (5, 5, 30, 120),
    ]  # fmt: skip
    (note,) = prepared.notes
    assert note.startswith("anonymous: 3 of 24 submissions; each is taken for a speaker of its own")
    protocol = check_lists(tmp_path / "lists", copy, prepared)["evaluation"]
    for model, pool in protocol.enrollment.items():
        (date,) = {name.split("-")[1] for name in pool}
        tests = [name for name in protocol.tests if name.startswith(f"{model}-")]
        assert date not in {name.split("-")[1] for name in tests}
    text = (tmp_path / "lists/utterances.csv").read_text()
    path = "user3-20080318-kdl/wav/a0002.wav"
    assert f"user3-20080318-kdl-a0002,user3,{path},20080318,f," in text
    assert f"{ANONYMOUS[0]}-a0001,{ANONYMOUS[0]},{ANONYMOUS[0]}/wav/a0001.wav,20080504,f," in text


@pytest.mark.parametrize("given", ["", "main", "main/Trunk/Audio/Main"])
def test_the_folder_may_be_any_above(copy, tmp_path, given):
    found = known_corpus("voxforge").scan(tmp_path / given)
    assert len(found.utterances) == 144
    assert all((tmp_path / given / u.path).exists() for u in found.utterances.values())


@pytest.mark.parametrize(
    ("name", "user", "speaker", "session"),
    [
        ("ductapeguy-20070308b", "ductapeguy", "ductapeguy", "20070308"),
        ("L1-09-20100829-abc", "", "l1-09", "20100829"),
        ("John_Doe-20100829-abc", "John Doe", "john_doe", "20100829"),
        ("mary-20100829-abc", "anonymous", "mary", "20100829"),
        ("Anonymous-20100829-abc", "Anonymous", "Anonymous-20100829-abc", "20100829"),
        ("anonymous-20100829-abc", "Bob", "bob", "20100829"),
        ("chapter one", "Kim", "kim", "chapter_one"),
    ],
)
def test_users_and_dates_are_read_from_names_and_readmes(tmp_path, name, user, speaker, session):
    add_submission(tmp_path, name, user, n=1)
    (found,) = known_corpus("voxforge").scan(tmp_path).utterances.values()
    assert (found.speaker_id, found.session_id) == (speaker, session)
    assert " " not in found.utterance_id


def test_capitals_do_not_make_two_of_a_user(copy, tmp_path):
    for date in ("20080101", "20080202"):
        add_submission(copy, f"ralf-{date}-abc", "Ralf")
    touch(copy, [f"ralf-2009010{day}-abc/wav/a{n:04d}.wav" for day in (1, 2) for n in range(6)])
    prepared = prepare_corpus(known_corpus("voxforge"), copy, tmp_path / "lists")
    assert prepared.n_speakers == 15
    check_lists(tmp_path / "lists", copy, prepared)
    found = known_corpus("voxforge").scan(copy).utterances
    dates = {u.session_id for u in found.values() if u.speaker_id == "ralf"}
    assert dates == {"20080101", "20080202", "20090101", "20090102"}


def test_a_folder_that_is_no_submission_is_passed_over(copy):
    touch(copy, ["chapter_one/wav/a0001.wav"])
    found = known_corpus("voxforge").scan(copy)
    assert len(found.utterances) == 144
    assert found.notes[1] == (
        "1 left out: in no folder named USER-DATE-LETTERS or with etc/README, such as "
        "chapter_one/wav/a0001.wav"
    )


def test_a_folder_that_names_nobody_is_not_anonymous(tmp_path):
    add_submission(tmp_path, "chapter_one", "", n=1)
    found = known_corpus("voxforge").scan(tmp_path)
    assert not any("anonymous" in note for note in found.notes)


@pytest.mark.parametrize(
    ("gender", "sex"),
    [
        ("Male", "m"),
        ("[female];", "f"),
        ("unknown", ""),
        ("männlich", "m"),
        ("Weiblich", "f"),
        ("weird", ""),
    ],
)
def test_the_sex_is_that_of_the_readme(tmp_path, gender, sex):
    add_submission(tmp_path, "a-20100829-abc", "a", n=1)
    text = README.format(user="a", gender=gender).replace("\n", "\r\n")
    (tmp_path / "a-20100829-abc/etc/README").rename(tmp_path / "a-20100829-abc/etc/readme")
    (tmp_path / "a-20100829-abc/etc/readme").write_bytes(text.encode("latin-1"))
    (found,) = known_corpus("voxforge").scan(tmp_path).utterances.values()
    assert found.sex == sex


def test_submissions_without_a_readme_are_said(copy):
    (copy / "user3-20080318-kdl/etc/README").unlink()
    found = known_corpus("voxforge").scan(copy)
    utterance = found.utterances["user3-20080318-kdl-a0000"]
    assert (utterance.speaker_id, utterance.sex) == ("user3", "")
    assert found.notes[1] == (
        "without etc/README: 1 of 24 submissions; the users are those of the folders' names, "
        "their sexes not known"
    )


def test_other_rates_and_places_are_passed_over_and_said(copy, tmp_path):
    for rate in ("8kHz_16bit", "48kHz_16bit"):
        add_submission(tmp_path / "main/Trunk/Audio/Main" / rate, "user1-20080318-kdl", "user1")
    touch(copy, ["user1-20080318-kdl/wave/a0001.wav", "user1-20080318-kdl/flac/a0001.flac"])
    found = known_corpus("voxforge").scan(tmp_path)
    assert len(found.utterances) == 144
    misplaced, twice, others = sorted(found.notes[1:])
    assert others.startswith("12 left out: not of 16kHz_16bit, such as main/Trunk/Audio/Main/48kHz")
    assert twice == f"1 left out: there twice, such as {OF_MAIN}/user1-20080318-kdl/wav/a0001.wav"
    assert misplaced.startswith("1 left out: not in SUBMISSION/wav or SUBMISSION/flac, such as")


def test_archives_that_are_not_unpacked_are_said(tmp_path):
    touch(tmp_path, ["tgz/Aaron-20080318-kdl.tgz"])
    with pytest.raises(ManifestError, match=r"the archives \(.tgz\) are not unpacked yet: unpack"):
        known_corpus("voxforge").scan(tmp_path)


def test_a_misnamed_folder_is_named(tmp_path):
    touch(tmp_path, ["Aaron-20080318-kdl/waves/a0001.wav"])
    with pytest.raises(
        ManifestError, match=r"no submissions; .* such as Aaron-20080318-kdl/waves/a0001.wav: is a"
    ):
        known_corpus("voxforge").scan(tmp_path)


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_another_folder_is_refused_with_the_layout(tmp_path, name):
    with pytest.raises(ManifestError, match=r"expected the corpus:\n  Aaron-20080318-kdl"):
        known_corpus("voxforge").scan(tmp_path / name)
