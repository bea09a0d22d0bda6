from __future__ import annotations

import pytest
from corpus_copies import check_lists
from miniatures.files import touch
from miniatures.ravdess import build, names_of

from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError


@pytest.fixture
def copy(tmp_path):
    return build(tmp_path)


def test_lists_are_what_the_protocol_promises(copy, tmp_path):
    prepared = prepare_corpus(known_corpus("ravdess"), copy, tmp_path / "lists")
    assert prepared.protocol == "drawn"
    assert [(c.speakers, c.utterances, c.target, c.nontarget) for c in prepared.splits] == [
        (12, 720, 0, 0), (5, 300, 250, 1000), (7, 420, 350, 2100),
    ]  # fmt: skip
    assert prepared.notes == ()
    check_lists(tmp_path / "lists", copy, prepared)
    text = (tmp_path / "lists/utterances.csv").read_text()
    name = "03-01-06-01-02-01-12"
    (line,) = [line for line in text.splitlines() if line.startswith(name)]
    assert line.startswith(f"{name},12,Actor_12/{name}.wav,12,f,")
    assert line.endswith(",fearful")


def test_actors_may_enroll_in_a_neutral_voice(copy, tmp_path):
    prepared = prepare_corpus(known_corpus("ravdess"), copy, tmp_path / "lists", protocol="neutral")
    assert [(c.speakers, c.target, c.nontarget) for c in prepared.splits] == [
        (12, 0, 0), (5, 280, 1120), (7, 392, 2352),
    ]  # fmt: skip
    protocol = check_lists(tmp_path / "lists", copy, prepared)["evaluation"]
    assert {name[6:8] for pool in protocol.enrollment.values() for name in pool} == {"01"}
    assert {len(pool) for pool in protocol.enrollment.values()} == {4}
    assert "01" not in {name[6:8] for name in protocol.tests}


def test_the_folder_may_be_any_above(copy, tmp_path):
    found = known_corpus("ravdess").scan(tmp_path)
    assert len(found.utterances) == 1440
    assert all((tmp_path / u.path).exists() for u in found.utterances.values())
    sexes = {u.speaker_id: u.sex for u in found.utterances.values()}
    assert (sexes["01"], sexes["02"], sexes["24"]) == ("m", "f", "f")


def test_missing_actors_and_other_files_are_said(tmp_path):
    names = [*names_of(1), *names_of(2), *names_of(1, "02"), "Actor_02/03-01-01-01-01-01-01.wav"]
    others = ["Actor_02/hello.wav", "again/Actor_01/03-01-01-01-01-01-01.flac"]
    found = known_corpus("ravdess").scan(touch(tmp_path, [*names, *others]))
    assert len(found.utterances) == 120
    missing, song, misplaced, misnamed, twice = found.notes
    assert missing == "actors not there: 03, 04, 05, 06, 07 and 17 more"
    assert song.startswith("60 left out: not speech (channel 01), but song, such as Actor_01/03-02")
    assert misplaced.endswith(
        "the folder of another actor, such as Actor_02/03-01-01-01-01-01-01.wav"
    )
    assert misnamed.startswith("1 left out: not named MODALITY-CHANNEL-EMOTION-INTENSITY-...-ACTOR")
    assert twice == f"1 left out: there twice, such as {others[1]}"


def test_actors_without_neutral_speech_are_named(tmp_path):
    names = [name for actor in range(1, 9) for name in names_of(actor) if "03-01-01" not in name]
    folder = touch(tmp_path / "corpus", names)
    with pytest.raises(
        ManifestError, match=r"nothing neutral \(emotion 01\) of actors 0\d, 0\d; e"
    ):
        prepare_corpus(known_corpus("ravdess"), folder, tmp_path / "lists", protocol="neutral")


def test_another_folder_is_refused_with_the_layout(tmp_path):
    touch(tmp_path, ["Actor_01/03-02-01-01-01-01-01.wav"])
    with pytest.raises(
        ManifestError, match="no speech named as in RAVDESS; 1 left out: not speech"
    ):
        known_corpus("ravdess").scan(tmp_path)
    with pytest.raises(ManifestError, match="nowhere: no such folder; expected the corpus"):
        known_corpus("ravdess").scan(tmp_path / "nowhere")
