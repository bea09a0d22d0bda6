from __future__ import annotations

import sqlite3
import stat

import numpy as np
import pytest

from speakergmm.errors import MissingError, SpeakerStoreError
from speakergmm.gmm import Statistics
from speakergmm.verification.speaker_store import SpeakerStore


def statistics(seed=0, shape=(3, 4)):
    rng = np.random.default_rng(seed)
    return Statistics(
        rng.uniform(size=shape[0]), rng.normal(size=shape), rng.uniform(size=shape), -5.5, 17
    )


@pytest.fixture
def store(tmp_path):
    return SpeakerStore(tmp_path / "speakers.db", "digest-of-a-ubm")


def test_what_is_enrolled_is_found(store):
    store.enroll("alice", statistics(), ("d1",))
    found = store.find("alice")
    for name in "nfs":
        np.testing.assert_array_equal(getattr(found.statistics, name), getattr(statistics(), name))
    assert (found.statistics.log_likelihood, found.statistics.n_frames) == (-5.5, 17)
    assert found.recordings == ("d1",)


def test_enrollment_grows_by_adding(store):
    store.enroll("alice", statistics(1), ("d1",))
    store.enroll("alice", statistics(2), ("d2", "d3"))
    found = store.find("alice")
    np.testing.assert_allclose(found.statistics.f, statistics(1).f + statistics(2).f, rtol=1e-15)
    assert found.statistics.n_frames == 34
    assert found.recordings == ("d1", "d2", "d3")


def test_same_recording_twice_is_refused_and_changes_nothing(store):
    store.enroll("alice", statistics(1), ("d1",))
    with pytest.raises(SpeakerStoreError, match="'alice': one of these recordings is already part"):
        store.enroll("alice", statistics(2), ("d2", "d1"))
    assert store.find("alice").recordings == ("d1",)


@pytest.mark.parametrize(
    "speaker_id",
    ["o'hara", '"; DROP TABLE speakers; --', "../../etc/passwd", "a\nb", "名前", "🎙", "x" * 10_000],
)
def test_any_text_is_an_id(store, speaker_id):
    store.enroll(speaker_id, statistics(), ("d1",))
    store.enroll("other", statistics(3), ("d2",))
    assert store.find(speaker_id).recordings == ("d1",)


@pytest.mark.parametrize("speaker_id", ["", "  \t"])
def test_empty_id_is_refused(store, speaker_id):
    with pytest.raises(SpeakerStoreError, match="the speaker id is empty"):
        store.enroll(speaker_id, statistics(), ("d1",))
    assert not store.path.exists()


def test_unknown_speaker_is_answered_with_those_known(store):
    for i in range(12):
        store.enroll(f"s{i:02d}", statistics(), ("d",))
    with pytest.raises(MissingError, match=r"no speaker 'bob'; enrolled: 's00', .*'s09', \.\.\."):
        store.find("bob")


def test_missing_store(store):
    with pytest.raises(SpeakerStoreError, match="no such speaker store; enroll a speaker first"):
        store.find("alice")
    assert not store.path.exists()


def test_store_of_another_ubm_is_refused(store):
    store.enroll("alice", statistics(), ("d1",))
    other = SpeakerStore(store.path, "another")
    message = "belongs to the UBM digest-of-a-, not to another; give that UBM"
    with pytest.raises(SpeakerStoreError, match=message):
        other.find("alice")
    with pytest.raises(SpeakerStoreError, match=message):
        other.enroll("bob", statistics(), ("d2",))


def test_other_files_are_refused_and_kept(store):
    store.path.write_bytes(b"my diary" * 200)
    with pytest.raises(SpeakerStoreError, match="speaker store cannot be used"):
        store.enroll("alice", statistics(), ("d1",))
    assert store.path.read_bytes() == b"my diary" * 200


def test_another_database_is_refused_and_kept(store):
    with sqlite3.connect(store.path) as database:
        database.execute("CREATE TABLE mine (x)")
    database.close()
    with pytest.raises(SpeakerStoreError, match="cannot be used"):
        store.enroll("alice", statistics(), ("d1",))


def test_damaged_row_is_said(store):
    store.enroll("alice", statistics(), ("d1",))
    with sqlite3.connect(store.path) as database:
        database.execute("UPDATE speakers SET f = x'0000000000000000'")
    database.close()
    with pytest.raises(SpeakerStoreError, match="speaker 'alice' is damaged; enroll again"):
        store.find("alice")


def test_store_is_private_and_holds_no_audio(store):
    store.enroll("alice", statistics(), ("d1",))
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    store = SpeakerStore(tmp_path / "file" / "speakers.db", "u")
    with pytest.raises(SpeakerStoreError, match="cannot be used"):
        store.enroll("alice", statistics(), ("d1",))
