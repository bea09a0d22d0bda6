from __future__ import annotations

import pytest
from corpus_copies import check_lists
from hypothesis import given
from hypothesis import strategies as st
from miniatures.files import touch
from miniatures.folders import build

from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.own_folders import _ids
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError

CORPUS = known_corpus("folders")


def test_ids_are_names_that_files_can_have(tmp_path):
    touch(tmp_path, ["ann/s0/r0.wav", "ann/s0/r1.wav", "ann/s0/r1.flac", "bob/r 0.b.mp3"])
    found = CORPUS.scan(tmp_path).utterances
    assert {name: u.path.as_posix() for name, u in found.items()} == {
        "ann-s0-r0": "ann/s0/r0.wav",
        "ann-s0-r1.flac": "ann/s0/r1.flac",
        "ann-s0-r1.wav": "ann/s0/r1.wav",
        "bob-r 0.b": "bob/r 0.b.mp3",
    }
    assert [u.utterance_id for u in found.values()] == list(found)
    assert found["ann-s0-r0"].session_id == "s0"
    assert found["bob-r 0.b"].session_id == "r 0.b"


@given(
    st.lists(st.from_regex(r"[ab]/([ABab-]/)?[ab-]{1,3}\.(wav|flac)", fullmatch=True), unique=True)
)
def test_every_recording_has_an_id_of_its_own(paths):
    ids = _ids(paths)
    assert len(ids) == len(paths)
    assert len({name.casefold() for name in ids}) == len(ids)
    assert not any("/" in name for name in ids)


def test_recordings_that_cannot_be_read_are_said(tmp_path):
    copy = build(tmp_path)
    touch(copy, ["person00/a.m4a", "person01/b.WMA", "person02/notes.txt"])
    prepared = prepare_corpus(CORPUS, copy, tmp_path / "lists")
    (note,) = prepared.notes
    assert note == (
        "2 left out: not read as they are (convert them to .wav first, with ffmpeg for instance), "
        "such as person00/a.m4a"
    )
    check_lists(tmp_path / "lists", copy, prepared)


def test_a_folder_of_nothing_else_says_what_is_there(tmp_path):
    touch(tmp_path, ["ann/a.m4a"])
    with pytest.raises(
        ManifestError, match=r"no recordings \(.*\), but such as a.m4a, which is not"
    ):
        CORPUS.scan(tmp_path)


LACKING = (
    r": 0 speakers for development; expected 2 or more\. Of 2 speakers 2 have 1 utterance for a "
    r"model and 1 for a test in another session, which at least 5 must have: is the copy whole"
)
NO_OTHERS = r"none of the 4 speakers is left for the background model; expected 5 speakers or"


@pytest.mark.parametrize(
    ("n_speakers", "n_takes", "message"),
    [(2, 3, LACKING), (1, 1, r"or more\. Of 1 speaker 0 have"), (4, 2, NO_OTHERS)],
)
def test_too_few_people_are_told_how_many_are_needed(tmp_path, n_speakers, n_takes, message):
    touch(tmp_path, [f"p{i}/{take}.wav" for i in range(n_speakers) for take in range(n_takes)])
    with pytest.raises(ManifestError, match=message):
        prepare_corpus(CORPUS, tmp_path, tmp_path / "lists")


def test_as_many_as_are_said_will_do(tmp_path):
    touch(tmp_path, [f"p{i}/{take}.wav" for i in range(5) for take in range(2)])
    prepared = prepare_corpus(CORPUS, tmp_path, tmp_path / "lists")
    assert [split.speakers for split in prepared.splits] == [1, 2, 2]
