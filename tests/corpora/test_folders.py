"""Recordings in folders, and the trials that leave each session out once."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.corpora import Utterance, trial_speakers
from speakergmm.corpora.folders import leave_one_out, recordings_below, utterances_in_folder
from speakergmm.errors import ConfigError, ManifestError

LAW = settings(derandomize=True, deadline=None, max_examples=150)


# --- folders -------------------------------------------------------------------------------------


def test_speakers_are_folders_and_sessions_folders_in_them(write, tmp_path):
    files = ("bob/2.wav", "ann/10.flac", "ann/2.WAV", "ann/day 1/b.ogg", "ann/day 1/late/c.mp3")
    for name in files:
        write(name)
    found = utterances_in_folder(tmp_path)
    assert found == {
        name: Utterance(name, speaker, tmp_path / name, session_id=session)
        for name, speaker, session in [
            ("ann/10.flac", "ann", ""),
            ("ann/2.WAV", "ann", ""),
            ("ann/day 1/b.ogg", "ann", "day 1"),
            ("ann/day 1/late/c.mp3", "ann", "day 1/late"),
            ("bob/2.wav", "bob", ""),
        ]
    }
    assert list(found) == sorted(found)


def test_the_folder_may_be_given_as_text(write, tmp_path):
    write("ann/1.wav")
    assert utterances_in_folder(str(tmp_path)) == utterances_in_folder(tmp_path)


def test_what_is_no_recording_is_passed_over(write, tmp_path):
    write("ann/1.wav")
    for name in (
        "README.txt", ".DS_Store", "ann/notes.csv", "ann/1.wav.bak", "ann/._1.wav", ".trash/1.wav",
        "ann/.old/1.wav", "bob/wav", ".hidden.wav",
    ):  # fmt: skip
        write(name)
    # A folder may be called as a recording is.
    (tmp_path / "ann" / "tape.wav").mkdir()
    assert list(utterances_in_folder(tmp_path)) == ["ann/1.wav"]


def test_a_hidden_folder_may_hold_the_speakers(write, tmp_path):
    write(".cache/voices/ann/1.wav")
    assert list(utterances_in_folder(tmp_path / ".cache" / "voices")) == ["ann/1.wav"]


def test_links_are_followed_but_not_round_and_round(write, tmp_path):
    for name in ("corpus/ann/1.wav", "corpus/ann/2.wav", "elsewhere/bob/1.wav"):
        write(name)
    corpus = tmp_path / "corpus"
    (corpus / "bob").symlink_to(tmp_path / "elsewhere/bob")
    (corpus / "ann/3.wav").symlink_to(corpus / "ann/1.wav")
    (corpus / "ann/gone.wav").symlink_to(tmp_path / "nowhere.wav")
    (corpus / "ann/all").symlink_to(corpus)
    (corpus / "ann/own").symlink_to(corpus / "ann")
    (tmp_path / "elsewhere/bob/back").symlink_to(corpus)
    names = ["ann/1.wav", "ann/2.wav", "ann/3.wav", "bob/1.wav"]
    assert [*recordings_below(corpus)] == [corpus / name for name in names]
    assert [*recordings_below(corpus, Path())] == [Path(name) for name in names]


def test_what_cannot_be_read_stops_nothing(write, tmp_path, monkeypatch):
    for name in ("ann/1.wav", "closed/2.wav", "zoe/3.wav"):
        write(name)
    (tmp_path / "ann/self.wav").symlink_to("self.wav")
    (tmp_path / "ann/gone.wav").symlink_to("nowhere.wav")
    (tmp_path / "here").symlink_to("there")
    (tmp_path / "there").symlink_to("here")
    look = os.scandir

    def scandir(place):
        if Path(place).name == "closed":
            raise PermissionError(13, "Permission denied")
        return look(place)

    monkeypatch.setattr(os, "scandir", scandir)
    good = ["ann/1.wav", "zoe/3.wav"]
    assert [*recordings_below(tmp_path, Path())] == [Path(name) for name in good]
    every = ["ann/1.wav", "ann/gone.wav", "ann/self.wav", "closed", "zoe/3.wav"]
    found = recordings_below(tmp_path, Path(), even_unreadable=True)
    assert [*found] == [Path(name) for name in every]


def test_recordings_beside_the_folders_are_named(write, tmp_path):
    for name in ("ann/1.wav", "b.wav", "a.flac"):
        write(name)
    with pytest.raises(ManifestError) as caught:
        utterances_in_folder(tmp_path)
    heading, *lines = str(caught.value).splitlines()
    assert heading == (
        f"{tmp_path}: expected a folder for each speaker, with that speaker's recordings: "
        "2 problems"
    )
    assert lines == [
        "  a.flac lies in no speaker's folder",
        "  b.wav lies in no speaker's folder",
    ]


def test_a_folder_of_one_speaker_is_no_folder_of_speakers(write, tmp_path):
    write("1.wav")
    message = re.escape(
        f"{tmp_path}: expected a folder for each speaker, with that speaker's recordings: "
        "1.wav lies in no speaker's folder"
    )
    with pytest.raises(ManifestError, match=message):
        utterances_in_folder(tmp_path)


@pytest.mark.parametrize("name", ["ann/notes.txt", "notes.txt", "ann/.1.wav"])
def test_no_recordings(write, tmp_path, name):
    write(name)
    message = re.escape(
        f"{tmp_path}: no recordings (.wav, .flac, .sph, .ogg, .opus, .mp3, .aiff, .aif); expected "
        "a folder for each speaker, with that speaker's recordings"
    )
    with pytest.raises(ManifestError, match=message):
        utterances_in_folder(tmp_path)


def test_a_missing_folder_holds_no_recordings(tmp_path):
    with pytest.raises(ManifestError, match="nowhere: no recordings"):
        utterances_in_folder(tmp_path / "nowhere")


# --- leaving one out -----------------------------------------------------------------------------


def listed(sessions):
    """Make utterances of speaker → the number of recordings of each session, "" for none."""
    found = {}
    for speaker, counts in sessions.items():
        for session, n in counts:
            for take in range(n):
                name = f"{speaker}/{session or 'single'}/{len(found)}-{take}"
                found[name] = Utterance(name, speaker, Path(name), session_id=session)
    return found


def triples(protocol):
    trials = protocol.trials
    return [
        (trials.model_ids[m], trials.test_ids[t], bool(target))
        for m, t, target in zip(
            trials.model_index, trials.test_index, trials.is_target, strict=True
        )
    ]


def test_by_hand():
    utterances = {
        name: Utterance(name, name[0], Path(name), session_id=session)
        for name, session in [("a1", "x"), ("a2", "x"), ("a3", "y"), ("b1", ""), ("b2", ""),
                              ("c1", "z")]
    }  # fmt: skip
    protocol = leave_one_out(utterances)
    assert protocol.enrollment == {
        "a without x": ("a3",),
        "a without y": ("a1", "a2"),
        "b without b1": ("b2",),
        "b without b2": ("b1",),
    }
    assert protocol.tests == {name: (name,) for name in utterances}
    assert protocol.model_speakers == {m: m[0] for m in protocol.enrollment}
    assert protocol.test_speakers == {name: name[0] for name in utterances}
    strangers = {"a": ("b1", "b2", "c1"), "b": ("a1", "a2", "a3", "c1")}
    expected = {
        ("a without x", "a1", True), ("a without x", "a2", True), ("a without y", "a3", True),
        ("b without b1", "b1", True), ("b without b2", "b2", True),
        *((m, t, False) for m in protocol.enrollment for t in strangers[m[0]]),
    }  # fmt: skip
    assert set(triples(protocol)) == expected
    assert len(protocol.trials) == len(expected)
    assert protocol.trials.model_index.dtype == protocol.trials.test_index.dtype == np.int32


# Speaker → sessions with their numbers of recordings; some have no sessions, or one only.
SESSIONS = st.lists(
    st.tuples(st.sampled_from(["", "x", "y", "z"]), st.integers(1, 3)), min_size=1, max_size=4
)
CORPORA = st.lists(SESSIONS, min_size=2, max_size=5).map(
    lambda every: listed({f"s{i}": sessions for i, sessions in enumerate(every)})
)


def session_of(utterance):
    return utterance.session_id or utterance.utterance_id


def sessions_of(utterances):
    found = {}
    for utterance in utterances.values():
        found.setdefault(utterance.speaker_id, set()).add(session_of(utterance))
    return found


def has_trials(utterances):
    return max(len(own) for own in sessions_of(utterances).values()) > 1


@LAW
@given(CORPORA.filter(has_trials), st.none() | st.integers(1, 3))
def test_every_model_meets_all_that_it_may_and_nothing_else(utterances, max_enrollment):
    protocol = leave_one_out(utterances, max_enrollment=max_enrollment)
    sessions = sessions_of(utterances)
    found = triples(protocol)
    assert len(found) == len(set(found))
    met = {}
    for model_id, test_id, is_target in found:
        met.setdefault(model_id, set()).add(test_id)
        same = protocol.model_speakers[model_id] == utterances[test_id].speaker_id
        assert is_target == same
        if same:
            made_of = {session_of(utterances[u]) for u in protocol.enrollment[model_id]}
            assert session_of(utterances[test_id]) not in made_of
    assert met.keys() == protocol.enrollment.keys()
    left_out = {}
    for model_id, tests in met.items():
        speaker = protocol.model_speakers[model_id]
        others = {u for u, v in utterances.items() if v.speaker_id != speaker}
        assert others <= tests
        own = {session_of(utterances[u]) for u in tests - others}
        assert len(own) == 1
        # All recordings of the session that was left out.
        session = own.pop()
        assert tests - others == {
            u for u, v in utterances.items()
            if v.speaker_id == speaker and session_of(v) == session
        }  # fmt: skip
        left_out.setdefault(speaker, set()).add(session)
    # Each session once; who has but one is only a stranger.
    assert left_out == {s: own for s, own in sessions.items() if len(own) > 1}
    assert len(protocol.enrollment) == sum(len(own) for own in left_out.values())


@LAW
@given(CORPORA.filter(has_trials), st.none() | st.integers(1, 3))
def test_models_are_of_one_speakers_other_sessions(utterances, max_enrollment):
    protocol = leave_one_out(utterances, max_enrollment=max_enrollment)
    whole = leave_one_out(utterances)
    for model_id, pool in protocol.enrollment.items():
        speaker = protocol.model_speakers[model_id]
        assert {utterances[u].speaker_id for u in pool} == {speaker}
        assert pool == whole.enrollment[model_id][:max_enrollment]
        every = {u for u, v in utterances.items() if v.speaker_id == speaker}
        session = model_id.removeprefix(f"{speaker} without ")
        rest = {u for u in every if session_of(utterances[u]) != session}
        assert set(whole.enrollment[model_id]) == rest
    assert triples(protocol) == triples(whole)


@LAW
@given(CORPORA.filter(has_trials))
def test_numbers_of_speakers_agree_with_the_list(utterances):
    protocol = leave_one_out(utterances)
    trials = protocol.trials
    model, test, n_speakers = trial_speakers(trials)
    assert n_speakers == len({u.speaker_id for u in utterances.values()})
    # As the bootstrap draws them.
    assert set(test.tolist()) == set(range(n_speakers))
    number = {u.speaker_id: n for u, n in zip(utterances.values(), test.tolist(), strict=True)}
    assert [number[s] for s in protocol.test_speakers.values()] == test.tolist()
    assert [number[s] for s in protocol.model_speakers.values()] == model.tolist()
    same = model[trials.model_index] == test[trials.test_index]
    np.testing.assert_array_equal(same, trials.is_target)


def test_counts_of_ten_speakers_with_three_recordings():
    utterances = listed({f"s{i}": [("", 1), ("", 1), ("", 1)] for i in range(10)})
    protocol = leave_one_out(utterances)
    assert len(protocol.enrollment) == 30
    assert int(protocol.trials.is_target.sum()) == 30
    assert len(protocol.trials) == 30 + 30 * 27
    assert {len(pool) for pool in protocol.enrollment.values()} == {2}
    few = leave_one_out(utterances, max_enrollment=1)
    assert {len(pool) for pool in few.enrollment.values()} == {1}


# --- what is refused -----------------------------------------------------------------------------


def test_one_speaker():
    message = (
        "all recordings are of the speaker 'ann'; expected several speakers: what a stranger "
        "scores is learned from the others"
    )
    with pytest.raises(ManifestError, match=message):
        leave_one_out(listed({"ann": [("x", 2), ("y", 1)]}))


def test_no_second_session():
    message = (
        "none of the 2 speakers has two recordings of different sessions; one to enroll and "
        "another to test are needed: record more"
    )
    with pytest.raises(ManifestError, match=message):
        leave_one_out(listed({"ann": [("x", 3)], "bob": [("", 1)]}))


def test_a_model_of_no_recording_is_refused():
    with pytest.raises(ConfigError, match="max_enrollment is 0; expected 1 or more"):
        leave_one_out(listed({"ann": [("x", 1), ("y", 1)], "bob": [("", 1)]}), max_enrollment=0)
